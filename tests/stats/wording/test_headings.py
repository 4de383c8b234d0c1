"""Headlines: of the cells, of averages, of a baseline."""

from dataclasses import replace

import numpy as np
import pytest

from segsweep.stats.contrasts import ARCHITECTURES, LOSSES
from segsweep.stats.engine import analyse
from segsweep.stats.notes import UnfinishedRuns
from segsweep.stats.null import Settings
from segsweep.stats.verdicts import A_BETTER, UNDECIDED
from segsweep.stats.wording.answer import answer
from segsweep.stats.wording.headings import baseline_text, levels_text
from segsweep.stats.wording.levels import levels_note
from segsweep.stats.wording.phrases import chance_text
from segsweep.stats.wording.sentences import NEEDS_IMAGES, claim
from segsweep.stats.wording.sentences import clearest as clearest_words
from stats_data import drawn, of_tables

FEW = Settings(draws=1_000)
WIDE = replace(FEW, margin=0.02)
GRID = ["m/a", "m/b", "m/c", "n/a", "n/b", "n/c"]


def said(values, settings=FEW, **more):
    """Return the answer."""
    return answer(analyse(values, settings), **more)


def calm(cells, gaps=None, **more):
    """Return values of cells that are equal within .02."""
    return drawn((40,) * cells, gaps=gaps, images=200, sd=0.002, **more)


@pytest.mark.parametrize(
    ("seeds", "gaps", "headline"),
    [
        (
            *(5, [0.3, 0]),
            "So far, with 95 % confidence m/a is the best of 2 finished cells (6 planned).",
        ),
        (2, [0, 0], "Not settled: either of the 2 finished cells (6 planned) may be the best."),
        (2, [0] * 3, "Not settled: any of the 3 finished cells (6 planned) may be the best."),
        (
            4,
            [0, 0, -0.3],
            "So far, with 95 % confidence the best is one of these 2 of 3 finished cells "
            "(6 planned): m/{}.",
        ),
        (3, [0], "1 of 6 cells is finished, nothing to compare yet: m/a has a mean of 0."),
    ],
)
def test_missing_cells_are_in_the_headline(seeds, gaps, headline):
    """Nothing is settled among six planned cells if some are missing."""
    found = said(drawn((seeds,) * len(gaps), gaps=gaps), planned=6).headline
    start, _, end = headline.partition("{}")

    assert found.startswith(start)
    assert found.endswith(end)
    assert "Settled" not in found.split()[0]


def test_no_cell_is_missing():
    """The planned number equals that of the compared cells, or is not given."""
    values = drawn((5, 5), gaps=[0.3, 0])

    assert said(values, planned=2) == said(values)
    assert said(values).headline == "With 95 % confidence m/a is the best of 2 cells."


def test_missing_cells_are_in_the_headline_without_claims():
    """With one seed per cell."""
    found = said(drawn((1, 1)), planned=20).headline

    assert "Of these 2 trained networks (20 cells planned), " in found


def test_candidates_that_are_all_equal_are_settled():
    """There is no advice on seeds."""
    found = said(calm(3, gaps=[0, 0, -0.2]), WIDE)
    far = said(calm(3, gaps=[0, 0, -0.2]), WIDE, planned=9)

    assert found.headline.startswith(
        "Settled: the 2 cells that may be the best are equal within 0.02: "
    )
    assert set(found.best) == {"m/a", "m/b"}
    assert found.next == ("Take the cheapest of them.",)
    assert far.headline.startswith(
        "So far, of 3 finished cells (9 planned), the 2 that may be the best are equal within "
    )


def test_one_equal_pair_is_reported_once():
    """Two cells: in the headline only; one of three pairs: in the singular."""
    two, three = said(calm(2), WIDE), said(calm(3, gaps=[0, 0, -0.2]), WIDE)

    assert two.settled == ()
    assert two.text.count("equal within 0.02") == 1
    assert three.settled[-1] == "1 of 3 pairs of cells is equal within 0.02."


def test_not_all_equal_is_not_settled():
    """Two equal cells and one that is undecided against both."""
    calm_one, other = calm(2).tables
    wild = drawn((40,), images=200, sd=0.2, seed=3).tables[0]
    found = said(of_tables([calm_one, other, wild]), WIDE)

    assert len(found.best) == 3
    assert found.headline == "Not settled: any of the 3 cells may be the best."


def test_clearest_pair_then_factors_then_how_many_are_equal():
    """Most important first: a terminal has room for two sentences."""
    values = calm(4, gaps=[0.2, 0, 0.2, 0], names=["m/a", "m/b", "n/a", "n/b"])
    settled = said(values, WIDE).settled

    assert settled[0].startswith("4 of 6 pairs of cells differ; clearest: ")
    assert settled[1].startswith("Losses, on average over the other factors: a is better than b")
    assert settled[-1] == "2 of 6 pairs of cells are equal within 0.02."


