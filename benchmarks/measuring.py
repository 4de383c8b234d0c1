"""Commands timed with everything they start: wall seconds, and CPU seconds of all processes."""

import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
BECOME_REAPER = 36
"""Linux: PR_SET_CHILD_SUBREAPER. Orphans then are ours to wait for, and their CPU time shows."""
Words = Sequence[str]
Started = tuple["subprocess.Popen[str]", IO[str], IO[str]]
"""A process, its output, its messages."""


@dataclass(frozen=True)
class Taken:
    """What commands took."""

    wall: float
    """Seconds from the first start to the last end."""
    cpu: float
    """CPU seconds, user and system, of all processes."""
    output: str = ""
    """What the last to end wrote to its standard output."""


def timed(*commands: Words, at_a_time: int = 1) -> Taken:
    """Carry out *commands*, each `python WORDS`; leave with a message if one fails."""
    ctypes.CDLL(None).prctl(BECOME_REAPER, 1, 0, 0, 0)
    waiting, running = list(commands), dict[int, Started]()
    started, cpu, wall, output = time.perf_counter(), 0.0, 0.0, ""
    while waiting or running:
        while waiting and len(running) < at_a_time:
            new = _start(waiting.pop(0))
            running[new[0].pid] = new
        pid, status, usage = os.wait4(-1, 0)
        cpu += usage.ru_utime + usage.ru_stime
        if pid in running:
            wall = time.perf_counter() - started
            output = _ended(running.pop(pid), os.waitstatus_to_exitcode(status))
    return Taken(wall, cpu + _orphans(), output)


def _start(words: Words) -> Started:
    out, error = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("HYDRA_FULL_ERROR", None)
    command = [sys.executable, *words]
    process = subprocess.Popen(command, env=environment, stdout=out, stderr=error, text=True)
    return process, out, error


def _ended(started: Started, code: int) -> str:
    """Return what a process wrote; leave with its last words if it failed."""
    process, out, error = started
    process.returncode = code  # it was waited for before, and subprocess does not know
    with out, error:
        out.seek(0)
        error.seek(0)
        if code:
            sys.exit(f"{process.args!r}\nended with {code}:\n{error.read()[-2000:]}")
        return out.read()


def _orphans() -> float:
    """Wait for what the commands left running, such as a fork server; return its CPU seconds."""
    cpu = 0.0
    while True:
        try:
            usage = os.wait4(-1, 0)[2]
        except ChildProcessError:
            return cpu
        cpu += usage.ru_utime + usage.ru_stime


@dataclass(frozen=True)
class Row:
    """A line of a table. What does not apply is None. All times in seconds."""

    what: str
    runs: int
    wall: float | None = None
    """Of the command with this many runs, median of rounds."""
    wall_min: float | None = None
    cpu: float | None = None
    """CPU time of the same command, median."""
    per_run: float | None = None
    """Once it is under way, what a run adds; of a plan, what one run more adds. Median."""
    per_run_min: float | None = None
    """The same in the fastest round."""
    slope: float | None = None
    """The same from two commands: that of 2 N runs less that of N, over N."""
    cpu_per_run: float | None = None
    """CPU time of a run, from two commands."""
    beyond: float | None = None
    """What a slot takes per run that is not the fit."""
    beyond_min: float | None = None
    cpu_beyond: float | None = None
    """CPU time of a run that is not the fit's."""
    start_up: float | None = None
    """What the command takes beside its runs: before the first, and after the last."""
    ratio: float | None = None
    """This one's time over the one it is compared with, median of rounds."""
    note: str = ""


def lowest(taken: Sequence[Taken]) -> float:
    """Return the wall time of the fastest."""
    return min(one.wall for one in taken)


def median_cpu(taken: Sequence[Taken]) -> float:
    """Return the median CPU time."""
    return statistics.median(one.cpu for one in taken)


def table(rows: Iterable[Row], columns: Mapping[str, str]) -> str:
    """Return *rows* as text; *columns* name the fields to show and what stands above them."""
    texts = [list(columns.values())]
    texts += [[_text(getattr(row, name)) for name in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    return "\n".join(_line(line, widths) for line in texts)


def _line(texts: Sequence[str], widths: Sequence[int]) -> str:
    first, *numbers, note = zip(texts, widths, strict=True)
    parts = [first[0].ljust(first[1]), *(text.rjust(width) for text, width in numbers)]
    return "  ".join([*parts, note[0]]).rstrip()


def _text(value: float | str | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
