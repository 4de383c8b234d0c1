"""The figure of one test image: its picture, the truth and every cell's prediction."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segsweep.report.content.outlines import ImageOutlines, StoredRings
from segsweep.report.figures.figure import Figure, brief, one_width
from segsweep.report.figures.svg import Canvas, breadth, fitted, fitted_name
from segsweep.system.names import plural

SIDE = 240.0
"""Longer side of the picture, and width of the figure, in pixels."""
LINE, FONT, SWATCH = 17.0, 11.0, 18.0
"""Height of a line of the legend, size of its text, and width of its samples, in pixels."""


@dataclass(frozen=True)
class Named:
    """A cell that is named on an image."""

    end: str
    """best | worst"""
    cell: str
    value: str
    """Its value on the image, with the name of the metric."""


def outline_figure(
    outlines: ImageOutlines, image: str, number: int, ends: Sequence[Named]
) -> Figure:
    """Return the truth and every cell's prediction as lines; a legend names the *ends*.

    Without a picture of the image the truth is an area. Ignored pixels are a grey area.
    """
    height, width = outlines.size
    scale = SIDE / max(height, width, 1)
    shown = [named for named in ends if named.cell in outlines.predicted]
    others = [cell for cell in outlines.predicted if cell not in {one.cell for one in shown}]
    lines = 1 + len(shown) + bool(others) + bool(outlines.ignored)
    canvas = Canvas(SIDE, height * scale + 4 + LINE * lines)
    _picture(canvas, outlines, width * scale, height * scale)
    if outlines.ignored:
        canvas.add("path", "ignored", class_="ignored", d=_path(outlines.ignored, scale))
    for cell in others:
        canvas.add("path", cell, class_="ring one", d=_path(outlines.predicted[cell], scale))
    _truth(canvas, _path(outlines.truth, scale), bool(outlines.picture))
    for named in shown:
        _line(canvas, _path(outlines.predicted[named.cell], scale), named, bool(outlines.picture))
    _legend(canvas, height * scale + 4, shown, len(others), outlines)
    words = [f"; {named.end}: {named.cell}, {named.value}" for named in shown]
    words += ["; grey areas are ignored"] if outlines.ignored else []
    areas = {"ignored": outlines.ignored} if outlines.ignored else {}
    return one_width(
        canvas,
        f"outlines-{number}",
        image,
        f"{'Picture of test' if outlines.picture else 'Test'} image {image} with the outlines of "
        f"the truth and of {plural(len(outlines.predicted), 'cell')}{''.join(words)}.",
        ("outline", "ring", "points"),
        _rows({"truth": outlines.truth, **outlines.predicted, **areas}),
    )


def _picture(canvas: Canvas, outlines: ImageOutlines, width: float, height: float) -> None:
    """Draw the image; an empty frame where there is no picture."""
    canvas.add("rect", x=0, y=0, width=width, height=height, class_="frame")
    if outlines.picture:
        data = base64.b64encode(outlines.picture).decode()
        canvas.add(
            "image",
            href=f"data:image/jpeg;base64,{data}",
            x=0,
            y=0,
            width=width,
            height=height,
            preserveAspectRatio="none",
        )


def _truth(canvas: Canvas, drawn: str, on_picture: bool) -> None:
    if on_picture:
        canvas.add("path", class_="halo edge", d=drawn)
        canvas.add("path", "truth", class_="ring edge", d=drawn)
    else:
        canvas.add("path", "truth", class_="truth", d=drawn)


def _line(canvas: Canvas, drawn: str, named: Named, on_picture: bool) -> None:
    if on_picture:
        canvas.add("path", class_="halo", d=drawn)
    words = f"{named.end}: {named.cell}, {named.value}"
    canvas.add("path", words, class_=f"ring {named.end}", d=drawn)


def _legend(
    canvas: Canvas, top: float, ends: Sequence[Named], others: int, outlines: ImageOutlines
) -> None:
    """Write what each line is, below *top*."""
    on_picture = bool(outlines.picture)
    many = f"{others}{' other' if ends else ''} cell{'' if others == 1 else 's'}"
    lines = [("edge", "truth", "", "")]
    lines += [(one.end, f"{one.end} {brief(one.cell)}", one.value, one.cell) for one in ends]
    lines += [("one", many, "", "")] if others else []
    lines += [("ignored", "ignored: counts for nothing", "", "")] if outlines.ignored else []
    for number, (css, words, value, cell) in enumerate(lines):
        middle = top + (number + 0.5) * LINE
        sample = (0.0, middle, SWATCH - 4, middle)
        if css == "ignored" or (css == "edge" and not on_picture):
            area = f"key {'truth' if css == 'edge' else css}"
            canvas.add("rect", x=0.0, y=middle - 4, width=SWATCH - 4, height=8.0, class_=area)
        else:
            if css == "edge":
                canvas.line(*sample, "halo edge")
            canvas.line(*sample, f"key ring {css}")
        room = SIDE - SWATCH - (breadth([value], FONT) + 8 if value else 0)
        text = (fitted_name if cell else fitted)(words, room, FONT)
        whole = f"{cell}, {value}" if cell and text != words else ""
        canvas.text(SWATCH, middle + 4, text, "small", title=whole)
        if value:
            canvas.text(SIDE, middle + 4, value, "small", "end")


def _path(rings: StoredRings, scale: float) -> str:
    """Return path data; (0, 0) of a ring is the middle of the first pixel, not its corner."""
    return "".join(
        "M" + "L".join(f"{(x + 0.5) * scale:.1f} {(y + 0.5) * scale:.1f}" for x, y in points) + "Z"
        for points in map(_points, rings)
    )


def _points(ring: Sequence[float]) -> list[tuple[float, float]]:
    return list(zip(ring[::2], ring[1::2], strict=False))


def _rows(outlines: Mapping[str, StoredRings]) -> list[list[object]]:
    return [
        [name, number, " ".join(f"{x:g},{y:g}" for x, y in _points(ring))]
        for name, rings in outlines.items()
        for number, ring in enumerate(rings)
    ]
