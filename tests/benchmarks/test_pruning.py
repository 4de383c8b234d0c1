"""The replay of a pruner leaves what a real search with it leaves; its table is complete."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from command import ROOT, TINY, finish, rows_of
from segsweep.store.paths import SweepPaths
from segsweep.store.studies import read_study

SCRIPT = ROOT / "benchmarks/pruning.py"
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
    finish((*GRID, "sweep=median", "search.pruner=median"), tmp_path)
    sweep = SweepPaths(tmp_path / "outputs/median")
    (search,) = searches_of(SweepPaths(tmp_path / "outputs/plain"))
    (chosen,) = rows_of(sweep.chosen)
    runs = read_study(sweep, chosen["study"])
    real = [len(rows_of(runs[k].history)) for k in sorted(runs)]
    left, _ = replay(search, "median", chosen["study"])

    assert [len(curve.values) for curve in left.values()] == real
    assert sum(real) == int(chosen["epochs"]) < 4 * 8
    command = [sys.executable, str(SCRIPT), "--sweep", "outputs/plain", "--train"]
    command += ["--draws", "3", "--csv", "rows.csv"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    rows = rows_of(tmp_path / "rows.csv")

    assert [row["pruner"] for row in rows] == ["median", "hyperband"]
    assert int(float(rows[0]["kept"])) == sum(real)
    assert all(row["test_iou"] and row["less"] and row["commit"] for row in rows)
