"""The replay of a pruner leaves what a real search with it leaves; its table is complete."""

import csv
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from command import TINY, finish
from segsweep.store.paths import SweepPaths
from segsweep.store.studies import read_study

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
GRID = (
    *("-m", *TINY, "loss=dice", "seed=0,1", "trainer.epochs=8", "search=lr", "search.epochs=8"),
    *("search.sampler=grid", "search.params={optimizer.lr: 'choice(.003, .002, .0001, .001)'}"),
    *("slots=1", "preflight=false"),
)
"""A search whose trials have the same values in the same order with every pruner."""


def trial(*values, state="COMPLETE"):
    """Return a stored trial with these validation IoUs."""
    named = dict(enumerate(values, 1))
    return SimpleNamespace(
        intermediate_values=named,
        state=SimpleNamespace(name=state),
        value=max(values) if state == "COMPLETE" else None,
        params={"optimizer.lr": 0.1},
    )


def test_replay_equals_a_count_by_hand():
    """Eight epochs: the median speaks from epoch 2 on, and once two trials are complete."""
    from pruning_replay import Search, choice_of, replay, replayed

    trials = {0: trial(*[0.8] * 8), 1: trial(*[0.9] * 8), 2: trial(*[0.1] * 7, 0.95)}
    trials[3] = trial(*[0.86] * 4, *[0.7] * 4)
    chosen = SimpleNamespace(val_iou=0.95, study="s", cell="unet2/bce", fold=None)
    search = Search(chosen, trials, 8, [])
    left, _ = replay(search, "median", "s")
    row, k = replayed(search, "median", 1)

    assert [len(curve.values) for curve in left.values()] == [8, 8, 2, 8]
    assert (choice_of(search, left), k, row.same) == (1, 1, 0)
    assert (row.epochs, row.kept, row.saved) == (32, 26, 6 / 32)


def test_a_diverged_trial_is_no_bar_in_the_replay():
    """As in a search: it fails, so that later trials are not compared with it."""
    from pruning_replay import Search, replay

    trials = {0: trial(0.9, 0.9, state="PRUNED"), 1: trial(*[0.5] * 8)}
    left, _ = replay(Search(SimpleNamespace(), trials, 8, []), "hyperband", "s")

    assert [len(curve.values) for curve in left.values()] == [2, 8]


@pytest.mark.slow
def test_replay_equals_a_real_search_with_the_pruner(tmp_path):
    """The same trials end after the same epochs; then the script writes its table."""
    from pruning_replay import replay, searches_of

    finish((*GRID, "sweep=plain"), tmp_path)
    (search,) = searches_of(SweepPaths(tmp_path / "outputs/plain"))
    for pruner in ("median", "hyperband"):
        finish((*GRID, f"sweep={pruner}", f"search.pruner={pruner}"), tmp_path)
        sweep = SweepPaths(tmp_path / f"outputs/{pruner}")
        with sweep.chosen.open() as file:
            (chosen,) = csv.DictReader(file)
        runs = read_study(sweep, chosen["study"])
        real = [len(runs[k].history.read_text().splitlines()) - 1 for k in sorted(runs)]
        left, _ = replay(search, pruner, chosen["study"])

        assert [len(curve.values) for curve in left.values()] == real
        assert sum(real) == int(chosen["epochs"])
        assert (pruner == "hyperband") or sum(real) < 32
    command = [sys.executable, str(BENCHMARKS / "pruning.py"), "--sweep", "outputs/plain"]
    command += ["--draws", "3", "--train", "--csv", "rows.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    with (tmp_path / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))

    assert [row["pruner"] for row in rows] == ["median", "hyperband"]
    assert all(row["test_iou"] and row["less"] and row["commit"] for row in rows)
    assert "median: saves" in done.stdout
