"""A figure of the page: its drawing in one or two widths, its description, its numbers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from markupsafe import Markup

from segsweep.config.cells import split_name
from segsweep.report.figures.svg import (
    NARROW,
    SHADES,
    WIDE,
    Canvas,
    Scale,
    breadth,
    fitted,
    fitted_name,
)
from segsweep.system.names import is_or_are

Form: TypeAlias = Callable[[float], str]
"""From the value of a mark on an axis to its text."""
LABEL, TIGHT = 13, 10
"""Sizes of the text of labels in pixels, in one line and in two."""


@dataclass(frozen=True)
class Figure:
    """One figure."""

    name: str
    """The name of its files when it is saved."""
    title: str
    alt: str
    """A description for people who cannot see it."""
    columns: tuple[str, ...]
    rows: list[list[object]]
    """The numbers that are drawn."""
    wide: Markup
    narrow: Markup | None = None
    """For phones; None where the wide one is small enough."""
    caption: str = ""


def further(count: int, where: str, one: str = "more cell", many: str = "") -> str:
    """Return a sentence of a caption on what is not drawn; '' if *count* is 0 or less.

    Args:
        count: how many are not drawn.
        where: where they are, or why not.
        one: what one of them is called.
        many: what several are called; by default *one* with an s.

    """
    noun = one if count == 1 else many or f"{one}s"
    return f" {count} {noun} {is_or_are(count)} {where}." if count > 0 else ""


def both_widths(
    draw: Callable[[int], Canvas],
    name: str,
    title: str,
    alt: str,
    columns: Sequence[str],
    rows: list[list[object]],
    caption: str = "",
) -> Figure:
    """Return a figure whose *draw* is called with either width."""
    wide, narrow = draw(WIDE).svg(alt, "wide"), draw(NARROW).svg(alt, "narrow")
    return Figure(name, title, alt, tuple(columns), rows, wide, narrow, caption)


def one_width(
    canvas: Canvas,
    name: str,
    title: str,
    alt: str,
    columns: Sequence[str],
    rows: list[list[object]],
    caption: str = "",
) -> Figure:
    """Return a figure that is small enough for a phone."""
    return Figure(name, title, alt, tuple(columns), rows, canvas.svg(alt, "panel"), None, caption)


def label_width(names: Sequence[str], width: float) -> float:
    """Return the room for *names* left of a plot: at most a third of its *width*."""
    return breadth([brief(name) for name in names], LABEL, width * 0.34) + 10


def row_label(
    canvas: Canvas, name: str, right: float, y: float, css: str = "", lines: int = 2
) -> None:
    """Write a row's *name* left of *right*, a long one in two *lines*.

    A name that is cut even so is shown whole under the pointer.
    """
    whole, room = brief(name), right - 6
    first, rest = _halves(whole)
    if lines == 1 or not rest or fitted(whole, room, LABEL) == whole:
        words = fitted_name(whole, room, LABEL)
        canvas.text(right - 8, y + 4.5, words, css, "end", name if words != name else "")
        return
    for half, at in ((first, y - 2), (rest, y + 8.5)):  # both within a row of 24 pixels
        canvas.text(right - 8, at, fitted_name(half, room, TIGHT), f"{css} tight", "end", name)


def _halves(words: str) -> tuple[str, str]:
    """Return *words* divided at the space that makes the longer part shortest."""
    parts = words.split(" ")
    found = [(" ".join(parts[:at]), " ".join(parts[at:])) for at in range(1, len(parts))]
    return min(found, key=lambda pair: max(map(len, pair)), default=(words, ""))


def brief(cell: str) -> str:
    """Return a cell's name as figures show it: `unet2/ss epochs=80` of `...@trainer.epochs=80`."""
    name, *settings = split_name(cell)
    pairs = [setting.partition("=") for setting in settings]
    return " ".join([name, *(f"{key.rpartition('.')[2]}={value}" for key, _, value in pairs)])


