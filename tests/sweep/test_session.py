"""The state of one command: its lock, its refresher, the error that ends it."""

import sys

import pytest

from command import TINY, train_here
from segsweep.errors import ConfigError, SweepLockedError
from segsweep.store.paths import SweepPaths
from segsweep.sweep import session as sessions
from segsweep.sweep.lock import SweepLock
from segsweep.sweep.session import CommandExit, Session
from segsweep.tracking import tracker


def test_sweep_is_locked_until_the_command_ends(tmp_path):
    """The same command may ask twice; another one is refused."""
    sweep, session = SweepPaths(tmp_path / "main"), Session()
    session.lock_sweep(sweep)
    session.lock_sweep(sweep)
    with pytest.raises(SweepLockedError):
        SweepLock(sweep.lock, patience=0.1).acquire()
    session.unlock_sweep()

    with SweepLock(sweep.lock):
        assert session.lock is None


def test_refused_lock_is_not_kept(tmp_path):
    """The command can be run again later."""
    sweep, session = SweepPaths(tmp_path / "main"), Session()
    with SweepLock(sweep.lock), pytest.raises(SweepLockedError):
        session.lock_sweep(sweep)

    assert session.lock is None


def test_command_exit_is_not_caught_as_an_exception():
    """Hydra catches Exception; CommandExit has the error and the exit code."""
    error = ConfigError("a=1: no")
    found = CommandExit(error)

    assert not isinstance(found, Exception)
    assert (found.code, found.error) == (2, error)
    assert CommandExit(error, 1).code == 1


def test_request_is_the_command_line(monkeypatch):
    """Without the name of the program."""
    monkeypatch.setattr(sys, "argv", ["segsweep-train", "-m", "seed=0,1"])

    assert Session().request == "-m seed=0,1"
    assert Session().requested == 0


def test_only_runs_that_are_to_do_are_tracked(tmp_path, monkeypatch):
    """None of a command whose runs are finished; no run's config names the tracker."""
    told, closed = [], []

    class Told:
        def __init__(self, config, sweep):
            self.name = f"{config.name} {sweep.root.name}"

        def add(self, names):
            told.append((self.name, names))

        def close(self):
            closed.append(self.name)

    monkeypatch.setattr(sessions, "Tracking", Told)
    monkeypatch.setattr(tracker, "NEEDED", {})
    words = [*TINY, "trainer.epochs=1", "preflight=false", "tracker=mlflow"]
    assert train_here(words, monkeypatch, tmp_path) == 0
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    assert told == [("mlflow main", [run.name])]
    assert train_here(["-m", *words], monkeypatch, tmp_path) == 0

    assert len(told) == len(closed) == 1
    assert "tracker" not in (run / "config.yaml").read_text()
