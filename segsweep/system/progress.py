"""Progress lines of a run and of long tasks, with the time left."""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from segsweep.system.terminal import raw

QUIET_SECONDS = 20.0
"""Shortest time between two lines if the output is not a terminal."""


def duration(seconds: float) -> str:
    """Return a time span in words: 45 s, 12 min, 3 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"


RECENT = 5
"""A run's pace is the mean of this many latest epochs."""


def mean_pace(seconds: Sequence[float]) -> float | None:
    """Return the seconds that an epoch takes, given those of the epochs so far; None if unknown.

    The first epoch does not count: it takes longer, because everything happens for the first time.
    """
    later = seconds[1:][-RECENT:]
    return sum(later) / len(later) if later else None


def can_rewrite(stream: TextIO) -> bool:
    """Whether lines on *stream* can be rewritten: a terminal, except for a notebook's `!command`.

    A Jupyter kernel gives such commands a terminal, but the notebook shows every line ever written.
    """
    return stream.isatty() and "JPY_PARENT_PID" not in os.environ


def clear_line() -> None:
    """Delete the line of the terminal that is rewritten."""
    raw(sys.stderr).write("\r\033[K")


class Progress:
    """One run's progress: a rewritten line in a terminal, else a line now and then; all logged."""

    def __init__(self, name: str, epochs: int, log: Path, *, verbose: bool = True) -> None:
        """Show run *name* of *epochs* epochs; if not *verbose*, write to *log* only."""
        self.name, self.epochs, self.log, self.verbose = name, epochs, log, verbose
        self.short_name = name.rpartition("-")[0]
        self.live = verbose and can_rewrite(sys.stderr)
        self.last_output = time.monotonic()
        self.latest = ""

    def step(self, step: int, steps: int) -> None:
        """Show the position inside an epoch."""
        if self.live and time.monotonic() - self.last_output > 0.2:
            self._rewrite(f"[{step}/{steps}]  {self.latest}")

    def epoch(self, history: Sequence[dict[str, float]], best: bool) -> None:
        """Show the last epoch's values and the time left, once a second epoch has said its pace."""
        row, pace = history[-1], mean_pace([item["seconds"] for item in history])
        epochs_left = self.epochs - row["epoch"]
        if pace is None and epochs_left > 0:
            left = ""
        else:
            left = f"{duration((pace or 0.0) * epochs_left)} left  "
        self.latest = (
            f"epoch {row['epoch']:.0f}/{self.epochs}  {left}"
            f"val IoU {row['val_iou']:.4f}{'*' if best else ' '} loss {row['train_loss']:.4f}  "
            f"val {row['val_loss']:.4f}  lr {row['lr']:.2e}"
        )
        self.write(self.latest)
        ended = row["epoch"] == self.epochs
        if self.live:
            self._rewrite(self.latest)
        elif ended or time.monotonic() - self.last_output > QUIET_SECONDS:
            self._print(self.latest)

    def write(self, line: str) -> None:
        """Append a line to the run's log only."""
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {line}\n")

    def announce(self, line: str) -> None:
        """Print a line that is not rewritten, and log it."""
        self.write(line)
        self._print(line)

    def close(self) -> None:
        """End the rewritten line, so that other output starts on a new one."""
        if self.live and self.latest:
            sys.stderr.write("\n")

    def _print(self, line: str) -> None:
        if not self.verbose:
            return
        if self.live:
            clear_line()
        print(f"{self.name}  {line}", file=sys.stderr, flush=True)
        self.last_output = time.monotonic()

    def _rewrite(self, line: str) -> None:
        width = shutil.get_terminal_size().columns - 1  # a wrapped line cannot be rewritten
        clear_line()
        sys.stderr.write(f"{self.short_name}  {line}"[:width])
        sys.stderr.flush()
        self.last_output = time.monotonic()


FEW = 2
"""Items after the first that must be done before the time left is shown."""
LEAST_SECONDS = 1.0
"""Seconds that must be measured before the time left is shown."""
QUIET_START = 2.0
"""Seconds before a counter shows anything, and between two of its lines."""


class Counter:
    """A progress line of a task that counts items: `reading images 40/200, 12 s left`."""

    def __init__(self, what: str) -> None:
        """Name the task in *what*; nothing is shown in its first two seconds."""
        self.what = what
        self.started = self.last_output = time.monotonic()
        self.first: tuple[int, float] | None = None
        """Items done and share of the work done when `started` was taken."""
        self.is_first_timed = False
        """Whether `started` was taken before the first item."""
        self.shown = False

    def __call__(self, done: int, total: int, share: float | None = None) -> None:
        """Show that *done* of *total* items are done, at most every two seconds.

        The time left is shown when a few items say how long one takes; *share* is the share of
        the work that is done where items differ. Preparations do not count: a task that reports
        0 or 1 first is timed from there. Nor does the first of equal items, which takes longer,
        because everything happens for the first time.
        """
        now, equal = time.monotonic(), share is None
        share = done / total if share is None else share
        if self.first is None:
            self.first = (done, share) if done <= 1 else (0, 0.0)
            self.started = now if done <= 1 else self.started
            self.is_first_timed = done == 0
        elif equal and self.is_first_timed and done > 0:
            self.first, self.started, self.is_first_timed = (done, share), now, False
        if now - self.last_output < QUIET_START and not (self.shown and done == total):
            return
        text = f"{self.what} {done}/{total}"
        count, part = done - self.first[0], share - self.first[1]
        seconds = now - self.started
        if done == total:
            text += ", 0 s left"
        elif count >= FEW and part > 0 and seconds >= LEAST_SECONDS:
            text += f", {duration(seconds / part * (1 - share))} left"
        if can_rewrite(sys.stderr):
            clear_line()
            sys.stderr.write(text + ("\n" if done == total else ""))
        else:
            print(text, file=sys.stderr)
        sys.stderr.flush()
        self.last_output, self.shown = now, True
