"""Outlines of truth and prediction on single test images, and the images, as stored by runs.

`segsweep.training.outlines` writes the `outlines.json` of a run, `segsweep.training.pictures` the
pictures of a sweep.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from segsweep.errors import StoredFileError
from segsweep.store.json_files import read_object
from segsweep.store.paths import RunPaths
from segsweep.store.pictures import picture_path, shown_data
from segsweep.store.run_cache import RunRecord
from segsweep.store.states import Status
from segsweep.store.tables import Tables
from segsweep.system.files import MOST_BYTES, read_plain

MOST_CELLS = 40
MOST_PICTURE_BYTES = 200_000
"""Of one picture; runs store smaller ones."""
JPEG = b"\xff\xd8\xff"
"""The first bytes of every JPEG."""
StoredRings = list[list[float]]


@dataclass(frozen=True)
class ImageOutlines:
    """The outlines of one test image."""

    size: tuple[int, int]
    """Height and width in pixels."""
    truth: StoredRings
    predicted: dict[str, StoredRings] = field(default_factory=dict)
    """By cell, from its first finished run."""
    picture: bytes = b""
    """The image as a JPEG; empty where none is stored."""
    ignored: StoredRings = field(default_factory=list)
    """Around the pixels that count for nothing."""


def outlines_of(
    tables: Tables, cells: Sequence[str], images: Iterable[str], named: Iterable[str] = ()
) -> dict[str, ImageOutlines]:
    """Return image -> outlines for *images*, with the picture; empty if no run has stored any.

    Args:
        tables: the sweep.
        cells: the cells that are drawn, the first MOST_CELLS of them.
        images: the images to draw.
        named: cells that are drawn in any case.

    """
    found: dict[str, ImageOutlines] = {}
    first: dict[str, RunRecord] = {}
    wanted = dict.fromkeys(images)
    drawn = [*dict.fromkeys([*cells[:MOST_CELLS], *named])]
    for cell, run in _first_runs(tables, drawn).items():
        path = RunPaths(run.path).outlines
        try:
            stored = read_object(path, MOST_BYTES)
            for image in wanted if stored is not None else ():
                _add(found, cell, image, stored or {}, path)
                if image in found:
                    first.setdefault(image, run)
        except StoredFileError as damage:
            tables.note(damage)
    if any(run.settings.get("report.images") is False for run in tables.runs):
        return found  # the data must not leave the machine
    return {
        image: replace(one, picture=_picture(tables, first[image], one.size, image))
        for image, one in found.items()
    }


def _picture(tables: Tables, run: RunRecord, size: tuple[int, int], image: str) -> bytes:
    """Return an image as *run* saw it; empty if there is no picture, or no JPEG."""
    channels = str(run.settings.get("data.channels"))
    path = picture_path(tables.sweep, shown_data(run.settings), size, channels, image)
    try:
        picture = read_plain(path, MOST_PICTURE_BYTES)
    except OSError:
        return b""
    return picture if picture.startswith(JPEG) else b""


def _first_runs(tables: Tables, cells: Sequence[str]) -> dict[str, RunRecord]:
    found: dict[str, RunRecord] = {}
    for run in sorted(tables.runs, key=lambda run: str(run.seed).rjust(9)):
        if run.kind == "run" and run.status == Status.FINISHED and run.cell in cells:
            found.setdefault(run.cell, run)
    return {cell: found[cell] for cell in cells if cell in found}


def _add(
    found: dict[str, ImageOutlines],
    cell: str,
    image: str,
    stored: Mapping[str, Any],
    path: Path,
) -> None:
    """Add one cell's outlines of an image, if its run has stored some.

    Raises StoredFileError if they are malformed; *path* is their file.
    """
    try:
        if image not in stored["images"]:
            return
        both = stored["images"][image]
        height, width = map(int, both["size"] if "size" in both else stored["size"])
        truth, predicted = _rings(both["truth"]), _rings(both["predicted"])
        ignored = _rings(both.get("ignored", []))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise StoredFileError(path, "damaged, no outlines", f"images: {image}") from error
    known = found.setdefault(image, ImageOutlines((height, width), truth, ignored=ignored))
    if known.size == (height, width):
        known.predicted[cell] = predicted


def _rings(values: Any) -> StoredRings:
    if not isinstance(values, list) or not all(isinstance(ring, list) for ring in values):
        raise TypeError("rings are lists of numbers")
    return [[float(value) for value in ring] for ring in values if len(ring) >= 6]
