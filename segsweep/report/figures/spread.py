"""Figures of uncertainty: ranks, and what seeds and images contribute to it."""

from collections.abc import Sequence
from typing import Any

from segsweep.report.content.material import Material
from segsweep.report.figures.figure import (
    Figure,
    both_widths,
    further,
    grid_paths,
    known,
    label_width,
    legend_bar,
    row_label,
    shown,
    x_axis,
    x_title,
    y_title,
)
from segsweep.report.figures.svg import Canvas, Scale, breadth, linear, shade, short, ticks
from segsweep.system.names import plural

MOST_CELLS = 30
ROW, RANKS_TOP = 22, 42


def rank_stability(material: Material) -> Figure | None:
    """Return each cell's chance of each rank; None if that is unknown."""
    shares = material.compared.rank_shares
    if shares is None or len(shares) < 2:
        return None
    order = [cell for cell in material.done["cell"] if cell in shares.index][:MOST_CELLS]
    order = order or [str(cell) for cell in shares.index[:MOST_CELLS]]
    drawn = shares.loc[order].iloc[:, :MOST_CELLS]
    rows = [[cell, *map(float, line)] for cell, line in zip(order, drawn.to_numpy(), strict=True)]
    columns = ("cell", *(f"rank {rank}" for rank in drawn.columns))
    first = [f"{row[0]} ranks first with chance {row[1]:.2f}" for row in rows[:3]]
    return both_widths(
        lambda width: _draw_ranks(rows, width),
        "ranks",
        "How firm the order is",
        f"Heat map of {plural(len(rows), 'cell')} by rank. {'; '.join(first)}.",
        columns,
        rows,
        _tau(material.compared.kendall) + _left_out(len(shares), len(rows)),
    )


def variance_sources(material: Material) -> Figure | None:
    """Return the standard error of each cell's mean from seeds and from images."""
    if "sd_images" not in material.done:
        return None
    images = max(material.images.shape[1], 1)
    rows = [
        _parts(row, images)
        for row in material.done.head(MOST_CELLS).to_dict("records")
        if known(row["sd_images"])
    ]
    if not rows:
        return None
    return both_widths(
        lambda width: _draw_variance(rows, width, material.metric.title),
        "variance",
        "Where the uncertainty of a mean comes from",
        f"Two bars for each of {plural(len(rows), 'cell')}: standard error from seeds and "
        "from images.",
        ("cell", "sd_seeds", "se_seeds", "sd_images", "se_images"),
        rows,
        "Standard error of the cell's own mean. What the images add is largely the same in all "
        "cells and cancels in differences; what the seeds add does not."
        + _left_out(int(material.done["sd_images"].notna().sum()), len(rows)),
    )


def _left_out(all_cells: int, drawn: int) -> str:
    return further(
        all_cells - drawn, "not drawn", "cell with a worse mean", "cells with worse means"
    )


def _parts(row: dict[Any, Any], images: int) -> list[Any]:
    seeds = max(int(row["seeds"]), 1)
    spread = row["sd_seeds"] if known(row["sd_seeds"]) else None
    from_seeds = None if spread is None else spread / seeds**0.5
    return [row["cell"], spread, from_seeds, row["sd_images"], row["sd_images"] / images**0.5]


def _tau(kendall: float | None) -> str:
    """Return what Kendall's tau says, in words."""
    start = "Chance of each cell to have each rank, given what was seen."
    if kendall is None:
        return start
    meaning = "firm" if kendall > 0.8 else "partly firm" if kendall > 0.5 else "mostly open"
    return (
        f"{start} Kendall's tau between this order and orders that may be true: "
        f"{kendall:.2f} (1 is the same order, 0 none): the order is {meaning}."
    )


def _draw_ranks(rows: Sequence[list[Any]], width: int) -> Canvas:
    left = label_width([row[0] for row in rows], width)
    ranks = len(rows[0]) - 1
    size = min((width - left) / ranks, 34)
    canvas = Canvas(width, RANKS_TOP + len(rows) * ROW + 46)
    high = max(max(row[1:]) for row in rows)
    shades = [
        [shade(value, 0, high) if value >= 0.005 else None for value in row[1:]] for row in rows
    ]
    every = 1 if size > 20 else 5
    for rank in range(1, ranks + 1):
        if rank == 1 or rank % every == 0:
            middle = min(left + (rank - 0.5) * size, width - breadth([str(rank)], 11) / 2)
            canvas.text(middle, RANKS_TOP - 9, rank, "tick", "middle")
    y_title(canvas, "rank, 1 is the best mean", left, 12)
    grid_paths(canvas, shades, (left, RANKS_TOP, size, ROW))
    for number, row in enumerate(rows):
        row_label(canvas, row[0], left, RANKS_TOP + (number + 0.5) * ROW, "label")
    legend_bar(canvas, left, canvas.height - 14, "0", f"{high:.2f}", "colours: chance of that rank")
    return canvas


def _draw_variance(rows: Sequence[list[Any]], width: int, metric: str) -> Canvas:
    left, right = label_width([row[0] for row in rows], width), width - 8
    canvas = Canvas(width, 26 + len(rows) * ROW + 46)
    high = max(value for row in rows for value in (row[2] or 0, row[4])) or 1.0
    scale = linear(0, high, left, right)
    bottom = 26 + len(rows) * ROW
    x_axis(canvas, scale, ticks(0, high, 5 if width > 500 else 3), 24, bottom, short)
    x_title(canvas, f"standard error of the mean test {metric}", left, right, bottom + 36)
    for x, css, words in ((left, "c0", "seeds"), (left + 74, "c5", "images")):
        canvas.add("rect", x=x, y=5, width=10, height=10, class_=f"bar {css}")
        canvas.text(x + 15, 14, words, "tick")
    for number, row in enumerate(rows):
        top = 26 + number * ROW
        row_label(canvas, row[0], left, top + ROW / 2, "label")
        _draw_bar(canvas, row, (2, 1), top + 4, scale, "c0", "seeds")
        _draw_bar(canvas, row, (4, 3), top + 11, scale, "c5", "images")
    return canvas


def _draw_bar(
    canvas: Canvas, row: list[Any], at: tuple[int, int], y: float, scale: Scale, css: str, what: str
) -> None:
    error, spread = row[at[0]], row[at[1]]
    if not known(error):
        canvas.text(scale(0) + 4, y + 6, "one seed: not known", "faint")
        return
    words = f"{row[0]}, {what}: standard error {shown(error, '.4f')}, spread {shown(spread, '.4f')}"
    size = max(scale(error) - scale(0), 1.0)
    canvas.add("rect", words, x=scale(0), y=y, width=size, height=6, class_=f"bar {css}")
