"""Figures of training: curves of loss and score, learning rates."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pandas import DataFrame

from segsweep.report.content.material import Material
from segsweep.report.figures.figure import (
    Figure,
    both_widths,
    brief,
    known,
    label_width,
    one_width,
    row_label,
    shown,
    x_axis,
    y_axis,
)
from segsweep.report.figures.svg import (
    COLOURS,
    NARROW,
    Canvas,
    Scale,
    around,
    breadth,
    fitted,
    linear,
    log_ticks,
    logarithmic,
    path,
    short,
    ticks,
)

POINTS = 60
"""Epochs drawn of a line; of more, every so many."""
LINES = 14
"""Lines of a panel that have a name; the others are grey."""
EARLY = 0.9
"""A line that ends before this share of the epochs is named at its end, not at the margin."""
TOP, BOTTOM, LEFT = 12.0, 206.0, 40.0
MOST_ROWS = 40
Line = list[list[float]]
"""Rows of epoch, mean, low, high."""
WORDS = {"val_loss": "validation loss", "val_score": "validation score"}


def curves(material: Material) -> list[tuple[str, list[Figure]]]:
    """Return for each architecture its curves of validation loss and validation score."""
    history = material.history
    if history.empty:
        return []
    history = history.assign(line=history["cell"].str.partition("/")[2])
    colours = {name: number for number, name in enumerate(sorted(history["line"].unique()))}
    limits = {name: _limits(history[name]) for name in WORDS}
    found = []
    for model, curves_of in sorted(_over_seeds(history).items()):
        named = _named(curves_of["val_score"], colours)
        panels = [_panel(curves_of, model, name, limits[name], named) for name in WORDS]
        found.append((model, panels))
    return found


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
        f"Learning rates of {len(cells)} cells on a logarithmic scale, with those of trials.",
        ("cell", "kind", "seed", "lr", "val_iou"),
        rows,
        "Filled: runs. Hollow: trials of a search.",
    )


def _limits(values: Any) -> tuple[float, float]:
    """Return the range of nearly all values, so that a few wild epochs do not flatten the rest."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.quantile(0.99))
    return low, max(high, low + 1e-3)


def _named(scores: dict[str, Line], colours: dict[str, int]) -> dict[str, int]:
    """Return the lines that get a name and a colour: all, or of many those with the best end."""
    best = sorted(scores, key=lambda label: -scores[label][-1][1])[:LINES]
    if len(colours) > 3 * COLOURS:  # too many to have one colour each on the whole page
        return {label: number for number, label in enumerate(best)}
    return {label: colours[label] for label in sorted(best)}


def _over_seeds(history: DataFrame) -> dict[str, dict[str, dict[str, Line]]]:
    """Return for each architecture, curve and loss the mean, lowest and highest of the seeds."""
    groups = history.groupby(["model", "line", "epoch"])[list(WORDS)]
    table = groups.agg(["mean", "min", "max"]).reset_index()
    found: dict[str, dict[str, dict[str, Line]]] = {}
    for (model, line), rows in table.groupby([("model", ""), ("line", "")]):
        epochs = rows["epoch"].to_numpy(float)[:, None]
        for name in WORDS:
            whole = np.hstack([epochs, rows[name].to_numpy(float)])
            found.setdefault(str(model), {}).setdefault(name, {})[str(line)] = _thinned(whole)
    return found


def _thinned(epochs: Any) -> Line:
    every = max(-(-len(epochs) // POINTS), 1)
    chosen = sorted({*range(0, len(epochs), every), len(epochs) - 1})
    return [[float(f"{value:.4g}") for value in epochs[row]] for row in chosen]


def _panel(
    curves_of: dict[str, dict[str, Line]],
    model: str,
    name: str,
    limits: tuple[float, float],
    colours: dict[str, int],
) -> Figure:
    lines = curves_of[name]
    numbers = [[label, *point] for label, line in lines.items() for point in line]
    last = {label: line[-1][1] for label, line in lines.items()}
    best = (min if name == "val_loss" else max)(last, key=lambda label: last[label])
    epochs = max(line[-1][0] for line in lines.values())
    return one_width(
        _draw_lines(lines, limits, colours),
        f"{name}-{model}",
        WORDS[name],
        f"{WORDS[name]} of {model} over {epochs:.0f} epochs, a line per loss: {', '.join(lines)}. "
        f"At the end {best} has the {'lowest' if name == 'val_loss' else 'highest'}, "
        f"{shown(last[best])}.",
        ("loss", "epoch", "mean", "low", "high"),
        numbers,
    )


def _draw_lines(
    lines: dict[str, Line], limits: tuple[float, float], colours: dict[str, int]
) -> Canvas:
    named = [label for label in colours if label in lines]
    right = NARROW - breadth([brief(label) for label in named], 11, 104) - 10
    canvas = Canvas(NARROW, 228)
    last = max(line[-1][0] for line in lines.values())
    x, y = linear(1, max(last, 2), LEFT, right), linear(*limits, BOTTOM, TOP)
    y_axis(canvas, y, ticks(*limits, 4), LEFT, right, short)
    for mark in ticks(1, last, 4):
        canvas.text(x(mark), BOTTOM + 16, short(mark), "tick", "middle")
    for label, line in sorted(lines.items(), key=lambda item: item[0] in named):
        css = _css(colours[label]) if label in named else "other"
        _draw_line(canvas, label, line, x, lambda value: _clipped(y(value)), css)
    ends = {label: _clipped(y(lines[label][-1][1])) for label in named}
    early = [label for label in named if lines[label][-1][0] < EARLY * last]
    for label in early:
        at = x(lines[label][-1][0]) + 5
        canvas.text(at, ends.pop(label) + 4, fitted(brief(label), 104, 11), _end(colours[label]))
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
    """Write each line's name beside its end, pushed apart where they would overlap."""
    order = sorted(ends, key=lambda label: ends[label])
    step = min(13.0, (BOTTOM - TOP) / max(len(order) - 1, 1))
    for label, y in zip(order, _apart([ends[label] for label in order], step), strict=True):
        words = fitted(brief(label), 104, 11)
        canvas.text(right + 6, y + 4, words, _end(colours[label]), title=label)


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


def _end(number: int) -> str:
    return f"end c{number % COLOURS}"


def _css(number: int) -> str:
    return f"c{number % COLOURS} d{number // COLOURS % 3}"


def _clipped(y: float) -> float:
    return min(max(y, TOP), BOTTOM) if np.isfinite(y) else y


def _draw_rates(cells: Sequence[str], rows: Sequence[list[Any]], width: int) -> Canvas:
    left, right, step = label_width(cells, width), width - 8, 22
    canvas = Canvas(width, len(cells) * step + 34)
    low, high = around([row[3] for row in rows])
    scale = logarithmic(low, high, left + 6, right - 6)
    x_axis(canvas, scale, log_ticks(low, high), 4, len(cells) * step + 8, short)
    place = {cell: 8 + (number + 0.5) * step for number, cell in enumerate(cells)}
    for cell in cells:
        row_label(canvas, cell, left, place[cell], "label")
    for cell, kind, seed, lr, iou in sorted(rows, key=lambda row: row[1] != "trial"):
        words = f"{cell}: lr {lr:.3g}, {kind}, seed {seed}, validation IoU {shown(iou, '.4f')}"
        css = "dot best" if kind == "run" else "dot tried"
        canvas.add("circle", words, cx=scale(lr), cy=place[cell], r=4.5, class_=css)
    return canvas
