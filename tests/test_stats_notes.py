"""What is said of a sweep whose runs are uneven: seeds, commits, combinations that are missing."""

import time
from itertools import product

import numpy as np
import pandas as pd
import pytest

from segsweep.stats.runs import counted_runs, short_commit
from segsweep.stats.values import compared_values, values_of
from stats_data import as_frame, drawn

A, B = "0123456789ab", "fedcba987654"


def runs(cells, seeds=(0, 1), status="finished", **more):
    """Return rows of results.csv: each of *cells* with each of *seeds*."""
    rows = []
    for cell, seed in product(cells, seeds):
        model, loss = cell.split("/")
        names = {"run_id": f"{cell}{seed}{status}", "model": model, "loss": loss, "seed": seed}
        rows.append({**names, "status": status, "data_fingerprint": "d1", "fold": None, **more})
    return pd.DataFrame(rows)


def notes(*frames):
    """Return what is said of the runs of *frames* together."""
    return counted_runs(pd.concat(frames, ignore_index=True))[1]


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ((3, 3, 3), ()),
        ((1, 3, 1), ("Cells have 1 to 3 seeds; fewest: m/a, m/c.",)),
        ((2, 1, 2), ("Cells have 1 to 2 seeds; fewest: m/b.",)),
    ],
)
def test_unequal_seeds_are_said(seeds, said):
    """As many as are compared, and which cells have the fewest."""
    assert compared_values(as_frame(drawn(seeds, images=4))).notes == said


def test_many_cells_with_few_seeds_are_not_all_named():
    """Five names, and that there are more."""
    (note,) = compared_values(as_frame(drawn((1,) * 7 + (2,), images=4))).notes

    assert note == "Cells have 1 to 2 seeds; fewest: m/a, m/b, m/c, m/d, m/e and 2 more."


def test_combinations_that_nobody_asked_for_are_said():
    """Of 2 x 3 two are in no run, failed and planned ones included; a full grid has none."""
    asked = [runs(["u/x", "u/y"]), runs(["v/x"], status="failed"), runs(["u/z"], status="planned")]
    full = [*asked, runs(["v/y", "v/z"], status="planned")]

    assert "2 of 6 combinations of model and loss are not in this sweep: v/y, v/z." in notes(*asked)
    assert not any("combination" in note for note in notes(*full))


def test_one_missing_combination_is_singular():
    """And it does not matter how often, or with which keys, the others are there."""
    frame = runs(["u/x", "u/y", "v/x"], range(4))

    assert notes(frame) == [
        "1 of 4 combinations of model and loss is not in this sweep: v/y.",
    ]


def test_two_sweeps_side_by_side_miss_nothing():
    """What only one of them has is said where they are compared."""
    frame = runs(["u/x", "u/y", "v/x"])
    named = frame.assign(cell=[f"{row.model}/{row.loss};sweep=a" for row in frame.itertuples()])

    assert notes(named) == []


@pytest.mark.parametrize(
    ("first", "second", "which"),
    [
        (("0.1", A), ("0.1", A), None),
        (("0.1", A), ("0.1", ""), None),
        (("0.1", A), ("0.1", None), None),
        (("0.1", A), ("0.2", A), "0.1 and 0.2"),
        (("0.1", A), ("0.1", B), "0.1 made by different commits (0123456, fedcba9)"),
        (
            ("0.1", A),
            ("0.1", f"{A}-dirty"),
            "0.1 made by different commits (0123456, 0123456-dirty)",
        ),
        (("0.2", A), ("0.1", B), "0.1 and 0.2 made by different commits (0123456, fedcba9)"),
        ((None, A), (None, B), "made by different commits (0123456, fedcba9)"),
    ],
)
def test_versions_and_commits_are_one_sentence(first, second, which):
    """Unknown commits differ from nothing."""
    frames = [
        runs(["m/a"], (seed,), version=version, git_commit=commit)
        for seed, (version, commit) in enumerate((first, second))
    ]

    assert notes(*frames) == ([f"Runs of segsweep {which} stand side by side."] if which else [])


def test_commits_of_runs_that_do_not_count_are_not_said():
    """A failed run by another commit changes no number."""
    other = runs(["m/a"], (7,), status="failed", git_commit=B)

    assert not any("commit" in note for note in notes(runs(["m/a"], git_commit=A), other))


@pytest.mark.parametrize(
    ("described", "short"),
    [
        (A, "0123456"),
        (f"{A}-dirty", "0123456-dirty"),
        ("v0.1.0-12-g0123456789ab", "0123456"),
        ("v0.1.0-12-g0123456789ab-dirty", "0123456-dirty"),
        ("v0.1.0", "v0.1.0"),
        ("0123456789" * 4, "0123456"),
    ],
)
def test_commits_are_cut_to_seven(described, short):
    """As git describes them: with a tag before, with changes that were not committed."""
    assert short_commit(described) == short


def test_seed_without_folds_counts_beside_seeds_with_all_of_theirs():
    """And one that lacks a fold does not."""
    whole, *folded = (runs(["m/a"], (seed,)) for seed in (0, 1, 1, 2))
    frames = [frame.assign(fold=fold) for frame, fold in zip(folded, (0, 1, 0), strict=True)]
    frame, said = counted_runs(pd.concat([whole, *frames], ignore_index=True))

    assert frame["seed"].tolist() == [0, 1, 1]
    assert said == ["1 seed without all 2 folds left out: m/a seed 2."]


def test_no_run_at_all_is_no_error():
    """Columns without rows."""
    frame, said = counted_runs(runs(["m/a"]).iloc[:0])

    assert frame.empty
    assert said == []


def test_ten_thousand_runs_are_read_in_seconds():
    """And 50 images each; about 1 s is usual."""
    cells = [f"m{model:02d}/l{loss:02d}" for model in range(20) for loss in range(50)]
    results = runs(cells, range(10), version="0.1", git_commit=A, finished="2026")
    results.loc[:4, "git_commit"] = B
    results = results.drop(index=results.index[-1])
    count = len(results)
    per_image = pd.DataFrame(
        {
            **{"run_id": np.repeat(results["run_id"], 50), "split": "test", "at": "train"},
            **{"image": np.tile([f"i{k}" for k in range(50)], count), "fp": 1, "fn": 1, "tn": 9},
            "tp": np.arange(50 * count) % 97,
        }
    )
    started = time.process_time()
    values = values_of(results, per_image)

    assert time.process_time() - started < 6
    assert len(values.cells) == 1_000
    assert values.notes == (
        "Runs of segsweep 0.1 made by different commits (0123456, fedcba9) stand side by side.",
        "Cells have 9 to 10 seeds; fewest: m19/l49.",
    )
