"""What a sweep shows while it runs: one live picture in a terminal, plain lines elsewhere."""

import sys
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from segsweep.store.states import AttemptStatus
from segsweep.sweep.planning.budget import makespan
from segsweep.system.progress import can_rewrite, duration

if TYPE_CHECKING:
    from rich.console import RenderableType

QUIET_SECONDS = 20.0
"""Where output is no terminal, a line on what runs at most this often."""
EXACT = 1000
"""Waiting runs up to which the time left is reckoned run by run; more are shared out evenly."""
SHOWN = 16
"""Running runs shown at most: a terminal has few lines."""


@dataclass
class RunRow:
    """A run in a slot."""

    name: str
    slot: int
    started: float
    seconds: float
    """Expected; 0 where unknown."""
    epoch: int = 0
    epochs: int = 0
    val_iou: float = float("nan")
    best: float = float("nan")
    first: float | None = None
    """When the first epoch of this attempt was done, and which it was."""
    first_epoch: int = 0

    def left(self, now: float) -> float:
        """Return the seconds left: from its own pace where that is known, else as expected."""
        if self.first is not None and self.epoch > self.first_epoch:
            pace = (now - self.first) / (self.epoch - self.first_epoch)
            return max(pace * (self.epochs - self.epoch), 0.0)
        return max(self.seconds - (now - self.started), 0.0)


class View:
    """Counts runs and shows them; `with View(...) as view:`."""

    def __init__(
        self,
        title: str,
        expected: Mapping[str, float],
        slots: int,
        cells: Mapping[str, str],
        skipped: Collection[str] = (),
    ) -> None:
        """Take what the command asks for.

        Args:
            title: the sweep's name.
            expected: seconds of each run to do, by name; 0 where unknown.
            slots: how many run at the same time.
            cells: cell of each run, those that were finished before included.
            skipped: those of them that failed before and are not tried again.

        """
        self.title, self.slots, self.cells = title, slots, cells
        self.waiting = dict(expected)
        self.waiting_seconds = sum(expected.values())
        self.total, self.failed = len(cells), len(skipped)
        self.finished = len(cells) - len(expected) - len(skipped)
        self.open_runs = Counter(cells[name] for name in (*expected, *skipped))
        self.all_cells = len(set(cells.values()))
        self.rows: dict[str, RunRow] = {}
        self.pace = 1.0  # what runs took, over what they were expected to take
        self.seconds_taken = self.seconds_expected = 0.0
        self.live: Any = None
        self.last_line = time.monotonic()

    def __enter__(self) -> "View":
        """Start to show."""
        if can_rewrite(sys.stderr):
            from rich.console import Console
            from rich.live import Live

            console = Console(stderr=True, markup=False, highlight=False)
            self.live = Live(
                console=console, get_renderable=self.picture, refresh_per_second=4, transient=True
            )
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave only the lines."""
        if self.live is not None:
            self.live.stop()

    def run_started(self, name: str, slot: int) -> None:
        """A run has begun."""
        seconds = self.waiting.pop(name, 0.0)
        self.waiting_seconds -= seconds
        self.rows[name] = RunRow(name, slot, time.monotonic(), seconds)

    def epoch_done(self, name: str, epoch: int, epochs: int, val_iou: float) -> None:
        """A run has done an epoch."""
        row = self.rows[name]
        if row.first is None:
            row.first, row.first_epoch = time.monotonic(), epoch
        row.epoch, row.epochs, row.val_iou = epoch, epochs, val_iou
        row.best = val_iou if row.best != row.best else max(row.best, val_iou)

    def run_retried(self, name: str, why: str) -> None:
        """A run will be tried once more."""
        row = self.rows.pop(name)
        self.waiting[name] = row.seconds
        self.waiting_seconds += row.seconds
        self.print_line(f"{name}: {why}; it is tried once more")

    def run_ended(self, name: str, status: str, value: float, error: str = "") -> None:
        """A run has ended: say so."""
        row = self.rows.pop(name)
        took = time.monotonic() - row.started
        if status == AttemptStatus.FINISHED:
            self.finished += 1
            self.open_runs[self.cells[name]] -= 1
            self._learn(row, took)
            time_taken = f"{took:.1f} s" if took < 10 else duration(took)
            text = f"val IoU {value:.4f}, {time_taken}"
        else:
            self.failed += status == AttemptStatus.FAILED
            text = f"{status}: {error}" if error else status
        self.print_line(
            f"[{self.finished + self.failed}/{self.total}] {name}  {text}{self._outlook()}"
        )

    def print_if_quiet(self) -> None:
        """Where nothing is live, say now and then what runs."""
        now = time.monotonic()
        if self.live is None and self.rows and now - self.last_line > QUIET_SECONDS:
            running = "; ".join(_brief(row) for row in list(self.rows.values())[:4])
            self.print_line(f"{self.summary()}  {running}")

    def print_line(self, line: str) -> None:
        """Say a line that stays."""
        self.last_line = time.monotonic()
        with suppress(OSError, ValueError):  # a terminal that is gone ends no sweep
            if self.live is not None:
                self.live.console.print(line, soft_wrap=True)
            else:
                print(line, file=sys.stderr, flush=True)

    def seconds_left(self) -> float | None:
        """Return the seconds until all is done; None where nothing is known."""
        now = time.monotonic()
        running = [row.left(now) for row in self.rows.values()]
        if len(self.waiting) > EXACT:  # each run that ends asks
            seconds = sum(running) + self.waiting_seconds * self.pace
            return seconds / self.slots if seconds > 0 else None
        waiting = [seconds * self.pace for seconds in self.waiting.values()]
        if not any(running) and not any(waiting):
            return None
        return makespan([*running, *waiting], self.slots)

    def summary(self) -> str:
        """Return how far the sweep is, in one line."""
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
            table.add_row(Text(_short(row.name)), bar, Text(_figures(row)))
        more = len(self.rows) - SHOWN
        rest = [Text(f"and {more} more")] if more > 0 else []
        whole = Table.grid(expand=True)  # a bar alone would not end its line
        whole.add_row(ProgressBar(total=max(self.total, 1), completed=self.finished + self.failed))
        summary = Text(self.summary(), no_wrap=True, overflow="ellipsis")
        return Group(summary, whole, table, *rest)

    def _learn(self, row: RunRow, took: float) -> None:
        self.seconds_taken += took
        self.seconds_expected += row.seconds
        if self.seconds_expected > 0:
            self.pace = self.seconds_taken / self.seconds_expected

    def _outlook(self) -> str:
        left = self.seconds_left()
        return "" if left is None or self.live is not None else f"; about {duration(left)} left"


def _shown(rows: Any) -> Sequence[RunRow]:
    return sorted(rows, key=lambda row: row.slot)[:SHOWN]


def _short(name: str) -> str:
    """Return a run's name without its id: `unet2-dice-s0`."""
    return name.rpartition("-")[0] or name


def _figures(row: RunRow) -> str:
    if not row.epochs:
        return "starting"
    return f"epoch {row.epoch}/{row.epochs}  val IoU {row.val_iou:.4f}  best {row.best:.4f}"


def _brief(row: RunRow) -> str:
    at = f"{row.epoch}/{row.epochs} {row.best:.3f}" if row.epochs else "starting"
    return f"{_short(row.name)} {at}"
