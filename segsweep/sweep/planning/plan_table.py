"""The plan as a table: a row per cell, and below it what all runs need together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segsweep.sweep.planning.budget import Budget, Room, mb_text
from segsweep.system.names import plural
from segsweep.system.progress import duration

if TYPE_CHECKING:
    from rich.table import Table

STATES = ("finished", "resumable", "failed", "new")


@dataclass(frozen=True)
class CellRow:
    """A cell in the plan's table."""

    cell: str
    runs: int
    finished: int
    resumable: int
    """Interrupted: they resume from their checkpoint."""
    failed: int
    new: int
    seconds: float | None = None
    """Of a run to do; None if unknown."""
    peak_mb: float | None = None
    kept_mb: float | None = None
    """Checkpoints of one run that stay."""


def plan_table(rows: Sequence[CellRow], title: str = "") -> "Table":
    """Return a row per cell, for a terminal of 80 columns; columns of only 0 are left out."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("cell", overflow="fold", min_width=12)
    states = [name for name in STATES if any(getattr(row, name) for row in rows)]
    for name in ("runs", *states, "time", "memory", "disk"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        counts = [str(getattr(row, name) or "") for name in states]
        table.add_row(Text(row.cell), str(row.runs), *counts, *_amounts(row))
    return table


def plan_sums(rows: Sequence[CellRow], budget: Budget | None, room: Room) -> str:
    """Return the lines below the table: all runs, and what the runs to do need together."""
    counts = {name: sum(getattr(row, name) for row in rows) for name in STATES}
    states = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    runs = plural(sum(row.runs for row in rows), "run")
    lines = [f"{runs} in {plural(len(rows), 'cell')}: {states or 'nothing to do'}"]
    if budget is not None and budget.runs:
        lines += cost_lines(budget, room)
    return "\n".join(lines)


def cost_lines(budget: Budget, room: Room) -> list[str]:
    """Return lines on time, memory and disk of the runs to do, compared with what is free."""
    return [_time_line(budget), *_memory_lines(budget, room), _disk_line(budget, room)]


def _amounts(row: CellRow) -> list[str]:
    time = "-" if row.seconds is None else _time(row.seconds)
    return [time, *("-" if mb is None else mb_text(mb) for mb in (row.peak_mb, row.kept_mb))]


def _time_line(budget: Budget) -> str:
    threads = plural(budget.threads, "thread")
    where = f"{plural(budget.slots, 'slot')} of {threads}"
    return f"about {_time(budget.seconds)} in {where} ({_time(budget.per_run)} a run)"


def _memory_lines(budget: Budget, room: Room) -> list[str]:
    lines = [f"memory {_of(budget.memory_mb, room.memory_mb)}"]
    return lines + ([f"GPU memory {_of(budget.gpu_mb, room.gpu_mb)}"] if budget.gpu_mb else [])


def _disk_line(budget: Budget, room: Room) -> str:
    return f"disk {_of(budget.disk_mb, room.disk_mb)}, {mb_text(budget.kept_mb)} of it checkpoints"


def _of(needed: float, free: float) -> str:
    return mb_text(needed) if free == math.inf else f"{mb_text(needed)} of {mb_text(free)} free"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)
