"""A sweep's status as one line and as JSON."""

import json
from dataclasses import replace

import pytest

from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.states import Status
from segsweep.sweep.holder import this_process
from segsweep.sweep.status import RunState, SweepStatus
from segsweep.sweep.status_text import RUN, controller_text, run_json, status_json, summary


@pytest.fixture
def run(tmp_path) -> RunState:
    """Return a running run after 3 of 10 epochs of 4 s."""
    return RunState(
        RunPaths(tmp_path / "main/runs/unet2-bce-s0-1"),
        *("1", "run", "unet2/bce", "unet2", "0", "", Status.RUNNING),
        epoch=3,
        epochs=10,
        val_iou=0.4,
        best=0.6,
        pace=4.0,
    )


def status(tmp_path, *runs, **changed) -> SweepStatus:
    """Return the status of these runs, without a command."""
    values = {"controller": None, "changed": None, **changed}
    return SweepStatus(SweepPaths(tmp_path / "main"), list(runs), **values)


def test_summary_counts_runs_and_time(tmp_path, run):
    """Only statuses that occur; 7 epochs of 4 s are left."""
    done, trial = replace(run, status=Status.FINISHED), replace(run, kind="trial")
    found = status(tmp_path, run, done, replace(trial, status=Status.FAILED))

    assert summary(found) == (
        "main: 1 of 3 runs finished, 1 running, 1 failed, 1 of them a trial; "
        "about 28 s left in 1 slot"
    )


def test_pruned_trials_are_counted(tmp_path, run):
    """Among the trials; JSON says it of each run."""
    done = replace(run, kind="trial", status=Status.FINISHED)
    found = status(tmp_path, done, replace(done, pruned=True))

    assert summary(found) == "main: 2 of 2 runs finished, 2 of them trials (1 pruned)"
    assert [run_json(one)["pruned"] for one in found.runs] == [False, True]


def test_summary_names_networks_of_unknown_pace(tmp_path, run):
    """No epoch is finished yet."""
    found = status(tmp_path, replace(run, pace=None))

    assert summary(found).endswith("; time left unknown until the second epoch of unet2")


def test_controller_text(tmp_path, run):
    """The command that uses the sweep, or that there is none."""
    me = this_process()

    assert controller_text(status(tmp_path, controller=me)) == f"in use by {me}"
    assert controller_text(status(tmp_path)) == "no command running"
    assert controller_text(status(tmp_path, run)) == (
        "no command holds this sweep, but runs are active"
    )
    assert controller_text(status(tmp_path, changed=0.0)).startswith(
        "no command running; last change 19"
    )


def test_status_and_runs_are_plain_json(tmp_path, run):
    """Unknown values are null; a run has the documented keys."""
    values = json.loads(json.dumps(status_json(status(tmp_path, run, controller=this_process()))))

    assert values["counts"]["running"] == 1
    assert values["running"] == [run_json(run)]
    assert values["controller"]["slots"] is None
    assert tuple(values["running"][0]) == RUN
    assert (values["running"][0]["fold"], values["running"][0]["seconds_left"]) == (None, 28.0)
