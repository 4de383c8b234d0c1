"""Runs are followed by their files; a tracker that fails costs a line in the run's log."""

import os
import time

from segsweep.store.paths import SweepPaths
from segsweep.store.states import Status
from segsweep.tracking import follow
from segsweep.tracking.facts import epochs_held
from segsweep.tracking.follow import Follower
from segsweep.tracking.tracker import EVERY_RUN
from stored_sweep import RESULT


class Memory:
    """A tracker that keeps its records in memory, and fails when it is told to."""

    def __init__(self):
        self.records, self.opened, self.broken, self.closed = {}, [], None, False

    def open(self, run, rows):
        if self.broken is not None:
            raise self.broken
        known = self.records.get(run.name)
        curve = {} if known is None else {row["epoch"]: row["train_loss"] for row in known.rows}
        if known is None or epochs_held(curve, rows) is None:
            self.records[run.name] = MemoryRecord(self)
        self.opened.append(run.name)
        record = self.records[run.name]
        record.held = len(record.rows)
        return record

    def close(self):
        self.closed = True


class MemoryRecord:
    def __init__(self, tracker):
        self.tracker, self.held, self.rows, self.status, self.writes = tracker, 0, [], None, 0

    def add(self, rows):
        if self.tracker.broken is not None:
            raise self.tracker.broken
        self.rows += rows
        self.writes += bool(rows)
        self.status = Status.RUNNING

    def end(self, ending):
        self.status = ending.status

    def drop(self):
        self.status = None


def following(sweep, *runs, memory=None, since=0.0):
    """Return a follower of *runs*, and its tracker."""
    memory = memory or Memory()
    watch = Follower("memory", sweep, lambda: memory, since=since)
    for run in runs:
        watch.add(run.name)
    return watch, memory


def test_epochs_are_written_as_they_come(sweep, new_run):
    """The curves are live; a look without news writes nothing."""
    run = new_run("loss=dice")
    watch, memory = following(sweep, run)
    watch.look()
    assert memory.records == {}
    seen = []
    for epochs in (1, 2, 2, 4):
        run.train(epochs)
        watch.look()
        watch.look()
        seen.append((len(memory.records[run.name].rows), memory.records[run.name].writes))

    assert seen == [(1, 1), (2, 2), (2, 2), (4, 3)]
    assert memory.opened == [run.name]
    assert memory.records[run.name].status is Status.RUNNING


def test_finished_run_is_left_alone(sweep, new_run):
    """Once its result is written, nothing is looked at again."""
    run = new_run("loss=dice")
    watch, memory = following(sweep, run)
    run.train(2)
    run.leave(result=RESULT)
    watch.look()
    assert memory.records[run.name].status is Status.FINISHED
    assert watch.runs == {}
    watch.look()

    assert watch.close() == []
    assert memory.opened == [run.name]
    assert memory.closed


def test_failed_run_shows_at_once_and_goes_on_when_it_is_retried(sweep, new_run):
    """One record: the retry resumes."""
    run = new_run("loss=dice")
    watch, memory = following(sweep, run)
    run.train(2)
    run.leave(failure={"cause": "killed", "error": "killed by SIGKILL", "attempts": 1})
    watch.look()
    assert memory.records[run.name].status is Status.FAILED
    run.train(3)
    watch.look()
    assert memory.records[run.name].status is Status.RUNNING
    run.leave(result=RESULT)

    assert watch.close() == []
    assert [row["epoch"] for row in memory.records[run.name].rows] == [1, 2, 3]
    assert memory.records[run.name].status is Status.FINISHED


def test_run_that_waits_is_not_opened(sweep, new_run):
    """Half done by an earlier command and not started again: its record, if any, stays as it is."""
    run = new_run("loss=dice")
    failed = new_run("loss=dice", seed=1)
    run.train(2)
    run.leave()
    failed.leave(failure={"cause": "raised", "error": "no", "attempts": 1})
    watch, memory = following(sweep, run, failed, since=time.time() + 1)
    watch.look()

    assert watch.close() == []
    assert memory.opened == []


def test_run_that_ended_between_two_looks_is_kept(sweep, new_run):
    """The command was stopped before this process was ready."""
    run = new_run("loss=dice")
    watch, memory = following(sweep, run, since=time.time() - 1)
    run.train(2)
    run.leave()

    assert watch.close() == []
    assert memory.records[run.name].status is Status.INTERRUPTED


def test_tracker_that_fails_costs_a_line_in_the_log(sweep, new_run, monkeypatch):
    """It is tried again, and then nothing is missing; the run's files are as before."""
    monkeypatch.setattr(follow, "RETRY_SECONDS", 0.0)
    run, memory = new_run("loss=dice"), Memory()
    watch, _ = following(sweep, run, memory=memory)
    memory.broken = OSError(28, "No space left on device")
    for epochs in (1, 2, 3):
        run.train(epochs)
        watch.look()
    log = (run.folder / "train.log").read_text()
    memory.broken = None
    run.leave(result=RESULT)

    assert log == (
        "tracker=memory: not written (OSError: [Errno 28] No space left on device); "
        "the run goes on\n"
    )
    assert watch.close() == []
    assert len(memory.records[run.name].rows) == 3
    assert (run.folder / "train.log").read_text() == log