def test_given_notes_come_before_those_of_the_values():
    """Swept keys are more important than unfinished runs."""
    values = replace(drawn((2, 2)), notes=(UnfinishedRuns(1),))

    assert said(values, notes=("Cells differ in epochs too.",)).notes == (
        "Cells differ in epochs too.",
        "1 run not finished yet.",
    )


@pytest.mark.parametrize("shift", [0.0, 1e-16])
def test_tie_is_reported_without_advice(shift):
    """Identical means, also up to rounding."""
    table = drawn((4,)).tables[0]
    found = said(of_tables([table, table + shift, table - 0.3]))

    assert found.next == (
        "No difference was observed between m/a and m/b, so no number of seeds can be computed.",
    )


def test_advice_for_one_other_is_in_the_singular():
    """A difference that more seeds can show, and one that they cannot."""
    seeds, images = said(drawn((3, 3), gaps=[0.02, 0], images=200)), said(drawn((9, 9), images=9))

    assert "would probably rule out the one other that may be the best." in seeds.text
    assert f"More seeds would not rule out the one other: {NEEDS_IMAGES}." in images.text


def test_text_where_more_seeds_do_not_help():
    """Every sentence on images ends like this."""
    assert NEEDS_IMAGES == (
        "more test images or folds are needed, or there is no difference to find"
    )


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        *((0.0, "under 0.01"), (0.0049, "under 0.01"), (0.005, "0.01"), (0.5, "0.50")),
        *((0.9949, "0.99"), (0.995, "over 0.99"), (1.0, "over 0.99")),
    ],
)
def test_probabilities_are_never_printed_as_certain(chance, words):
    """No probability is printed as 0 or 1."""
    assert chance_text(chance) == words


def analysed(names=GRID, seeds=4, gaps=None, settings=FEW, **more):
    """Return the analysis of cells of that name with as many seeds each."""
    values = drawn((seeds,) * len(names), gaps=gaps, names=names, **more)
    return analyse(values, settings, advise=False)


def clearest(result, family):
    """Return the claim with the largest |t| of a family."""
    tested = result.tested[family]
    return claim(tested, int(np.abs(tested.t).argmax()))


def test_best_level_is_named():
    """Loss b is better by .2 with both architectures, which do not differ."""
    result = analysed(gaps=[0, 0.2, 0, 0, 0.2, 0])

    assert levels_text(result, "loss") == (
        "With 95 % confidence b is the best of 3 losses on average over the other factors. "
        f"2 of 3 pairs of losses differ; clearest: {clearest(result, LOSSES)}"
    )
    assert levels_text(result, "model") == "Nothing is settled between the 2 architectures."


def test_some_levels_are_ruled_out():
    """Loss c is below a and b, which do not differ."""
    words = levels_text(analysed(gaps=[0, 0, -0.2, 0, 0, -0.2]), "loss")

    assert words.startswith("With 95 % confidence the best is one of these 2 of 3 losses: ")
    assert " 2 of 3 pairs of losses differ; clearest: " in words


def test_equal_levels_are_settled():
    """Within a margin of .02."""
    result = analyse(calm(6, names=GRID), WIDE, advise=False)

    assert levels_text(result, "model").startswith(
        "Settled: the 2 architectures that may be the best are equal within 0.02: "
    )


def test_levels_of_an_unfinished_sweep():
    """In the heading, and in the note on what is averaged over."""
    result = analysed(GRID[:5], gaps=[0.2, 0, 0, 0.2, 0])
    words, note = levels_text(result, "loss", planned=12), levels_note(result, "model", planned=12)

    assert words.startswith("So far (5 of 12 cells are finished): a is better than b by ")
    assert levels_text(analysed(), "loss", planned=7) == (
        "Nothing is settled between the 3 losses (6 of 7 cells are finished)."
    )
    assert levels_text(analysed(gaps=[0, 0, -0.2] * 2), "loss", planned=7).startswith(
        "So far (6 of 7 cells are finished), with 95 % confidence the best is one of these 2 of 3 "
        "losses: "
    )
    assert note == (
        "5 of 12 cells are finished, and only they count; means are over the 2 of 3 losses that "
        "all architectures have, finished cells only."
    )
    assert levels_note(result, "model", planned=5) == levels_note(result, "model")


def test_levels_with_an_interaction_are_not_named():
    """Loss a is far better with m and far worse with n."""
    words = levels_text(analysed(gaps=[0.3, 0, 0, 0, 0.25, 0]), "loss")

    assert words.startswith("The effect of the loss depends on the architecture (p")
    assert words.endswith("), so no loss is best overall.")


