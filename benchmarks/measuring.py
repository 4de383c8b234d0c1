"""Time commands with all processes they start: wall seconds and CPU seconds."""

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
"""Linux: PR_SET_CHILD_SUBREAPER. Orphans become children of this process, which can count them."""
Words = Sequence[str]
Started = tuple["subprocess.Popen[str]", IO[str], IO[str]]
"""A process, its stdout and its stderr."""


@dataclass(frozen=True)
class Taken:
    """The time that commands took."""

    wall: float
    """Seconds from the first start to the last end."""
    cpu: float
    """CPU seconds, user and system, of all processes."""
    output: str = ""
    """Standard output of the command that ended last."""


def timed(*commands: Words, at_a_time: int = 1) -> Taken:
    """Run *commands*, each `python WORDS`; exit with a message if one fails."""
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
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # users have compiled modules too
    command = [sys.executable, *words]
    process = subprocess.Popen(command, env=environment, stdout=out, stderr=error, text=True)
    return process, out, error


def _ended(started: Started, code: int) -> str:
    """Return a process's output; exit with the end of its stderr if it failed."""
    process, out, error = started
    process.returncode = (
        code  # os.wait4 took the exit code, which subprocess therefore does not have
    )
    with out, error:
        out.seek(0)
        error.seek(0)
        if code:
            sys.exit(f"{process.args!r}\nended with {code}:\n{error.read()[-2000:]}")
        return out.read()


def _orphans() -> float:
    """Wait for processes that commands left running, such as a fork server; return CPU seconds."""
    cpu = 0.0
    while True:
        try:
            usage = os.wait4(-1, 0)[2]
        except ChildProcessError:
            return cpu
        cpu += usage.ru_utime + usage.ru_stime


@dataclass(frozen=True)
class Row:
    """A row of a table. All times are in seconds; None where a column does not apply."""

    what: str
    runs: int
    wall: float | None = None
    """Wall time of the command with this many runs, median of rounds."""
    wall_min: float | None = None
    cpu: float | None = None
    """CPU time of the same command, median of rounds."""
    per_run: float | None = None
    """Time that one more run adds once the command is running (or one more planned run), median."""
    per_run_min: float | None = None
    """The same in the fastest round."""
    slope: float | None = None
    """The same from two commands: (time of 2 N runs - time of N runs) / N."""
    cpu_per_run: float | None = None
    """CPU time of a run, from two commands."""
    beyond: float | None = None
    """Time of a slot per run that is not the fit."""
    beyond_min: float | None = None
    cpu_beyond: float | None = None
    """CPU time per run that is not the fit."""
    start_up: float | None = None
    """Time of the command before the first and after the last run."""
    ratio: float | None = None
    """Time divided by that of the row it is compared with, median of rounds."""
    note: str = ""


def lowest(taken: Sequence[Taken]) -> float:
    """Return the shortest wall time."""
    return min(one.wall for one in taken)


def median_cpu(taken: Sequence[Taken]) -> float:
    """Return the median CPU time."""
    return statistics.median(one.cpu for one in taken)


def table(rows: Iterable[Row], columns: Mapping[str, str]) -> str:
    """Return *rows* as text; *columns* maps the fields to show to their headings."""
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
