"""A job of another sweeper in a process of its own: it may share its run with other jobs."""

import threading
import time

from command import TINY
from segsweep.store.outcome import finished_outcome
from segsweep.store.states import AttemptStatus
from segsweep.sweep import session
from segsweep.sweep.places import hydra_job
from segsweep.sweep.planning.plan import freeze, plan_run
from segsweep.system.files import claimed


def test_job_waits_for_another_that_trains_its_run(composed, tmp_path, monkeypatch):
    """As two trials of a search with the same values do, in processes of joblib."""
    monkeypatch.setattr(session, "current", session.Session())
    monkeypatch.setattr(hydra_job, "HELD_SECONDS", 0.05)
    run = plan_run(*composed(*TINY, "trainer.epochs=1", f"outputs={tmp_path}"))
    freeze([run], "a command")
    ended = []
    job = threading.Thread(target=lambda: ended.append(hydra_job.execute_job(run)), daemon=True)
    with claimed(run.paths.claim) as is_claimed:
        job.start()
        time.sleep(1.5)  # longer than a lock is waited for
        waited = job.is_alive()
    job.join(60)

    assert is_claimed
    assert waited
    assert [one.status for one in ended] == [AttemptStatus.FINISHED]
    assert finished_outcome(run.paths) is not None