def test_tracker_that_fails_midway_opens_its_record_again(sweep, new_run, monkeypatch):
    """What was written before the error is not written twice."""
    monkeypatch.setattr(follow, "RETRY_SECONDS", 0.0)
    run = new_run("loss=dice")
    watch, memory = following(sweep, run)
    run.train(2)
    watch.look()
    memory.broken = SystemExit(1)  # some packages exit where they should raise
    run.train(3)
    watch.look()
    memory.broken = None
    watch.look()

    assert [row["epoch"] for row in memory.records[run.name].rows] == [1, 2, 3]
    assert memory.opened == [run.name] * 2


def test_tracker_that_always_fails_does_not_hold_up_the_end(sweep, new_run):
    """After three failures in a row nothing more is tried; each run that is behind is told."""
    runs = [new_run("loss=dice", seed=seed) for seed in range(6)]
    waiting, memory = new_run("loss=dice", seed=6), Memory()
    waiting.train(1)
    waiting.leave()
    os.utime(waiting.folder / "history.csv", (0, 0))  # by an earlier command
    watch, _ = following(sweep, *runs, waiting, memory=memory, since=1.0)
    for run in runs:
        run.train(1)
        run.leave(result=RESULT)
    attempts = []

    def fail(run, rows):
        attempts.append(run.name)
        raise ValueError("first line\nsecond line")

    memory.open = fail
    assert watch.close() == ["ValueError: first line"] * 6
    assert len(attempts) == follow.MOST_FAILURES
    for run in runs:
        assert (run.folder / "train.log").read_text().count("ValueError: first line") == 1


def test_damaged_history_is_an_error_of_its_run_only(sweep, new_run):
    """The others are written."""
    bad, good = new_run("loss=dice"), new_run("loss=dice", seed=1)
    watch, memory = following(sweep, bad, good)
    for run in (bad, good):
        run.train(1)
    (bad.folder / "history.csv").write_bytes(b"\xff")
    watch.look()
    bad.leave()
    good.leave(result=RESULT)
    (error,) = watch.close()

    assert error.startswith("StoredFileError: ")
    assert [*memory.records] == [good.name]


def test_runs_that_are_planned_elsewhere_are_found(sweep, new_run):
    """A search on other machines: what had finished before is not touched."""
    before = new_run("loss=dice")
    before.train(1)
    before.leave(result=RESULT)
    watch, memory = following(sweep)
    watch.add(EVERY_RUN)
    later = new_run("loss=dice", seed=1)
    later.train(2)
    watch.look()
    later.leave(result=RESULT)

    assert watch.close() == []
    assert [*memory.records] == [later.name]


def test_end_waits_for_runs_that_are_still_saving(sweep, new_run, monkeypatch):
    """The command died: its runs save and end within seconds, and count as interrupted."""
    run = new_run("loss=dice")
    watch, memory = following(sweep, run)
    run.train(1)
    watch.look()
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        run.train(2)
        run.leave()

    monkeypatch.setattr(follow.time, "sleep", sleep)
    assert watch.close() == []
    assert len(naps) == 1
    assert len(memory.records[run.name].rows) == 2
    assert memory.records[run.name].status is Status.INTERRUPTED


def test_two_processes_never_write_the_same_record(sweep, new_run, monkeypatch):
    """A command was killed and started again at once: the first process leaves the run to it."""
    run = new_run("loss=dice")
    first, memory = following(sweep, run)
    second, _ = following(sweep, run, memory=memory)
    (run.folder / "environment.json").write_text("{}")
    run.train(2)
    first.look()
    second.look()
    assert memory.opened == [run.name]

    def sleep(seconds):  # while the first waits, the run's process ends and another one starts
        (run.folder / "environment.json").write_text('{"started": "again"}')
        run.train(4)

    monkeypatch.setattr(follow.time, "sleep", sleep)
    assert first.close() == []
    assert memory.records[run.name].status is Status.INTERRUPTED
    second.look()
    run.leave(result=RESULT)

    assert second.close() == []
    assert [row["epoch"] for row in memory.records[run.name].rows] == [1, 2, 3, 4]
    assert memory.opened == [run.name] * 2
    assert memory.records[run.name].status is Status.FINISHED


def test_record_that_another_command_holds_is_told(sweep, new_run):
    """It did not let go until the end."""
    run = new_run("loss=dice")
    first, memory = following(sweep, run)
    second, _ = following(sweep, run, memory=memory)
    run.train(1)
    first.look()
    run.leave()
    (error,) = second.close()

    assert "another command is still writing" in error


def test_end_does_not_wait_forever(sweep, new_run, monkeypatch):
    """A job on another machine may outlive its command."""
    monkeypatch.setattr(follow, "CLAIM_SECONDS", 0.0)
    run = new_run("loss=dice")
    watch, memory = following(sweep, run)
    run.train(1)

    assert watch.close() == []
    assert memory.records[run.name].status is Status.RUNNING


def test_sweep_without_runs(tmp_path):
    """Nothing to follow, nothing to close."""
    watch, memory = following(SweepPaths(tmp_path / "none"))
    watch.add(EVERY_RUN)
    watch.look()

    assert watch.close() == []
    assert not memory.closed
