"""Which runs count, and the notes on seeds, versions and missing combinations."""

import time
from itertools import product

import numpy as np
import pandas as pd
import pytest

from segsweep.stats.runs import counted_runs, missing_runs, short_commit
from segsweep.stats.values import compared_values, values_of
from segsweep.stats.wording.notes import note_texts
from segsweep.stats.wording.phrases import cell_text
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
    """Return the notes on the runs of *frames* together, as sentences."""
    whole = pd.concat(frames, ignore_index=True)
    return list(note_texts([*counted_runs(whole)[1], *missing_runs(whole)]))


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ((3, 3, 3), ()),
        ((1, 3, 1), ("Cells have 1 to 3 seeds; fewest: m/a, m/c.",)),
        ((2, 1, 2), ("Cells have 1 to 2 seeds; fewest: m/b.",)),
    ],
)
def test_unequal_seeds_are_reported(seeds, said):
    """The numbers of compared seeds, and the cells with the fewest."""
    assert note_texts(compared_values(as_frame(drawn(seeds, images=4))).notes) == said


def test_many_cells_with_few_seeds_are_not_all_named():
    """Six names and the number of further ones."""
    (note,) = note_texts(compared_values(as_frame(drawn((1,) * 8 + (2,), images=4))).notes)

    assert note == "Cells have 1 to 2 seeds; fewest: m/a, m/b, m/c, m/d, m/e, m/f and 2 more."


def test_missing_combinations_are_reported():
    """Two of 2 x 3 combinations have no run, counting failed and planned ones."""
    asked = [runs(["u/x", "u/y"]), runs(["v/x"], status="failed"), runs(["u/z"], status="planned")]
    full = [*asked, runs(["v/y", "v/z"], status="planned")]

    assert "2 of 6 combinations of model and loss are not in this sweep: v/y, v/z." in notes(*asked)
    assert not any("combination" in note for note in notes(*full))


def test_one_missing_combination_is_singular():
    """The number of other runs does not matter."""
    frame = runs(["u/x", "u/y", "v/x"], range(4))

    assert notes(frame) == [
        "1 of 4 combinations of model and loss is not in this sweep: v/y.",
    ]


def test_two_sweeps_have_no_missing_combinations():
    """Cells of only one sweep are reported where the sweeps are compared."""
    frame = runs(["u/x", "u/y", "v/x"])
    named = frame.assign(cell=[f"{row.model}/{row.loss}@sweep=a" for row in frame.itertuples()])

    assert notes(named) == []


@pytest.mark.parametrize(
    ("first", "second", "which"),
    [
        (("0.1", A), ("0.1", A), None),
        (("0.1", A), ("0.1", ""), None),
        (("0.1", A), ("0.1", None), None),
        (("0.1", A), ("0.2", A), "segsweep 0.1 and 0.2"),
        (("0.1", A), ("0.1", B), "different commits of segsweep 0.1 (0123456, fedcba9)"),
        (
            ("0.1", A),
            ("0.1", f"{A}-dirty"),
            "different commits of segsweep 0.1 (0123456, 0123456-dirty)",
        ),
        (("0.2", A), ("0.1", B), "different commits of segsweep 0.1 and 0.2 (0123456, fedcba9)"),
        ((None, A), (None, B), "different commits of segsweep (0123456, fedcba9)"),
    ],
)
def test_versions_and_commits_are_one_sentence(first, second, which):
    """Unknown commits count as no difference."""
    frames = [
        runs(["m/a"], (seed,), version=version, git_commit=commit)
        for seed, (version, commit) in enumerate((first, second))
    ]

    assert notes(*frames) == ([f"Runs were made by {which}."] if which else [])


def test_commits_of_runs_that_do_not_count_are_ignored():
    """The commit of a failed run changes no number."""
    other = runs(["m/a"], (7,), status="failed", git_commit=B)

    assert not any("commit" in note for note in notes(runs(["m/a"], git_commit=A), other))


@pytest.mark.parametrize(
    ("status", "count", "said"),
    [
        ("failed", 1, "1 run failed: its cell has fewer seeds."),
        ("failed", 4, "4 runs failed: their cells have fewer seeds."),
        ("planned", 1, "1 run not finished yet."),
    ],
)
def test_one_run_and_several(status, count, said):
    """Singular and plural."""
    assert said in notes(runs(["m/a"]), runs(["m/a"], range(count), status=status))


