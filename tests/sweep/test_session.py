"""The state of one command: its lock, its refresher, the error that ends it."""

import sys

import pytest

from segsweep.errors import ConfigError, SweepLockedError
from segsweep.store.paths import SweepPaths
from segsweep.sweep.lock import SweepLock
from segsweep.sweep.session import CommandExit, Session


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
