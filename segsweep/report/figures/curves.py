"""Curves of validation score and loss over the epochs, on the page and as curves.svg."""

from collections.abc import Sequence

import numpy as np
from pandas import DataFrame

from segsweep.report.figures.figure import (
    Figure,
    brief,
    one_width,
    shown,
    x_title,
    y_axis,
    y_title,
)
from segsweep.report.figures.panels import BOTTOM, GROUPS, TOP, Line, Panel, panels_of
from segsweep.report.figures.standalone import standalone
from segsweep.report.figures.svg import (
    COLOURS,
    NARROW,
    Canvas,
    Scale,
    breadth,
    fitted,
    fitted_name,
    linear,
    path,
    short,
    whole_ticks,
)

EARLY = 0.9
"""A line that ends before this share of the epochs is named at its end, not at the margin."""
KEY = 16.0
"""Pixels of the piece of line before its name."""
LEFT = 40.0
PANEL_HEIGHT, GAP, HEAD, STEP = 264, 32, 52, 322
"""Pixels in curves.svg: height of a panel, gap between two, head, distance of rows."""


def curves(history: DataFrame) -> list[tuple[str, list[Figure]]]:
    """Return the curves of validation score by architecture, and of validation loss by loss."""
    rows = panels_of(history)
    return [(GROUPS[row[0].column], [_figure(panel) for panel in row]) for row in rows]


def curves_svg(history: DataFrame, name: str) -> str:
    """Return all curves as one SVG file; empty where no epoch is done."""
    groups = panels_of(history)
    if not groups:
        return ""
    title = f"{name}: validation over the epochs"
    rows = [
        (panels[0].column, at, panels[at : at + 2]) for panels in groups for at in _even(panels)
    ]
    canvas = Canvas(2 * NARROW + GAP, HEAD + len(rows) * STEP)
    canvas.text(0, 18, title, "value")
    for number, (column, at, pair) in enumerate(rows):
        top = HEAD + number * STEP
        if at == 0:
            canvas.text(0, top, fitted(GROUPS[column], canvas.width, 12), "label strong")
        for place, panel in enumerate(pair):
            left = place * (NARROW + GAP)
            canvas.text(left, top + 24, fitted(panel.title, NARROW), "label")
            canvas.place(_draw_lines(panel), left, top + 32)
    alts = [panel.alt for panels in groups for panel in panels]
    return standalone(canvas.svg(". ".join([title, *alts])))


def _even(panels: Sequence[Panel]) -> range:
    return range(0, len(panels), 2)


def _figure(panel: Panel) -> Figure:
    return one_width(
        _draw_lines(panel),
        f"{panel.column}-{panel.name}",
        panel.title,
        panel.alt,
        ("line", "epoch", "mean", "low", "high"),
        [[label, *point] for label, line in panel.lines.items() for point in line],
    )


def _draw_lines(panel: Panel) -> Canvas:
    lines, colours = panel.lines, panel.colours
    named = [label for label in colours if label in lines]
    right = NARROW - breadth([brief(label) for label in named], 11, 104) - 10 - KEY
    canvas = Canvas(NARROW, PANEL_HEIGHT)
    last = max(line[-1][0] for line in lines.values())
    x, y = linear(1, max(last, 2), LEFT, right), panel.axis.scale
    y_axis(canvas, y, panel.axis.marks, LEFT, right, short)
    y_title(canvas, fitted(panel.axis_title, NARROW, 11), 0, 12)
    x_title(canvas, "epoch", LEFT, right, BOTTOM + 34)
    for mark in whole_ticks(1, last):
        canvas.text(x(mark), BOTTOM + 16, short(mark), "tick", "middle")
    for label, line in sorted(lines.items(), key=lambda item: item[0] in named):
        css = _css(colours[label]) if label in named else "other"
        _draw_line(canvas, label, line, x, lambda value: _height(y, value), css)
    ends = {label: _height(y, lines[label][-1][1]) for label in named}
    early = {label: x(lines[label][-1][0]) for label in named if lines[label][-1][0] < EARLY * last}
    shared = early if len(named) == 1 else {}  # a name inside the panel may lie on other lines
    for label, at in shared.items():
        words = fitted_name(brief(label), NARROW - at - 8, 11)
        canvas.text(at + 5, ends.pop(label) + 4, words, "end", title=label)
    _name_lines(canvas, ends, right, colours)
    return canvas


def _draw_line(canvas: Canvas, label: str, line: Line, x: Scale, y: Scale, css: str) -> None:
    if any(low != high for _, _, low, high in line) and css != "other":
        over = [(x(point[0]), y(point[3])) for point in line]
        under = [(x(point[0]), y(point[2])) for point in reversed(line)]
        canvas.add("path", class_=f"band {css.split()[0]}", d=path(over + under) + "Z")
    mean = [(x(point[0]), y(point[1])) for point in line]
    end = f"{label}: {shown(line[-1][1], '.4f')} at epoch {line[-1][0]:.0f}"
    canvas.add("path", end, class_=f"line {css}", d=path(mean))
    if len(line) == 1:
        canvas.add("circle", cx=mean[0][0], cy=mean[0][1], r=2.5, class_=f"fill {css.split()[0]}")


def _name_lines(
    canvas: Canvas, ends: dict[str, float], right: float, colours: dict[str, int]
) -> None:
    """Write each line's name beside its end, pushed apart where they would overlap.

    A piece of the line stands before the name: a coloured name would be hard to read.
    """
    known_ends = {label: end if np.isfinite(end) else BOTTOM for label, end in ends.items()}
    order = sorted(known_ends, key=lambda label: known_ends[label])
    step = min(13.0, (BOTTOM - TOP) / max(len(order) - 1, 1))
    places = _apart([known_ends[label] for label in order], step)
    for label, y in zip(order, places, strict=True):
        canvas.line(right + 5, y, right + 1 + KEY, y, f"line key {_css(colours[label])}")
        words = fitted_name(brief(label), 104, 11)
        canvas.text(right + 6 + KEY, y + 4, words, "end", title=label)


def _apart(places: Sequence[float], step: float) -> list[float]:
    """Return *places*, ascending, moved as little as needed to be *step* apart in the panel."""
    moved: list[float] = []
    for place in places:
        moved.append(max(place, moved[-1] + step) if moved else place)
    over = max(moved[-1] - BOTTOM, 0) if moved else 0
    for index in range(len(moved) - 1, -1, -1):
        above = moved[index + 1] - step if index + 1 < len(moved) else moved[index] - over
        moved[index] = min(moved[index], above)
    return moved


def _css(number: int) -> str:
    return f"c{number % COLOURS} d{number // COLOURS % 3}"


def _height(y: Scale, value: float) -> float:
    """Return the pixel of a value; NaN, a gap in the line, for one that is not finite."""
    return y(value) if np.isfinite(value) else float("nan")
