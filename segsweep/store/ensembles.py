"""What ensembles of a sweep scored, in ensembles.csv. No torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import get_type_hints

from segsweep.errors import StoredFileError
from segsweep.store.paths import SweepPaths
from segsweep.store.records import LOST_READS, READS, read_reads, read_rows
from segsweep.system.files import csv_text, write_text


@dataclass(frozen=True)
class EnsembleRow:
    """Networks whose probabilities are averaged, on the validation and the test images."""

    ensemble: str
    """Its cells."""
    networks: int
    flips: bool
    """Whether each image was seen in four flips."""
    val_iou: float
    test_iou: float
    """NaN without a test part."""
    alone: float
    """Mean test IoU of the same networks one by one; NaN without a test part."""
    n_test: int
    time: str
    runs: str
    """The run_id of each network, separated by spaces."""
    results: str
    """Digests of their results, in the same order: they change if a run is trained again."""

    @property
    def reading(self) -> str:
        """What the sweep's test_reads.csv calls the reading of the test images for it."""
        flips = ", flips" if self.flips else ""
        return f"ensemble of {self.networks} networks{flips}: {self.ensemble}"


COLUMNS = tuple(item.name for item in fields(EnsembleRow))


AGAIN = "put a copy back, or delete it: then ensembles are scored again when they are asked for"
"""What to do about a damaged ensembles.csv."""


def read_ensembles(sweep: SweepPaths) -> list[EnsembleRow]:
    """Return the rows of ensembles.csv, [] without one; StoredFileError if it is damaged."""
    if not sweep.ensembles.exists():
        return []
    try:
        found = [_row(row, number) for number, row in enumerate(read_rows(sweep.ensembles), 2)]
        if not found:
            raise ValueError("damaged, it has no row")
    except (StoredFileError, ValueError) as error:
        reason = error.reason if isinstance(error, StoredFileError) else str(error)
        raise StoredFileError(sweep.ensembles, f"{reason}; {AGAIN}") from error
    return found


def _row(row: Mapping[str, str], number: int) -> EnsembleRow:
    hints = get_type_hints(EnsembleRow)
    try:
        values = {name: _value(row[name], hints[name]) for name in COLUMNS}
        return EnsembleRow(**values)  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"damaged, line {number}") from error


def add_ensemble(sweep: SweepPaths, row: EnsembleRow) -> None:
    """Add a row, in place of an earlier one of the same networks and flips."""
    kept = [one for one in read_ensembles(sweep) if (one.runs, one.flips) != (row.runs, row.flips)]
    write_text(sweep.ensembles, csv_text([asdict(one) for one in (*kept, row)], COLUMNS))


def wrong_reads(sweep: SweepPaths, rows: Sequence[EnsembleRow]) -> StoredFileError | None:
    """Return what is wrong with a sweep's test_reads.csv; *rows* tell if there must be one."""
    try:
        read_reads(sweep.test_reads)
    except StoredFileError as damage:
        return damage
    lost = not sweep.test_reads.exists() and any(row.n_test for row in rows)
    return StoredFileError(sweep.test_reads, "missing") if lost else None


def repair_reads(sweep: SweepPaths, when: str) -> StoredFileError | None:
    """Write a damaged test_reads.csv of a sweep again, at time *when*; return what was wrong.

    It then says that earlier readings were lost, and has those that ensembles.csv tells of.
    """
    rows = read_ensembles(sweep)
    if (damage := wrong_reads(sweep, rows)) is not None:
        lost: dict[str, object] = {"time": when, "reason": LOST_READS, "images": 0}
        known = [
            {"time": row.time, "reason": row.reading, "images": row.n_test}
            for row in rows
            if row.n_test
        ]
        write_text(sweep.test_reads, csv_text([lost, *known], READS))
    return damage


def _value(text: str, kind: object) -> object:
    if kind is bool:
        return {"True": True, "False": False}[text]
    if kind is int:
        return int(text)
    if kind is float:
        return float(text) if text else math.nan
    return text
