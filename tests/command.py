"""Run command lines of `segsweep.train`, in this process (fast) or in a separate one."""

import contextlib
import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

TINY = (
    *("data.count=24", "data.side=32", "data.size=32", "model.channels=[4,4]", "augment=none"),
    *("trainer.epochs=2", "trainer.batch=4", "trainer.averaging=0", "threads=1", "device=cpu"),
)
"""Settings with which a run of each of the four networks takes well under a second."""
ROOT = Path(__file__).resolve().parents[1]
APPS = ROOT / "tests" / "apps"
TROUBLE = (f"--config-dir={APPS / 'conf'}", "allow=[trouble]")
"""Words with which a command finds the losses of `apps/trouble.py`."""


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def train_here(words: Sequence[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    """Run a command line in this process, in *folder*; return its exit code."""
    from hydra.core.global_hydra import GlobalHydra

    from segsweep.sweep import session
    from segsweep.train import run_command

    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["segsweep-train", *words])
    monkeypatch.setattr(session, "current", session.Session())
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")  # what the command sets is taken back afterwards
    GlobalHydra.instance().clear()
    try:
        return run_command()
    finally:
        GlobalHydra.instance().clear()


def start(
    words: Sequence[str], folder: Path, *, stderr: int | IO[str] = subprocess.PIPE, **more: str
) -> "subprocess.Popen[str]":
    """Start `python -m segsweep.train` in *folder*, in its own session and process group.

    *more* is added to the environment; modules in `tests/apps` can be imported.
    """
    path = f"{ROOT}{os.pathsep}{APPS}"
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **more}
    environment.pop("HYDRA_FULL_ERROR", None)
    return subprocess.Popen(
        [sys.executable, "-m", "segsweep.train", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    )


def finish(words: Sequence[str], folder: Path, code: int = 0, **more: str) -> str:
    """Run a command, assert its exit code *code*, and return everything it printed."""
    process = start(words, folder, **more)
    output, error = process.communicate(timeout=600)
    assert process.returncode == code, error
    return error + output


def wait_for(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until *condition* is true; fail the test after *seconds*."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            pytest.fail(f"nothing happened within {seconds:.0f} s")
        time.sleep(0.01)


@dataclass(frozen=True)
class Process:
    """A running process, from /proc."""

    pid: int
    parent: int
    session: int
    is_server: bool
    """Whether it is a fork server or was forked from one."""


def processes() -> list[Process]:
    """Return the running processes of this machine, without zombies."""
    return [one for path in Path("/proc").iterdir() if path.name.isdecimal() for one in _read(path)]


def _read(folder: Path) -> list[Process]:
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        command = (folder / "cmdline").read_bytes()
    except OSError:  # it has ended
        return []
    state, parent, _, session = fields[:4]
    server = b"multiprocessing.forkserver" in command
    return [] if state in "ZX" else [Process(int(folder.name), int(parent), int(session), server)]


def alive(pid: int) -> bool:
    """Whether a process is running."""
    return bool(_read(Path("/proc") / str(pid)))


def of_session(pid: int) -> list[Process]:
    """Return the running processes of the command that `start` started as *pid*."""
    return [one for one in processes() if one.session == pid]


def server_and_workers(pid: int) -> tuple[list[int], list[int]]:
    """Return the ids of a command's fork server and of the processes forked from it."""
    forked = [one for one in of_session(pid) if one.is_server]
    servers = [one.pid for one in forked if one.parent == pid]
    return servers, [one.pid for one in forked if one.parent in servers]


def end_server() -> None:
    """End this process's fork server and what it forked; the next one imports anew."""
    from multiprocessing import forkserver

    server = forkserver._forkserver._forkserver_pid
    if server is None:
        return
    forked = [one.pid for one in processes() if one.parent == server]
    for pid in (server, *forked):  # a process that was left would keep the server alive
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    forkserver._forkserver._stop()


def snapshot(*folders: Path) -> dict[Path, tuple[int, str]]:
    """Return time and digest of *folders* and everything in them; a folder's digest is empty."""
    found = [path for folder in folders for path in (folder, *folder.rglob("*"))]
    return {path: (path.stat().st_mtime_ns, _digest(path)) for path in found}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def fill(path: Path, leave: int = 0) -> None:
    """Write to *path* until only *leave* bytes of the disk are free."""
    block = b"x" * 4096
    free = shutil.disk_usage(path.parent).free - leave
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while leave == 0 or file.tell() < free:
            file.write(block)


def refusal(answer: tuple[int, str, str]) -> str:
    """Assert exit code 2 and a message of one line; return the message."""
    code, _, error = answer
    assert code == 2
    (line,) = error.splitlines()
    return line
