"""Carry out command lines of `segsweep.train`: in this process (quick), or in one of its own."""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

TINY = (
    *("data.count=24", "data.side=32", "data.size=32", "model.channels=[4,4]", "augment=none"),
    *("trainer.epochs=2", "trainer.batch=4", "trainer.averaging=0", "threads=1", "device=cpu"),
)
"""Settings under which a run takes well under a second, for every network of ours."""


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return a CSV's rows."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def train_here(words: Sequence[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    """Carry out a command line in this process, from *folder*; return its exit code."""
    from hydra.core.global_hydra import GlobalHydra

    from segsweep.sweep import session
    from segsweep.train import run_command

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["segsweep-train", *words])
    monkeypatch.setattr(session, "current", session.Session())
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    GlobalHydra.instance().clear()
    try:
        return run_command()
    finally:
        GlobalHydra.instance().clear()


def start(words: Sequence[str], folder: Path) -> "subprocess.Popen[str]":
    """Start `python -m segsweep.train` in *folder* in its own process group."""
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    environment.pop("HYDRA_FULL_ERROR", None)
    return subprocess.Popen(
        [sys.executable, "-m", "segsweep.train", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(condition, seconds: float = 120.0) -> None:
    """Wait until *condition* holds; fail the test if it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail("waited in vain")
        time.sleep(0.01)
