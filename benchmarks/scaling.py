"""How segsweep grows with images and runs: its own functions on made-up inputs of 10 to 100,000.

    python benchmarks/scaling.py                                # about ten minutes, 2 GB of disk
    python benchmarks/scaling.py --sizes 10,100,1000            # one minute
    python benchmarks/scaling.py --only split,plan --csv FILE   # operations by their names

Inputs are small on purpose (images of 8x8 pixels, runs of 100 scored images and 40 epochs), so
that what grows shows. Times are CPU seconds of this process, so that other work on the machine
hardly shows. `exponent` is log(time ratio) / log(size ratio) to the size before: 1 is
linear, 2 is work per item that grows with the number of items. Times below a millisecond say
nothing; they have no exponent. An operation stops growing once it would take longer than --limit.
The operations are in scaling_data.py and scaling_sweeps.py.
"""

import argparse
import csv
import math
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

from scaling_data import DATA
from scaling_operation import Operation
from scaling_sweeps import SWEEPS

SIZES = "10,100,1000,10000,100000"
LEAST = 0.001
"""Seconds below which a time is noise."""
COLUMNS = ("operation", "unit", "n", "seconds", "exponent", "date", "cpu", "commit")


@dataclass(frozen=True)
class Taken:
    """What an operation took at one size."""

    operation: Operation
    size: int
    seconds: float
    exponent: float | None
    """To the size before; None at the first size and where a time is noise."""


def main() -> None:
    """Measure, print, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default=SIZES, help="numbers of items, ascending")
    parser.add_argument("--only", default="", help="parts of the names of operations")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one size, at most")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    arguments = parser.parse_args()
    sizes = [int(size) for size in arguments.sizes.split(",")]
    parts = arguments.only.split(",")
    chosen = [one for one in (*DATA, *SWEEPS) if any(part in one.name for part in parts)]
    print(f"{'operation':44} {'n':>7} {'seconds':>10}  exponent")
    rows = []
    for operation in chosen:
        for taken in grown(operation, sizes, arguments.limit):
            rows.append(taken)
            exponent = "" if taken.exponent is None else f"{taken.exponent:8.2f}"
            name = f"{operation.name} ({operation.unit})"
            print(f"{name:44} {taken.size:>7} {taken.seconds:>10.4f}  {exponent}", flush=True)
    if arguments.csv:
        write(arguments.csv, rows)


def grown(operation: Operation, sizes: Sequence[int], limit: float) -> Iterator[Taken]:
    """Yield what *operation* takes at each of *sizes* that it can do in *limit* seconds."""
    before: tuple[int, float] | None = None
    for size in sizes:
        if size > operation.most or (before and _expected(before, size) > limit):
            return
        seconds = measured(operation, size)
        yield Taken(operation, size, seconds, _exponent(before, size, seconds))
        before = size, seconds


def measured(operation: Operation, size: int) -> float:
    """Return the CPU seconds of *operation* on *size* items, for few items the least of five."""
    with tempfile.TemporaryDirectory() as folder, redirect_stderr(StringIO()):
        seconds = []
        for number in range(5 if size <= 100 else 1):
            place = Path(folder) / str(number)
            place.mkdir()
            work = operation.prepare(place, size)
            with redirect_stdout(StringIO()):
                started = time.process_time()
                work()
                seconds.append(time.process_time() - started)
    return min(seconds)


def _expected(before: tuple[int, float], size: int) -> float:
    return before[1] * size / before[0]


def _exponent(before: tuple[int, float] | None, size: int, seconds: float) -> float | None:
    if before is None or min(before[1], seconds) < LEAST:
        return None
    return math.log(seconds / before[1]) / math.log(size / before[0])


def write(path: Path, rows: Sequence[Taken]) -> None:
    """Write the rows with where and when they were measured."""
    where = (f"{datetime.now(UTC):%Y-%m-%d}", _processor(), _commit())
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in rows:
            exponent = "" if one.exponent is None else f"{one.exponent:.2f}"
            name, unit = one.operation.name, one.operation.unit
            writer.writerow([name, unit, one.size, f"{one.seconds:.5f}", exponent, *where])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
