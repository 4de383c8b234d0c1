"""Sentences on searches: budget, ends of ranges, gains, further trials."""

import math
from dataclasses import replace

import pytest

from segsweep.stats.ranges import Range
from segsweep.stats.search import SearchedCell, Trial, TrialState
from segsweep.stats.wording.search import (
    number_text,
    pair_text,
    range_text,
    range_warnings,
    search_texts,
    wider_word,
)

LR = "optimizer.lr"
RATES = Range(1e-5, 1e-2, log=True)
COMPLETE = TrialState.COMPLETE


def cell(name, scores=(0.7, 0.8, 0.75, 0.7), **more):
    """Return a cell that was searched with trials of these validation IoUs, the first its own."""
    rates = [2e-3, *(10.0 ** -(2 + k) for k in range(1, len(scores)))]
    trials = tuple(
        Trial(str(k), {LR: rate}, COMPLETE, value)
        for k, (rate, value) in enumerate(zip(rates, scores, strict=True))
    )
    best = max(trials, key=lambda one: one.val_iou)
    given = {
        **{"cell": name, "fold": None, "trials": trials, "ranges": {LR: RATES}},
        **{"values": best.values, "val_iou": best.val_iou, "own": {LR: 2e-3}},
        **{"own_val_iou": scores[0], "sampler": "tpe", "counts": {COMPLETE: len(scores)}},
    }
    return SearchedCell(**{**given, **more})


def at(rate, name="unet/bce", **more):
    """Return a cell at this rate."""
    return cell(name, scores=(0.7, 0.8), **{"values": {LR: rate}, **more})


@pytest.mark.parametrize(
    ("cells", "planned", "said"),
    [
        (
            [cell("a/b"), cell("c/d")],
            2,
            "Both cells are at the values found by 4 trials each (optimizer.lr).",
        ),
        ([cell("a/b")], 1, "The cell is at the values found by 4 trials (optimizer.lr)."),
        (
            [cell("a/b")],
            3,
            "1 of 3 cells is at the values found by 4 trials (optimizer.lr).",
        ),
        (
            [cell("a/b"), cell("c/d", scores=(0.7, 0.8))],
            2,
            "Both cells are at the values found by 2 to 4 trials each, so not all had the same "
            "budget (optimizer.lr).",
        ),
        (
            [cell("a/b", fold=0), cell("a/b", fold=1)],
            1,
            "The cell is at the values found by 4 trials for each cell and fold (optimizer.lr).",
        ),
        (
            [cell("a/b", source="lr"), cell("c/d", source="lr")],
            2,
            "Both cells are at the values found by 4 trials each in lr (optimizer.lr).",
        ),
        (
            [cell("a/b", source="lr"), cell("c/d")],
            2,
            "Both cells are at the values found by 4 trials each, some of them in lr "
            "(optimizer.lr).",
        ),
        ([replace(cell("a/b"), values={})], 1, "Still searched: a/b (4 trials so far)."),
        (
            [cell("a/b", values={}, counts={TrialState.FAILED: 2})],
            1,
            "No trial has finished, so not trained: a/b (2 failed).",
        ),
    ],
)
def test_budget(cells, planned, said):
    """The first sentence says at which values cells are compared, and what that took."""
    assert search_texts(cells, planned)[0] == said


def test_values_of_a_pair():
    """Which rate either cell has, and how it was found."""
    cells = [at(9.5e-3, "a/b"), at(1e-3, "c/d", fold=0), at(2e-3, "c/d", fold=1)]

    assert pair_text(cells, ("a/b", "c/d")) == (
        "a/b at the values found by 2 trials (optimizer.lr=0.0095), c/d at the values found by 2 "
        "trials for each cell and fold (fold 0: optimizer.lr=0.001; fold 1: optimizer.lr=0.002)."
    )
    assert pair_text(cells, ("a/b", "e/f")) == (
        "a/b at the values found by 2 trials (optimizer.lr=0.0095), e/f at the values of its "
        "config."
    )
    assert pair_text(cells, ("e/f", "g/h")) == ""


def test_no_search_no_sentence():
    """A sweep without a search has none of this."""
    assert search_texts([], 3) == range_warnings([]) == ()
    assert wider_word([]) == ""


def test_trials_that_ended_early():
    """Each cell with failed, diverged or pruned trials is named with how many."""
    counts = {COMPLETE: 4, TrialState.FAILED: 2, TrialState.DIVERGED: 1}
    pruned = {COMPLETE: 5, TrialState.PRUNED: 3}
    cells = [cell("a/b", counts=counts), cell("c/d", counts=pruned), cell("e/f")]

    assert (
        "Trials that ended early: a/b (2 failed, 1 diverged of 7), c/d (3 pruned of 8); a failed "
        "trial is missing from its cell's budget." in search_texts(cells, 3)
    )
    assert not any("missing" in text for text in search_texts(cells[1:], 2))


