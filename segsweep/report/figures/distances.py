"""Figure of the cells' distances to the best of the others, with the margin."""

from collections.abc import Sequence

from segsweep.report.columns import TableRow
from segsweep.report.content.material import Material
from segsweep.report.figures.cells import may
from segsweep.report.figures.figure import (
    Figure,
    both_widths,
    known,
    label_width,
    row_label,
    shown,
    x_axis,
    x_title,
)
from segsweep.report.figures.svg import Canvas, Scale, linear, padded, short, ticks
from segsweep.system.names import is_or_are

MOST_ROWS = 40
"""Cells that are drawn; the table holds the rest."""
ROW, TOP = 24, 8
LOW, HIGH = "minus_best_low", "minus_best_high"


def distances(material: Material) -> Figure | None:
    """Return how far each cell is from the best of the others; None where nothing is claimed."""
    rows = _rows_of(material)
    if len(rows) < 2:
        return None
    margin, unit = material.compared.margin, material.metric.unit
    within = f"{margin:g}{f' {unit}' if unit else ''}"
    good = sum(_is_good(row, material) for row in rows)
    more = " Cells with worse means are in the table." if len(rows) == MOST_ROWS else ""
    return both_widths(
        lambda width: _draw(rows, width, material),
        "distances",
        "Distance to the best",
        f"Intervals for the mean of {len(rows)} cells less the best mean of the others; {good} "
        f"{is_or_are(good)} as good as the best within {within}.",
        _NAMES,
        [[row.get(name) for name in _NAMES] for row in rows],
        "Each cell’s mean less the best mean of the others (dot), with intervals that hold for all "
        "cells together with 95 % confidence. Filled: may be the best, the interval reaches beyond "
        f"0. Band: the margin; a cell whose interval ends inside it is as good as the best within "
        f"{within}.{more}",
    )


_NAMES = ("cell", "distance", LOW, HIGH, "p_as_best", "may_be_best")


def _rows_of(material: Material) -> Sequence[TableRow]:
    """Return the cells with a distance, best mean first."""
    done = material.done
    if LOW not in done or not material.compared.claims:
        return []
    rows = done[done[LOW].notna()].to_dict("records")
    sign, value = material.metric.sign, material.value
    means = [sign * row[value] for row in rows]
    for at, row in enumerate(rows):
        others = [*means[:at], *means[at + 1 :]]
        row["distance"] = sign * (means[at] - max(others)) if others else 0.0
    return rows[:MOST_ROWS]


def _is_good(row: TableRow, material: Material) -> bool:
    """Whether a cell is as good as the best within the margin."""
    worst = row[LOW] if material.metric.higher_is_better else -row[HIGH]
    return bool(worst > -material.compared.margin)


def _draw(rows: Sequence[TableRow], width: int, material: Material) -> Canvas:
    left, right = label_width([str(row["cell"]) for row in rows], width), width - 56
    bottom = len(rows) * ROW + TOP
    canvas = Canvas(width, bottom + 46)
    behind = -material.metric.sign * material.compared.margin
    low, high = padded([behind, 0.0, *(row[name] for row in rows for name in (LOW, HIGH))])
    scale = linear(low, high, left + 6, right - 6)
    ends = sorted((scale(behind), scale(0.0)))
    canvas.add(
        "rect",
        x=ends[0],
        y=TOP - 4,
        width=ends[1] - ends[0],
        height=bottom - TOP + 4,
        class_="band c2",
    )
    x_axis(canvas, scale, ticks(low, high, 6 if width > 500 else 3), TOP - 4, bottom, short)
    canvas.line(scale(0.0), TOP - 4, scale(0.0), bottom, "seed")
    words = f"mean test {material.metric.title} less the best of the others"
    x_title(canvas, words, left, right, bottom + 36)
    for number, row in enumerate(rows):
        _draw_row(canvas, row, TOP + (number + 0.5) * ROW, scale)
        row_label(canvas, str(row["cell"]), left, TOP + (number + 0.5) * ROW, "label")
        place = TOP + 4.5 + (number + 0.5) * ROW
        canvas.text(width, place, shown(row["distance"], "+.3f"), "number", "end")
    return canvas


def _draw_row(canvas: Canvas, row: TableRow, y: float, scale: Scale) -> None:
    css = "best" if may(row) else "other"
    canvas.line(scale(row[LOW]), y, scale(row[HIGH]), y, f"whisker {css}")
    said = f"p {row['p_as_best']:.3f}" if known(row["p_as_best"]) else ""
    words = (
        f"{row['cell']}: {row['distance']:+.4f} ({row[LOW]:.4f} to {row[HIGH]:.4f}), "
        f"{'may be the best' if may(row) else 'ruled out as the best'}, {said}"
    )
    canvas.add("circle", words, cx=scale(row["distance"]), cy=y, r=5.0, class_=f"dot {css}")
