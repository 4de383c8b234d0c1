"""Which runs a command trains, repeats, skips or leaves alone."""

import json

import pytest

from command import TINY
from segsweep import __version__
from segsweep.sweep.planning import work as work_module
from segsweep.sweep.planning.plan import plan_run
from segsweep.sweep.planning.work import NOT_RETRIED, outcomes_before, work_for
from segsweep.system.files import claimed
from stored_sweep import RESULT


@pytest.fixture
def plan(composed, tmp_path, monkeypatch):
    """Return a function: words -> a finished, a stale, a failed, a running and a new run.

    The finished ones have a result alone; what else is missing is another test's matter.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(work_module, "damages_of", lambda finished, cache: {})

    def planned(*words):
        return [
            plan_run(*composed(*TINY, f"outputs={tmp_path}/o", f"seed={seed}", *words))
            for seed in range(5)
        ]

    runs = planned()
    for run, version in zip(runs[:2], (__version__, "0.0.1"), strict=True):
        run.paths.root.mkdir(parents=True)
        result = {**RESULT, "run_id": run.config.run_id, "version": version, "val_iou": 0.5}
        run.paths.result.write_text(json.dumps(result))
    failed, running = runs[2].paths, runs[3].paths
    failed.root.mkdir()
    failed.failure.write_text(json.dumps({"cause": "raised", "error": "no", "attempts": 1}))
    running.root.mkdir()
    with claimed(running.claim):
        yield planned


def seeds(runs):
    """Return the seeds of runs, in order."""
    return [run.config.seed for run in runs]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "finished", "repeated", "skipped", "todo"),
    [
        ([], [0, 1], [], [], [2, 3, 4]),
        (["retry_failed=false"], [0, 1], [], [2], [3, 4]),
        (["rerun=stale"], [0], [1], [], [1, 2, 3, 4]),
        (["rerun=all"], [], [0, 1], [], [0, 1, 2, 3, 4]),
    ],
)
def test_runs_are_grouped_by_status_and_settings(plan, words, finished, repeated, skipped, todo):
    """Seeds 0 to 4: finished, finished by an old version, failed, running, new."""
    work = work_for(plan(*words))

    assert seeds(work.finished) == finished
    assert seeds(work.repeated) == repeated
    assert seeds(work.skipped) == skipped
    assert seeds(work.todo) == todo
    assert [*work.states.values()] == ["finished", "finished", "failed", "running", "planned"]


def test_outcomes_of_runs_that_are_left_alone(plan):
    """Finished ones with their value, skipped ones with a note."""
    outcomes = outcomes_before(work_for(plan("retry_failed=false")))

    assert [one.status for one in outcomes] == ["finished", "finished", "failed"]
    assert [one.value for one in outcomes[:2]] == [0.5, 0.5]
    assert outcomes[2].error == f"no {NOT_RETRIED}"