def test_best_value_at_an_end():
    """The warning says which cells and which way; the word searches ten times further."""
    cells = [at(9.5e-3), at(6e-3, "unet/dice"), at(1e-3, "unet/ss")]

    assert range_warnings(cells) == (
        "optimizer.lr: the best values are at the upper end of what was searched, 1e-05 to 0.01: "
        "unet/bce (0.0095), unet/dice (0.006). Search higher.",
    )
    assert wider_word(cells) == "\"search.params={optimizer.lr: 'tag(log, interval(1e-05, 0.1))'}\""


def test_both_ends_are_widened_in_one_word():
    """A command has one value for a key: two words for it would overwrite each other."""
    cells = [at(9.5e-3), at(1.1e-5, "unet/dice")]

    assert [text.rpartition(". ")[2] for text in range_warnings(cells)] == [
        "Search higher.",
        "Search lower.",
    ]
    assert wider_word(cells) == "\"search.params={optimizer.lr: 'tag(log, interval(1e-06, 0.1))'}\""


def test_values_of_another_sweep_are_not_widened_here():
    """This command has no trials; the warning stays."""
    cells = [at(9.5e-3, source="lr")]

    assert len(range_warnings(cells)) == 1
    assert wider_word(cells) == ""


SEEDS = (0.75, 0.8, 0.85)
"""An sd of .05; luck among four trials explains 1.03 sd, so .051."""


def test_whether_the_search_mattered():
    """Gains in sd of the seeds, with those of cells for which it did not matter."""
    cells = [
        cell("a/b", scores=(0.6, 0.8, 0.7, 0.7), seeds=SEEDS),
        cell("c/d", scores=(0.79, 0.8, 0.7, 0.7), seeds=SEEDS),
        cell("e/f", scores=(0.8, 0.7, 0.7, 0.7), seeds=SEEDS),
    ]

    assert search_texts(cells, 3)[1] == (
        "The search mattered: gains over the config's own values beyond the luck of the best trial "
        "(1.0 sd of the seeds) for a/b (+4.0); not for c/d (+0.2), e/f (own value kept)."
    )
    assert search_texts(cells[1:], 2)[1] == (
        "The search did not matter: no gain over the config's own values beyond the luck of the "
        "best trial (1.0 sd of the seeds): c/d (+0.2), e/f (own value kept)."
    )
    assert not any("matter" in text for text in search_texts([cell("a/b")], 1))


def test_whether_more_trials_may_help():
    """Of eight trials the seventh is the best: 16 are proposed."""
    late = cell("a/b", scores=(0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.9, 0.5))
    early = cell("c/d", scores=(0.5, 0.9, 0.5, 0.5, 0.5, 0.5, 0.905, 0.5))

    assert search_texts([late, early], 2)[-1] == (
        "More trials may help a/b (best at trial 7 of 8, +0.4000): search.n_trials=16. The others "
        "had their best early enough."
    )
    assert search_texts([early], 1)[-1] == (
        "More trials would hardly help: the last quarter of them gained at most 0.0050 of "
        "validation IoU, within the luck of a seed."
    )


def test_more_random_trials():
    """The best of two draws and of four: .7, .8, .9, .6 have means of .8333 and .9."""
    one = cell("a/b", scores=(0.5, 0.7, 0.8, 0.9, 0.6), sampler="random")

    assert search_texts([one], 1)[-1] == (
        "More trials may help a/b (best of 2 0.8333 on average, of 4 0.9000; as many again gain at "
        "most 0.1000): search.n_trials=10."
    )


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (RATES, "tag(log, interval(1e-05, 0.01))"),
        (Range(0.0, 0.75), "interval(0, 0.75)"),
        (Range(4, 22, whole=True), "int(interval(4, 22))"),
        (Range(2, 64, log=True, whole=True), "tag(log, int(interval(2, 64)))"),
        (Range(1, 8, listed=(1.0, 2.0, 8.0)), "choice(1, 2, 8)"),
    ],
)
def test_range_in_the_words_of_a_search(known, text):
    """What `search.params` takes."""
    assert range_text(known) == text


def test_values_as_text():
    """Numbers in three digits; whole numbers and words as they are."""
    assert [number_text(value) for value in (0.0095138, 1234, "flips", True, math.pi)] == [
        "0.00951",
        "1234",
        "flips",
        "True",
        "3.14",
    ]
