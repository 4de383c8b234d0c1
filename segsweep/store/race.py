"""The looks of a race, in a sweep's race.csv: a row per look and cell that was left. No torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import get_type_hints

from segsweep.errors import StoredFileError
from segsweep.store.paths import SweepPaths
from segsweep.store.records import read_rows
from segsweep.system.files import csv_text, write_if_changed


class Decision(StrEnum):
    """What a look decided about a cell."""

    IN = "in"
    """It may be the best: it gets further seeds."""
    OUT = "out"
    """It is not the best: it gets no further seeds."""
    SHORT = "short"
    """Seeds of it failed, so nothing is decided: it gets further seeds."""


ENDS = ("one", "as good", "images", "hours", "seeds")
"""Why a race has ended, as `segsweep.stats.looks.End`."""


@dataclass(frozen=True)
class RaceRow:
    """What a look found about a cell."""

    look: int
    """From 1."""
    looks: tuple[int, ...]
    """Numbers of seeds at all looks of the race."""
    seeds: int
    """The cell's seeds that count at this look: all of the look's, unless the cell is short."""
    error: float
    """What is spent at this look of the race's error of .05."""
    cell: str
    cell_id: str
    """Of the cell, whatever else the sweep holds (`segsweep.config.cells.cell_id`)."""
    mean: float | None
    """None, as the next four, if nothing can be claimed about the cell."""
    statistic: float | None
    """The largest t of the other cells against it."""
    p: float | None
    low: float | None
    """Simultaneous interval for its mean less the best of the others, at the look's error."""
    high: float | None
    decision: Decision
    end: str
    """Why the race ended with this look, one of ENDS; empty if it went on."""
    runs: tuple[str, ...]
    """The run_id of each run of the cell that counts at this look, seeds in their order."""
    spent: float
    """Hours that the finished runs took so far, over the slots."""
    order: tuple[int, ...] = ()
    """The race's seeds in their order."""


COLUMNS = tuple(item.name for item in fields(RaceRow))


def read_race(sweep: SweepPaths) -> list[RaceRow]:
    """Return the rows of race.csv, [] without one; StoredFileError if it is damaged."""
    if not sweep.race.exists():
        return []
    hints, found = get_type_hints(RaceRow), list[RaceRow]()
    for number, row in enumerate(read_rows(sweep.race), 2):
        try:
            read = RaceRow(**{name: _value(row[name], hints[name]) for name in COLUMNS})  # type: ignore[arg-type]
            _check(read, found)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise StoredFileError(sweep.race, f"damaged, line {number}") from error
        found.append(read)
    if not found or not sweep.race.read_bytes().endswith(b"\n") or _lacks_cells(found):
        raise StoredFileError(sweep.race, "damaged, rows are missing")
    return found


def write_race(sweep: SweepPaths, rows: Sequence[RaceRow]) -> None:
    """Write race.csv, atomically, unless it has these rows."""
    write_if_changed(sweep.race, csv_text([_texts(row) for row in rows], COLUMNS))


def end_of(rows: Sequence[RaceRow]) -> str:
    """Return why the race of these rows has ended; empty if it goes on."""
    return rows[-1].end if rows else ""


def last_look(rows: Sequence[RaceRow]) -> list[RaceRow]:
    """Return the rows of the last look; [] before the first one."""
    return [row for row in rows if row.look == rows[-1].look]


def _value(text: str, hint: object) -> object:
    if hint in (int, float):
        return _finite(hint(text))
    if hint == float | None:
        return None if text == "" else _number(text)
    if hint in (str, Decision):
        return hint(text)
    words = text.split()
    return tuple(map(int, words)) if hint == tuple[int, ...] else tuple(words)


def _finite(number: float) -> float:
    if not math.isfinite(number) or number < 0:
        raise ValueError(number)
    return number


def _number(text: str) -> float:
    number = float(text)  # a statistic is infinite where runs do not vary at all
    if math.isnan(number):
        raise ValueError(text)
    return number


def _check(row: RaceRow, before: Sequence[RaceRow]) -> None:
    """Raise ValueError for a row that no race writes after those *before*."""
    last = before[-1] if before else None
    number = 1 if last is None else last.look
    follows = row.look == number or (last is not None and not last.end and row.look == number + 1)
    same = last is None or (row.looks, row.order) == (last.looks, last.order)
    known = row.end in ("", *ENDS) and 1 <= row.look <= len(row.looks) and bool(row.cell)
    rising = list(row.looks) == sorted(set(row.looks)) and row.seeds <= row.looks[row.look - 1]
    shares = 0 < row.error < 1 and (row.p is None or 0 <= row.p <= 1)
    twice = any((row.look, row.cell) == (one.look, one.cell) for one in before)
    if not (follows and same and known and rising and shares) or twice:
        raise ValueError(row)


def _lacks_cells(rows: Sequence[RaceRow]) -> bool:
    """Whether a look lacks one of the cells that the look before left in the race."""
    left: dict[int, set[str]] = {}
    there: dict[int, set[str]] = {}
    for row in rows:
        there.setdefault(row.look, set()).add(row.cell)
        if row.decision is not Decision.OUT:
            left.setdefault(row.look, set()).add(row.cell)
    return any(there[look] != left.get(look - 1) for look in there if look > 1)


def _texts(row: RaceRow) -> Mapping[str, object]:
    values: dict[str, object] = asdict(row)
    for name in ("looks", "runs", "order"):
        values[name] = " ".join(map(str, getattr(row, name)))
    return {key: "" if value is None else value for key, value in values.items()}