@pytest.mark.parametrize("column", ["data_fingerprint", "data_target"])
def test_runs_on_other_data_or_with_other_targets_are_refused(column):
    """They are never in one comparison: whoever has several makes one of each."""
    first, second = (runs(["m/a"], (0,), **{column: name}) for name in ("d1", "d2"))

    with pytest.raises(ValueError, match=rf"differ in {column} \(d1, d2\)"):
        counted_runs(pd.concat([first, second], ignore_index=True))


def test_most_important_first():
    """Versions, failures, seeds; then missing cells and combinations."""
    frames = [
        runs(["u/x", "u/y"], range(3), git_commit=A),
        runs(["v/x"], (0,), git_commit=B),
        runs(["v/x"], (1,), status="failed"),
        runs(["u/z"], (0,), status="planned"),
    ]
    results = pd.concat(frames, ignore_index=True)
    results["run_id"] = [str(number) for number in range(len(results))]
    done = results[results["status"] == "finished"]["run_id"]
    counts = {"split": "test", "at": "train", "image": "i", "tp": 1, "fp": 1, "fn": 1, "tn": 1}
    per_image = pd.DataFrame([{"run_id": run, **counts} for run in done])
    starts = [
        *("Runs were made by", "1 run failed", "Cells have 1 to 3 seeds"),
        *("No finished run: u/z", "2 of 6 combinations", "1 run not finished"),
    ]
    said = note_texts(values_of(results, per_image).notes)

    assert len(said) == len(starts)
    assert [note[: len(start)] for note, start in zip(said, starts, strict=True)] == starts


def test_cells_of_two_sweeps_have_readable_names():
    """The internal key of the sweep is not printed."""
    frame = runs(["u/x"], range(2)).assign(cell=["u/x@sweep=one", "u/x@sweep=one"])
    other = runs(["u/x"], (0,)).assign(cell="u/x@sweep=two", run_id="other")
    lost = runs(["u/y"], (0,), status="failed").assign(cell="u/y@sweep=two")
    short = runs(["u/z"], (0,), fold=0).assign(cell="u/z@sweep=two")
    results = pd.concat([frame, other, lost, short], ignore_index=True)
    results.loc[0, "fold"] = 1
    counts = {"split": "test", "at": "train", "image": "i", "tp": 1, "fp": 1, "fn": 1, "tn": 1}
    per_image = pd.DataFrame([{"run_id": run, **counts} for run in results["run_id"]])
    text = " ".join(note_texts(values_of(results, per_image).notes))

    assert "@sweep=" not in text
    assert "No finished run: u/y of two." in text
    assert "u/x seed 0 of one, u/z seed 0 of two" in text
    unequal = compared_values(as_frame(drawn((1, 2), names=["m/a@sweep=x", "m/b@sweep=y"])))
    assert note_texts(unequal.notes) == ("Cells have 1 to 2 seeds; fewest: m/a of x.",)
    assert cell_text("m/a@epochs=3@sweep=a b", "4") == "m/a@epochs=3 seed 4 of a b"


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
    """As printed by git describe: with a tag, with uncommitted changes."""
    assert short_commit(described) == short


def test_seed_without_folds_counts_with_complete_seeds():
    """A seed that lacks a fold does not count."""
    whole, *folded = (runs(["m/a"], (seed,)) for seed in (0, 1, 1, 2))
    frames = [frame.assign(fold=fold) for frame, fold in zip(folded, (0, 1, 0), strict=True)]
    frame, said = counted_runs(pd.concat([whole, *frames], ignore_index=True))

    assert frame["seed"].tolist() == [0, 1, 1]
    assert note_texts(said) == ("1 seed without all 2 folds left out: m/a seed 2.",)


def test_no_run_at_all_is_no_error():
    """A table with columns but no rows."""
    frame, said = counted_runs(runs(["m/a"]).iloc[:0])

    assert frame.empty
    assert said == []


@pytest.mark.slow
def test_ten_thousand_runs_are_read_in_seconds():
    """With 50 images each; about 1 s is usual."""
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
    assert note_texts(values.notes) == (
        "Runs were made by different commits of segsweep 0.1 (0123456, fedcba9).",
        "Cells have 9 to 10 seeds; fewest: m19/l49.",
    )
