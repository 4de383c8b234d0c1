"""A search that ends trials early, in real processes: killed, it ends like one left alone."""

import json
import os
import random
import signal
import time

import pytest

from command import TINY, finish, rows_of, start, wait_for
from segsweep.sweep.status import sweep_status
from segsweep.sweep.status_text import summary

pytestmark = pytest.mark.slow
WORDS = (
    *("-m", *TINY, "loss=dice", "seed=0", "trainer.epochs=9", "search=lr", "search.epochs=9"),
    *("search.n_trials=6", "search.pruner=median", "slots=1", "preflight=false"),
)


def without_time(path):
    """Return the rows of a CSV file without the seconds in them."""
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows_of(path)]


def facts(folder):
    """Return the epochs of every run, whether it was pruned, and the choice."""
    found = {}
    for run in (folder / "outputs/main/runs").iterdir():
        result = json.loads((run / "result.json").read_text())
        found[run.name] = (without_time(run / "history.csv"), result.get("pruned"))
    return found, without_time(folder / "outputs/main/chosen.csv")


def test_killed_search_prunes_the_same_trials(tmp_path):
    """SIGKILL at two moments: the same trials, epochs and choice, nothing twice."""
    draws, killed, whole = random.Random(1), tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    begun = killed / "outputs/main/runs"
    for trials in (3, 5):
        process = start(WORDS, killed)
        wait_for(lambda trials=trials: len([*begun.glob("*/history.csv")]) >= trials)
        time.sleep(draws.random() / 2)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finish(WORDS, killed)
    printed = finish(WORDS, whole)
    runs, (chosen,) = facts(whole)
    epochs = {name: len(history) for name, (history, _) in runs.items() if "-s0-" not in name}
    pruned = [name for name, (_, ended) in runs.items() if ended]

    assert facts(killed) == (runs, [chosen])
    _shown(whole / "outputs/main", len(pruned))
    assert len(epochs) == 6
    assert pruned
    assert int(chosen["pruned"]) == len(pruned)
    assert int(chosen["epochs"]) == sum(epochs.values()) < 6 * 9
    assert printed.count("pruned at epoch") == len(pruned)
    assert len([*(whole / "outputs/main/runs").glob("*/test_reads.csv")]) == 1


def _shown(folder, pruned):
    """Assert that status and tables say which trials were pruned."""
    assert f"6 of them trials ({pruned} pruned)" in summary(sweep_status(folder))
    rows = rows_of(folder / "trials.csv")
    assert [row["epochs"] != "9" for row in rows] == [row["pruned"] == "True" for row in rows]
