"""The figure of single test images: which are hard, and where cells disagree."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from pandas import DataFrame

from segsweep.metrics import Metric
from segsweep.report.content.material import Material
from segsweep.report.figures.figure import (
    Figure,
    both_widths,
    further,
    grid_paths,
    label_width,
    legend_bar,
    row_label,
    x_title,
)
from segsweep.report.figures.svg import Canvas, shade
from segsweep.system.names import plural

MOST_ROWS, MOST_COLUMNS = 40, 150
ROW = 16


def image_heatmap(material: Material) -> Figure | None:
    """Return cells by test images, hardest image first; None where there are no counts."""
    if material.images.empty:
        return None
    drawn = _drawn(material)
    cells, images = [str(name) for name in drawn.index], [str(name) for name in drawn.columns]
    rows = [
        [cell, *(float(f"{value:.4g}") for value in line)]
        for cell, line in zip(cells, drawn.to_numpy(float), strict=True)
    ]
    left_out = material.images.shape[1] - len(images)
    more = further(left_out, "not drawn, evenly chosen", "image")
    cut = len(material.images) - len(cells)
    more += further(cut, "not drawn", "cell with a worse mean", "cells with worse means")
    values = [float(value) for value in drawn.to_numpy(float).ravel() if value == value]
    low, high = _range(values, material.metric)
    for side, end in (("below", low), ("above", high)):
        beyond = sum(value < low if side == "below" else value > high for value in values)
        have = f"value {side} {end:g} has" if beyond == 1 else f"values {side} {end:g} have"
        words = f" {beyond:,} {have} the same colour as {end:g}."
        more += words if beyond else ""
    return both_widths(
        lambda width: _draw(rows, width, material.metric),
        "images",
        "Every cell on every test image",
        f"Heat map of {plural(len(cells), 'cell')} by {plural(len(images), 'test image')}, hardest "
        "image first.",
        ("cell", *images),
        rows,
        f"A column per test image, the hardest left; a row per cell, the best on top.{more}",
    )


def _drawn(material: Material) -> DataFrame:
    better = material.metric.higher_is_better
    order = material.images.mean().sort_values(ascending=better, kind="stable").index
    every = -(-len(order) // MOST_COLUMNS)
    cells = [cell for cell in material.done["cell"] if cell in material.images.index]
    cells = cells or list(material.images.index)
    return material.images.loc[cells[:MOST_ROWS], order[::every]]


def _draw(rows: list[list[Any]], width: int, metric: Metric) -> Canvas:
    left = label_width([row[0] for row in rows], width)
    columns = len(rows[0]) - 1
    size = min((width - left) / columns, 30)
    canvas = Canvas(width, 6 + len(rows) * ROW + 64)
    low, high = _range([value for row in rows for value in row[1:] if value == value], metric)
    ends = (low, high) if metric.higher_is_better else (high, low)
    shades = [
        [shade(value, *ends) if value == value else None for value in row[1:]] for row in rows
    ]
    grid_paths(canvas, shades, (left, 6, size, ROW))
    for number, row in enumerate(rows):
        row_label(canvas, row[0], left, 6 + (number + 0.5) * ROW, "label tight", lines=1)
    over = "" if isfinite(metric.limits[1]) else " and more"
    words = f"{'up to ' if low > metric.limits[0] else ''}{low:g}", f"{high:g}{over}"
    bottom, right = 6 + len(rows) * ROW, left + columns * size
    x_title(canvas, "test images, the hardest left", left, max(right, left + 200), bottom + 16)
    ends_words = words if low == ends[0] else words[::-1]
    legend_bar(canvas, left, canvas.height - 14, *ends_words, f"colours: test {metric.title}")
    return canvas


def _range(values: Sequence[float], metric: Metric) -> tuple[float, float]:
    """Return where the colours begin and end.

    At most a fiftieth of the values is below; of a metric without an upper limit, at most a
    fiftieth is above, and the colours begin at its lower limit.
    """
    low, high = metric.limits
    if not values:
        return (low, high) if isfinite(high) else (low, low + 1)
    ordered = sorted(values)
    if not isfinite(high):
        return low, max(ordered[-1 - len(ordered) // 50], low + 1)
    start = int(ordered[len(ordered) // 50] * 10) / 10
    return start, high