def x_axis(
    canvas: Canvas, scale: Scale, marks: Sequence[float], top: float, bottom: float, form: Form
) -> None:
    """Draw thin vertical lines at *marks* and write their values below *bottom*."""
    for mark in marks:
        x = scale(mark)
        canvas.line(x, top, x, bottom, "grid")
        canvas.text(x, bottom + 16, form(mark), "tick", "middle")


def y_axis(
    canvas: Canvas, scale: Scale, marks: Sequence[float], left: float, right: float, form: Form
) -> None:
    """Draw thin horizontal lines at *marks* and write their values left of *left*."""
    for mark in marks:
        y = scale(mark)
        canvas.line(left, y, right, y, "grid")
        canvas.text(left - 6, y + 4, form(mark), "tick", "end")


def x_title(canvas: Canvas, words: str, left: float, right: float, y: float) -> None:
    """Write what the horizontal axis shows, with its unit, below the middle of the axis."""
    size = max(right - left, breadth([words], 11))
    middle = min(max((left + right) / 2, size / 2), canvas.width - size / 2)
    canvas.text(middle, y, words, "axis", "middle")


def y_title(canvas: Canvas, words: str, left: float, y: float) -> None:
    """Write what the vertical axis shows, with its unit, above the axis."""
    canvas.text(left, y, words, "axis")


def grid_paths(
    canvas: Canvas, shades: Sequence[Sequence[int | None]], box: tuple[float, float, float, float]
) -> None:
    """Fill a grid of coloured rectangles: one path per shade, which keeps large grids small.

    Args:
        canvas: to draw on.
        shades: of each row and column; None leaves a gap.
        box: left, top, width and height of one rectangle.

    """
    left, top, width, height = box
    gap = 1.0 if width > 5 else 0.0
    found: dict[int, list[str]] = {}
    for row, line in enumerate(shades):
        for column, step in enumerate(line):
            if step is not None:
                at = f"M{left + column * width:.1f} {top + row * height:.1f}"
                size = f"h{width - gap:.1f}v{height - 1:.1f}h-{width - gap:.1f}z"
                found.setdefault(step, []).append(at + size)
    for step in sorted(found):
        canvas.add("path", class_=f"q{step}", d="".join(found[step]))
    columns = max((len(line) for line in shades), default=0)
    numbers = (*box, columns, len(shades))
    canvas.add(
        "rect",
        x=left,
        y=top,
        width=width * columns,
        height=height * len(shades),
        class_="cells",
        data_cells=" ".join(f"{number:.2f}" for number in numbers),
    )


def legend_bar(
    canvas: Canvas, x: float, y: float, low: str, high: str, words: str = "", width: float = 96
) -> None:
    """Draw the sequential colours with the values at their ends; *words* above say of what."""
    steps = SHADES
    if words:
        room = canvas.width - x if breadth([words], 11) <= canvas.width - x else canvas.width
        canvas.text(x if room < canvas.width else 0, y - 7, fitted(words, room, 11), "axis")
    canvas.text(x, y + 9, low, "tick", "start")
    start = x + breadth([low], 11) + 8
    for step in range(steps):
        size = width / steps
        canvas.add("rect", class_=f"q{step}", x=start + step * size, y=y, width=size, height=10.0)
    canvas.text(start + width + 7, y + 9, high, "tick")


def known(value: object) -> TypeGuard[float]:
    """Whether *value* is a finite number."""
    return value is not None and isinstance(value, int | float) and math.isfinite(value)


def shown(value: object, form: str = ".3f") -> str:
    """Return a number in *form*, a dash where there is none."""
    return format(value, form) if known(value) else "–"


def shown_interval(low: object, high: object, form: str = ".3f") -> str:
    """Return ` (low to high)`; empty without an interval."""
    return f" ({low:{form}} to {high:{form}})" if known(low) and known(high) else ""
