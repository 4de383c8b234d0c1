"""Outlines of truth and prediction on single test images, as runs have stored them.

They come from the `outlines.json` that `segsweep.training.outlines` writes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segsweep.errors import StoredFileError
from segsweep.store.json_files import read_object
from segsweep.store.paths import RunPaths
from segsweep.store.states import Status
from segsweep.store.tables import Tables
from segsweep.system.files import MOST_BYTES

MOST_CELLS = 40
StoredRings = list[list[float]]


@dataclass(frozen=True)
class ImageOutlines:
    """The outlines of one test image."""

    size: tuple[int, int]
    """Height and width in pixels."""
    truth: StoredRings
    predicted: dict[str, StoredRings] = field(default_factory=dict)
    """By cell, from its first finished run."""


def outlines_of(
    tables: Tables, cells: Sequence[str], images: Iterable[str]
) -> dict[str, ImageOutlines]:
    """Return image -> outlines by *cells* for *images*; empty if no run has stored any."""
    found: dict[str, ImageOutlines] = {}
    wanted = dict.fromkeys(images)
    for cell, folder in _first_runs(tables, cells[:MOST_CELLS]).items():
        try:
            stored = read_object(RunPaths(folder).outlines, MOST_BYTES)
        except StoredFileError as damage:
            tables.note(damage)
            continue
        for image in wanted if stored is not None else ():
            _add(found, cell, image, stored or {})
    return found


def _first_runs(tables: Tables, cells: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for run in sorted(tables.runs, key=lambda run: str(run.seed).rjust(9)):
        if run.kind == "run" and run.status == Status.FINISHED and run.cell in cells:
            found.setdefault(run.cell, run.path)
    return {cell: found[cell] for cell in cells if cell in found}


def _add(found: dict[str, ImageOutlines], cell: str, image: str, stored: Mapping[str, Any]) -> None:
    """Add one cell's outlines of an image; malformed ones are left out."""
    try:
        height, width = map(int, stored["size"])
        both = stored["images"][image]
        truth, predicted = _rings(both["truth"]), _rings(both["predicted"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return
    known = found.setdefault(image, ImageOutlines((height, width), truth))
    if known.size == (height, width):
        known.predicted[cell] = predicted


def _rings(values: Any) -> StoredRings:
    return [[float(value) for value in ring] for ring in values if len(ring) >= 6]
