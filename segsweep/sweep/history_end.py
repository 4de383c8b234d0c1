"""The last epochs of a run, read quickly from the end of its history."""

import math
from pathlib import Path
from typing import TypeAlias

from segsweep.system.files import open_plain

WHOLE_BYTES = 1_000_000
"""Of a longer history (about ten thousand epochs) only the end is read."""
END_BYTES = 4_000

HistoryRow: TypeAlias = dict[str, float | None]
"""An epoch of `history.csv`, by column."""


def history_end(path: Path, most: int = WHOLE_BYTES) -> list[HistoryRow]:
    """Return a history's rows, oldest first, from its last *most* bytes.

    Values are numbers, None for anything else; lines without epoch or seconds are left out.
    """
    try:
        with open_plain(path) as file:
            head = file.readline()
            start = max(file.seek(0, 2) - most, len(head))
            file.seek(start)
            cut = start > len(head)
            lines = file.read().decode("utf-8", "replace").splitlines()[1 if cut else 0 :]
    except OSError:
        return []
    names = head.decode("utf-8", "replace").strip().split(",")
    rows = [dict(zip(names, map(number_of, line.split(",")), strict=False)) for line in lines]
    return [row for row in rows if None not in (row.get("epoch"), row.get("seconds"))]


def number_of(value: object) -> float | None:
    """Return *value* as a finite number; None if it is not one."""
    try:
        number = float(value)  # type: ignore[arg-type]  # other types raise TypeError
    except (ValueError, TypeError):
        return None
    return number if math.isfinite(number) else None
