"""The figure of learning rates: those of the runs, and those that a search tried."""

from collections.abc import Sequence
from typing import Any

from segsweep.report.content.material import Material
from segsweep.report.figures.figure import (
    Figure,
    both_widths,
    further,
    known,
    label_width,
    row_label,
    shown,
    x_axis,
    x_title,
)
from segsweep.report.figures.svg import Canvas, around, log_ticks, logarithmic, short
from segsweep.system.names import plural

MOST_ROWS = 40


def learning_rates(material: Material) -> Figure | None:
    """Return each cell's learning rates and those that a search tried; None where all agree."""
    tried = [("run", row) for row in material.runs.to_dict("records")]
    tried += [("trial", row) for row in material.trials.to_dict("records")]
    known_rates = [(kind, row) for kind, row in tried if known(row["lr"]) and row["lr"] > 0]
    if len({row["lr"] for _, row in known_rates}) < 2:
        return None
    order = dict.fromkeys([*material.cells["cell"], *(str(row["cell"]) for _, row in tried)])
    cells = list(order)[:MOST_ROWS]
    rows = [
        [row["cell"], kind, row["seed"], row["lr"], row["val_iou"]]
        for kind, row in known_rates
        if row["cell"] in cells
    ]
    return both_widths(
        lambda width: _draw_rates(cells, rows, width),
        "learning-rates",
        "Learning rates",
        f"Learning rates of {plural(len(cells), 'cell')} on a logarithmic scale, with those of "
        "trials.",
        ("cell", "kind", "seed", "lr", "val_iou"),
        rows,
        "Filled: runs. Hollow: trials of a search."
        + further(len(order) - len(cells), "in the table of runs"),
    )


def _draw_rates(cells: Sequence[str], rows: Sequence[list[Any]], width: int) -> Canvas:
    left, right, step = label_width(cells, width), width - 8, 22
    canvas = Canvas(width, len(cells) * step + 54)
    low, high = around([row[3] for row in rows])
    scale = logarithmic(low, high, left + 6, right - 6)
    x_axis(canvas, scale, log_ticks(low, high), 4, len(cells) * step + 8, short)
    x_title(canvas, "learning rate, log scale", left, right, len(cells) * step + 44)
    place = {cell: 8 + (number + 0.5) * step for number, cell in enumerate(cells)}
    for cell in cells:
        row_label(canvas, cell, left, place[cell], "label")
    for cell, kind, seed, lr, iou in sorted(rows, key=lambda row: row[1] != "trial"):
        words = f"{cell}: lr {lr:.3g}, {kind}, seed {seed}, validation IoU {shown(iou, '.4f')}"
        css = "dot best" if kind == "run" else "dot tried"
        canvas.add("circle", words, cx=scale(lr), cy=place[cell], r=4.5, class_=css)
    return canvas
