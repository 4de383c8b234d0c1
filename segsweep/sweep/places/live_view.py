"""The progress of a running sweep: a live display in a terminal, plain lines elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segsweep.store.paths import short_name
from segsweep.store.states import AttemptStatus
from segsweep.sweep.planning.budget import makespan
from segsweep.sweep.processes.worker import EpochDone
from segsweep.system.progress import can_rewrite, duration

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

QUIET_SECONDS = 20.0
"""Without a terminal, seconds between two lines about the running runs."""
EXACT = 1000
"""Up to this many waiting runs, the time left is computed run by run; beyond, from their sum."""
LEAST = 2
"""Epochs after the first of an attempt from which on a running run says how long others take."""
MOST_SLOTS = 16
"""Maximum number of running runs that are shown: a terminal has few lines."""


@dataclass
class RunRow:
    """The progress of a run in a slot."""

    name: str
    slot: int
    started: float
    seconds: float
    """Expected duration; 0 if unknown."""
    epoch: int = 0
    epochs: int = 0
    val_iou: float = float("nan")
    best: float = float("nan")
    first: float | None = None
    """When the first epoch of this attempt was finished."""
    first_epoch: int = 0
    """The number of that epoch: above 1 in a resumed run."""

    @property
    def share(self) -> float:
        """The part of this attempt's epochs that tells its pace; 0 if there is none yet."""
        if self.first is None or self.epoch - self.first_epoch < LEAST:
            return 0.0
        return (self.epoch - self.first_epoch) / max(self.epochs - self.first_epoch, 1)

    def left(self, now: float, expected: float) -> float:
        """Return the seconds left, by the run's own pace or else as *expected* in all."""
        if self.first is not None and self.epoch > self.first_epoch:
            pace = (now - self.first) / (self.epoch - self.first_epoch)
            return max(pace * (self.epochs - self.epoch), 0.0)
        return max(expected - (now - self.started), 0.0)


