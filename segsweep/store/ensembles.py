"""What ensembles of a sweep scored, in ensembles.csv. No torch."""

import math
from dataclasses import asdict, dataclass, fields
from typing import get_type_hints

from segsweep.errors import StoredFileError
from segsweep.store.paths import SweepPaths
from segsweep.store.records import read_rows
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


COLUMNS = tuple(item.name for item in fields(EnsembleRow))


def read_ensembles(sweep: SweepPaths) -> list[EnsembleRow]:
    """Return the rows of ensembles.csv, [] without one; StoredFileError if it is damaged."""
    if not sweep.ensembles.exists():
        return []
    hints, found = get_type_hints(EnsembleRow), []
    for number, row in enumerate(read_rows(sweep.ensembles), 2):
        try:
            values = {name: _value(row[name], hints[name]) for name in COLUMNS}
            found.append(EnsembleRow(**values))  # type: ignore[arg-type]
        except (KeyError, ValueError, TypeError) as error:
            raise StoredFileError(sweep.ensembles, f"damaged, line {number}") from error
    return found


def add_ensemble(sweep: SweepPaths, row: EnsembleRow) -> None:
    """Add a row, in place of an earlier one of the same networks and flips."""
    kept = [one for one in read_ensembles(sweep) if (one.runs, one.flips) != (row.runs, row.flips)]
    write_text(sweep.ensembles, csv_text([asdict(one) for one in (*kept, row)], COLUMNS))


def _value(text: str, kind: object) -> object:
    if kind is bool:
        return {"True": True, "False": False}[text]
    if kind is int:
        return int(text)
    if kind is float:
        return float(text) if text else math.nan
    return text
