"""Outlines of truth and prediction on single test images, where runs have stored them.

They are read from the `outlines.json` that `segsweep.training.outlines` makes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segsweep.report.figures.figure import Figure, one_width
from segsweep.report.figures.svg import Canvas
from segsweep.store.paths import RunPaths
from segsweep.store.tables import Tables
from segsweep.system.files import read_json

MOST_CELLS = 40
SIDE = 200.0
Rings = list[list[float]]


@dataclass(frozen=True)
class Outlines:
    """Of one image."""

    size: tuple[int, int]
    """Height and width in pixels."""
    truth: Rings
    predicted: dict[str, Rings] = field(default_factory=dict)
    """By cell, from its first finished run."""


def outlines_of(tables: Tables, cells: Sequence[str], images: Iterable[str]) -> dict[str, Outlines]:
    """Return the outlines of *images* by *cells*; empty where no run has stored any."""
    found: dict[str, Outlines] = {}
    wanted = dict.fromkeys(images)
    for cell, folder in _first_runs(tables, cells[:MOST_CELLS]).items():
        stored = read_json(RunPaths(folder).outlines)
        for image in wanted if stored is not None else ():
            _add(found, cell, image, stored or {})
    return found


def outline_figure(outlines: Outlines, image: str, number: int, best: str, worst: str) -> Figure:
    """Return the truth as an area and every cell's prediction as a line, two of them named."""
    height, width = outlines.size
    scale = SIDE / max(height, width, 1)
    canvas = Canvas(width * scale, height * scale)
    canvas.add("rect", x=0, y=0, width=width * scale, height=height * scale, class_="frame")
    canvas.add("path", "truth", class_="truth", d=_path(outlines.truth, scale))
    order = sorted(outlines.predicted, key=lambda cell: (cell == best) + 2 * (cell == worst))
    for cell in order:
        css = "best" if cell == best else "worst" if cell == worst else "one"
        canvas.add("path", cell, class_=f"ring {css}", d=_path(outlines.predicted[cell], scale))
    return one_width(
        canvas,
        f"outlines-{number}",
        image,
        f"Outlines of truth and of {len(order)} cells on test image {image}.",
        ("outline", "ring", "points"),
        _rows({"truth": outlines.truth, **outlines.predicted}),
    )


def _first_runs(tables: Tables, cells: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for run in sorted(tables.runs, key=lambda run: str(run["seed"]).rjust(9)):
        if run["kind"] == "run" and run["status"] == "finished" and run["cell"] in cells:
            found.setdefault(run["cell"], Path(run["path"]))
    return {cell: found[cell] for cell in cells if cell in found}


def _add(found: dict[str, Outlines], cell: str, image: str, stored: Mapping[str, Any]) -> None:
    """Add one cell's outlines of an image; what is not as it should be is left out."""
    try:
        height, width = map(int, stored["size"])
        both = stored["images"][image]
        truth, predicted = _rings(both["truth"]), _rings(both["predicted"])
    except (KeyError, TypeError, ValueError):
        return
    known = found.setdefault(image, Outlines((height, width), truth))
    if known.size == (height, width):
        known.predicted[cell] = predicted


def _rings(values: Any) -> Rings:
    return [[float(value) for value in ring] for ring in values if len(ring) >= 6]


def _path(rings: Rings, scale: float) -> str:
    return "".join(
        "M" + "L".join(f"{x * scale:.1f} {y * scale:.1f}" for x, y in _points(ring)) + "Z"
        for ring in rings
    )


def _points(ring: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(ring[::2], ring[1::2], strict=False))


def _rows(outlines: Mapping[str, Rings]) -> list[list[Any]]:
    return [
        [name, number, " ".join(f"{x:g},{y:g}" for x, y in _points(ring))]
        for name, rings in outlines.items()
        for number, ring in enumerate(rings)
    ]