class View:
    """Counts runs and shows their progress; used as `with View(...) as view:`."""

    def __init__(
        self,
        title: str,
        expected: Mapping[str, float],
        slots: int,
        cells: Mapping[str, str],
        skipped: Collection[str] = (),
    ) -> None:
        """Start with no run in progress.

        Args:
            title: the sweep's name.
            expected: expected seconds of each run to do, by name; 0 if unknown.
            slots: runs at the same time.
            cells: cell of each run of the command, including runs finished before.
            skipped: the runs among these that failed before and are not retried.

        """
        self.title, self.slots, self.cells = title, slots, dict(cells)
        self.labels: dict[str, str] = {}
        self.waiting = dict(expected)
        self.waiting_seconds = sum(expected.values())
        self.total, self.failed = len(cells), len(skipped)
        self.finished = len(cells) - len(expected) - len(skipped)
        self.open_runs = Counter(cells[name] for name in (*expected, *skipped))
        self.all_cells = len(set(cells.values()))
        self.rows: dict[str, RunRow] = {}
        self.seconds_taken = self.seconds_expected = 0.0
        self.done, self.seconds_done = 0, 0.0  # finished runs, expected or not
        self.live: Live | None = None
        self.last_line = time.monotonic()

    def __enter__(self) -> "View":
        """Start the live display, in a terminal."""
        if can_rewrite(sys.stderr):
            from rich.live import Live

            from segsweep.system.console import console_on

            self.live = Live(
                console=console_on(sys.stderr),
                get_renderable=self.picture,
                refresh_per_second=4,
                transient=True,
            )
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the live display; printed lines stay."""
        if self.live is not None:
            self.live.stop()

    def run_started(self, name: str, slot: int) -> None:
        """Count a run that started in *slot*."""
        seconds = self.waiting.pop(name, 0.0)
        self.waiting_seconds -= seconds
        self.rows[name] = RunRow(name, slot, time.monotonic(), seconds)

    def run_named(self, place: str, name: str, label: str) -> None:
        """Learn that the run *name* is the one expected as *place*, and how to show it."""
        self.waiting[name] = self.waiting.pop(place, 0.0)
        self.cells[name] = self.cells.pop(place, label)
        self.labels[name] = label

    def run_skipped(self, place: str) -> None:
        """Count an expected run that had finished before."""
        if place in self.waiting:
            self.waiting_seconds -= self.waiting.pop(place)
            self.finished += 1
            self.open_runs[self.cells[place]] -= 1

    def run_dropped(self, place: str) -> None:
        """Forget an expected run that will not start."""
        if place in self.waiting:
            self.waiting_seconds -= self.waiting.pop(place)
            self.total -= 1
            self.open_runs[self.cells.pop(place)] -= 1

    def epoch_done(self, name: str, message: EpochDone) -> None:
        """Update a run that finished an epoch."""
        row, (epoch, epochs, val_iou) = self.rows[name], message
        if row.first is None:
            row.first, row.first_epoch = time.monotonic(), epoch
        row.epoch, row.epochs, row.val_iou = epoch, epochs, val_iou
        row.best = val_iou if row.best != row.best else max(row.best, val_iou)

    def run_retried(self, name: str, why: str) -> None:
        """Count a run as waiting again because of *why*, and print that."""
        row = self.rows.pop(name)
        self.waiting[name] = row.seconds
        self.waiting_seconds += row.seconds
        self.print_line(f"{self.labels.get(name, name)}: {why}; retrying")

    def run_ended(
        self, name: str, status: str, value: float, error: str = "", note: str = ""
    ) -> None:
        """Count a run that ended and print a line about it; *note*: it finished another way."""
        row = self.rows.pop(name)
        took = time.monotonic() - row.started
        if status == AttemptStatus.FINISHED:
            self.finished += 1
            self.open_runs[self.cells[name]] -= 1
            if not note:  # else it is no measure of what others take
                self._learn(row, took)
            time_taken = f"{took:.1f} s" if took < 10 else duration(took)
            text = ", ".join([f"val IoU {value:.4f}", *([note] if note else []), time_taken])
        else:
            self.failed += status == AttemptStatus.FAILED
            text = f"{status}: {error}" if error else status
        shown = self.labels.get(name, name)
        self.print_line(
            f"[{self.finished + self.failed}/{self.total}] {shown}  {text}{self._outlook()}"
        )

    def print_if_quiet(self) -> None:
        """Without a live display, print a line about the running runs from time to time."""
        now = time.monotonic()
        if self.live is None and self.rows and now - self.last_line > QUIET_SECONDS:
            first = list(self.rows.values())[:4]
            running = "; ".join(f"{self._label(row)} {_brief(row)}" for row in first)
            self.print_line(f"{self.summary()}  {running}")

    def print_line(self, line: str) -> None:
        """Print a line that stays."""
        self.last_line = time.monotonic()
        with suppress(OSError, ValueError):  # a closed terminal does not end the sweep
            if self.live is not None:
                self.live.console.print(line, soft_wrap=True)
            else:
                print(line, file=sys.stderr, flush=True)

    def seconds_left(self) -> float | None:
        """Return the seconds until all runs are finished; None if unknown."""
        now, mean = time.monotonic(), self.seconds_done / self.done if self.done else 0.0
        if not mean and self._has_unknown():
            return None
        pace = self._pace(now)
        running = [row.left(now, row.seconds * pace or mean) for row in self.rows.values()]
        if len(self.waiting) > EXACT:  # called for each run that ends: must stay fast
            seconds = sum(running) + (self.waiting_seconds * pace or mean * len(self.waiting))
            return seconds / self.slots if seconds > 0 else None
        waiting = [seconds * pace or mean for seconds in self.waiting.values()]
        if not any(running) and not any(waiting):
            return None
        return makespan([*running, *waiting], self.slots)

    def _pace(self, now: float) -> float:
        """Return actual over expected seconds: finished runs, and the done share of running ones.

        Without the latter a sweep of long runs would say for hours what was measured at its start.
        """
        known = [(share, row) for row in self.rows.values() if row.seconds and (share := row.share)]
        expected = self.seconds_expected + sum(share * row.seconds for share, row in known)
        taken = (share * (now - row.started + row.left(now, 0.0)) for share, row in known)
        return (self.seconds_taken + sum(taken)) / expected if expected else 1.0

    def _has_unknown(self) -> bool:
        """Whether nothing says how long one of the runs will take."""
        early = (row for row in self.rows.values() if row.epoch <= row.first_epoch)
        return any(not row.seconds for row in early) or not all(self.waiting.values())

    def summary(self) -> str:
        """Return the progress of the sweep in one line."""
        left = self.seconds_left()
        cells = self.all_cells - sum(count > 0 for count in self.open_runs.values())
        parts = [
            f"{self.title}: {self.finished}/{self.total} runs",
            *([f"about {duration(left)} left"] if left is not None else []),
            f"{len(self.rows)} running",
            f"{len(self.waiting)} waiting",
            *([f"{self.failed} failed"] if self.failed else []),
            f"{cells}/{self.all_cells} cells done",
        ]
        return ", ".join(parts)

    def picture(self) -> "RenderableType":
        """Return the live picture."""
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, padding=(0, 1), pad_edge=False, show_header=False)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=3)
        table.add_column(width=12)
        table.add_column(justify="right", no_wrap=True)
        for row in _shown(self.rows.values()):
            bar = ProgressBar(total=max(row.epochs, 1), completed=row.epoch, width=12)
            table.add_row(Text(self._label(row)), bar, Text(_figures(row)))
        more = len(self.rows) - MOST_SLOTS
        rest = [Text(f"and {more} more")] if more > 0 else []
        whole = Table.grid(expand=True)  # a bar alone would not end its line
        whole.add_row(ProgressBar(total=max(self.total, 1), completed=self.finished + self.failed))
        summary = Text(self.summary(), no_wrap=True, overflow="ellipsis")
        return Group(summary, whole, table, *rest)

    def _label(self, row: RunRow) -> str:
        return self.labels.get(row.name) or short_name(row.name)

    def _learn(self, row: RunRow, took: float) -> None:
        self.done, self.seconds_done = self.done + 1, self.seconds_done + took
        if row.seconds > 0:
            self.seconds_taken += took
            self.seconds_expected += row.seconds

    def _outlook(self) -> str:
        left = self.seconds_left()
        return "" if left is None or self.live is not None else f"; about {duration(left)} left"


def _shown(rows: Iterable[RunRow]) -> Sequence[RunRow]:
    return sorted(rows, key=lambda row: row.slot)[:MOST_SLOTS]


def _figures(row: RunRow) -> str:
    if not row.epochs:
        return "starting"
    return f"epoch {row.epoch}/{row.epochs}  val IoU {row.val_iou:.4f}  best {row.best:.4f}"


def _brief(row: RunRow) -> str:
    return f"{row.epoch}/{row.epochs} {row.best:.3f}" if row.epochs else "starting"
