"""The figure of outlines on one test image: the truth and every cell's prediction."""

from collections.abc import Mapping, Sequence

from segsweep.report.content.outlines import ImageOutlines, StoredRings
from segsweep.report.figures.figure import Figure, one_width
from segsweep.report.figures.svg import Canvas

SIDE = 200.0
"""Longer side of the picture, in pixels."""


def outline_figure(
    outlines: ImageOutlines, image: str, number: int, best: str, worst: str
) -> Figure:
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


def _path(rings: StoredRings, scale: float) -> str:
    return "".join(
        "M" + "L".join(f"{x * scale:.1f} {y * scale:.1f}" for x, y in _points(ring)) + "Z"
        for ring in rings
    )


def _points(ring: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(ring[::2], ring[1::2], strict=False))


def _rows(outlines: Mapping[str, StoredRings]) -> list[list[object]]:
    return [
        [name, number, " ".join(f"{x:g},{y:g}" for x, y in _points(ring))]
        for name, rings in outlines.items()
        for number, ring in enumerate(rings)
    ]
