"""A search that ends trials early, in real processes: killed, it ends like one left alone."""

import csv
import json
import os
import random
import signal
import time

import pytest

from command import TINY, finish, rows_of, start, wait_for

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
    """SIGKILL at four moments: the same trials, epochs and choice, nothing twice."""
    draws, killed, whole = random.Random(1), tmp_path / "killed", tmp_path / "whole"
    killed.mkdir()
    whole.mkdir()
    for trials in (1, 2, 3, 5):
        process = start(WORDS, killed)
        runs = killed / "outputs/main/runs"
        wait_for(lambda trials=trials: len([*runs.glob("*/history.csv")]) >= trials)
        time.sleep(draws.random() / 2)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finish(WORDS, killed)
    printed = finish(WORDS, whole)
    runs, (chosen,) = facts(whole)
    epochs = {name: len(history) for name, (history, _) in runs.items() if "-s0-" not in name}
    pruned = [name for name, (_, ended) in runs.items() if ended]

    assert facts(killed) == (runs, [chosen])
    assert len(epochs) == 6
    assert pruned
    assert int(chosen["pruned"]) == len(pruned)
    assert int(chosen["epochs"]) == sum(epochs.values()) < 6 * 9
    assert printed.count("pruned at epoch") == len(pruned)
    assert not [*(whole / "outputs/main/runs").glob("*-s6*/test_reads.csv")]
    status = finish_status(whole)
    assert status