def test_levels_without_claims_and_without_others():
    """One seed per cell; one architecture, whose losses are compared as cells."""
    few, one = analysed(seeds=1), analysed(GRID[:3], gaps=[0.2, 0, 0])

    assert levels_text(few, "loss") == "No claim about methods: one seed per cell."
    assert levels_text(one, "model") == "There is only one architecture, nothing to compare: m."
    words = levels_text(one, "loss")
    assert words.startswith("With 95 % confidence a is the best of 3 losses. ")
    assert "on average" not in words


def test_levels_with_nothing_in_common_are_not_compared():
    """Architecture m has losses a and b, n has c."""
    words = levels_text(analysed(["m/a", "m/b", "n/c"], gaps=[0, 0, 0.4]), "model")

    assert (
        words == "No two architectures can be compared: they have too few combinations in common."
    )


def test_level_that_was_not_compared_is_not_counted():
    """Loss c exists with m only: the text compares a and b, and the note says why."""
    result = analysed(GRID[:5], gaps=[0.2, 0, 0.5, 0.2, 0])
    words = levels_text(result, "loss")

    assert words.startswith("Settled: a is better than b by ")
    assert "best" not in words
    assert levels_note(result, "loss").endswith(
        "; it is open whether c may be the best: it shares fewer than two architectures with any "
        "other loss that can be compared."
    )


def test_names_are_not_capitalized():
    """Names of levels are not capitalized."""
    result = analyse(drawn((3, 3, 3, 1), names=["m/a", "m/b", "n/a", "n/b"]), FEW)

    assert levels_note(result, "loss") == (
        "It is open whether a, b may be the best: they share fewer than two architectures with "
        "any other loss that can be compared."
    )


def test_other_factors_are_refused():
    """Only model and loss are allowed."""
    with pytest.raises(ValueError, match="model or loss"):
        levels_text(analysed(), "lr")


def about(gaps, settings=FEW, seeds=6, planned=None, **more):
    """Return the text that compares cells with m/a, the first one."""
    values = drawn((seeds,) * len(gaps), gaps=gaps, images=50, **more)
    return baseline_text(analyse(values, settings, advise=False, baseline="m/a"), planned)


def test_cells_against_a_baseline():
    """Which cells are better, worse, and how many are undecided."""
    assert about([0, 0.2, -0.2, 0, 0]) == (
        "Better than m/a: m/b; worse: m/c; nothing is settled for 2 others."
    )
    assert about([0, -0.2, -0.2]) == "Worse than m/a: m/b, m/c."
    assert about([0, 0.2, 0]) == "Better than m/a: m/b; nothing is settled for 1 other."
    assert about([0, 0, 0]) == "Nothing is settled between m/a and the 2 others."
    assert about([0, 0]) == "Nothing is settled between m/a and m/b."
    assert about([0, 0.2], planned=4) == "So far (2 of 4 cells are finished): better than m/a: m/b."


def test_baseline_may_be_equal_to_others():
    """Within the margin."""
    result = analyse(calm(3, gaps=[0, 0, 0.2]), WIDE, advise=False, baseline="m/a")

    assert baseline_text(result) == "Better than m/a: m/c; equal within 0.02: m/b."


def test_baseline_without_claims_or_others():
    """One seed per cell, a single cell, and one cell with one seed."""
    assert about([0, 0.5], seeds=1) == (
        "No claim about methods: one seed per cell. Intervals are of these trained networks on new "
        "images; no verdict is given."
    )
    assert about([0]) == "There is no other cell to compare the baseline with."
    few = analyse(drawn((6, 6, 1), gaps=[0, 0.2, 0]), FEW, baseline="m/a")
    assert baseline_text(few) == (
        "Better than m/a: m/b. Nothing can be claimed about cells with one seed: m/c."
    )


def test_text_of_one_family_ignores_the_other():
    """Architectures are settled and losses are not."""
    result = analysed(gaps=[0.2, 0.2, 0.2, 0, 0, 0])

    assert clearest(result, ARCHITECTURES) in levels_text(result, "model")
    assert levels_text(result, "loss") == "Nothing is settled between the 3 losses."


@pytest.mark.parametrize(("claims", "verb"), [(1, "1 of 3 pairs of cells differs"), (2, "differ;")])
def test_one_pair_differs(claims, verb):
    """Singular and plural."""
    tested = analysed(GRID[:3]).tested["cells"]
    found = replace(tested, verdicts=[A_BETTER] * claims + [UNDECIDED] * (3 - claims))

    assert verb in clearest_words(found, "cells")
    assert clearest_words(replace(tested, verdicts=[UNDECIDED] * 3), "cells") == ""
