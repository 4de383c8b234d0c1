"""Curves of validation loss and score over the epochs, on the page and as curves.svg."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series

from segsweep.metrics import METRICS, lower_is_better
from segsweep.report.figures.figure import Figure, brief, one_width, shown, y_axis
from segsweep.report.figures.standalone import standalone
from segsweep.report.figures.svg import (
    COLOURS,
    NARROW,
    Canvas,
    Scale,
    breadth,
    fitted,
    linear,
    path,
    short,
    ticks,
)

POINTS = 60
"""Epochs drawn of a line; longer lines are thinned."""
LINES = 14
"""Lines of a panel that have a name; the others are grey."""
EARLY = 0.9
"""A line that ends before this share of the epochs is named at its end, not at the margin."""
TOP, BOTTOM, LEFT = 12.0, 206.0, 40.0
Line = list[list[float]]
"""Rows of epoch, mean, low, high."""
SCORE = "val_score"
WORDS = {"val_loss": "validation loss", SCORE: f"validation {METRICS['score'].label}"}
"""The columns of history.csv that are drawn, with their titles."""
PANEL_HEIGHT, GAP, HEAD, STEP = 228, 32, 52, 296
"""Pixels in curves.svg: height of a panel, gap between two, head, distance of rows."""


@dataclass(frozen=True)
class Panel:
    """The lines of one column of history.csv for one architecture."""

    model: str
    column: str
    lines: dict[str, Line]
    """By loss, with further swept keys."""
    limits: tuple[float, float]
    colours: dict[str, int]
    """The lines that have a name, and the number of their colour."""

    @property
    def title(self) -> str:
        """What is drawn."""
        return WORDS[self.column]

    @property
    def alt(self) -> str:
        """What the panel shows, in words."""
        lower = lower_is_better(self.column)
        last = {label: line[-1][1] for label, line in self.lines.items()}
        best = (min if lower else max)(last, key=lambda label: last[label])
        epochs = max(line[-1][0] for line in self.lines.values())
        return (
            f"{self.title} of {self.model} over {epochs:.0f} epochs, a line per loss: "
            f"{', '.join(self.lines)}. At the end {best} has the "
            f"{'lowest' if lower else 'highest'}, {shown(last[best])}."
        )


def curves(history: DataFrame) -> list[tuple[str, list[Figure]]]:
    """Return for each architecture its curves of validation loss and validation score."""
    return [(row[0].model, [_figure(panel) for panel in row]) for row in panels_of(history)]


def curves_svg(history: DataFrame, name: str) -> str:
    """Return the curves of all architectures as one SVG file; empty where no epoch is done."""
    rows = panels_of(history)
    if not rows:
        return ""
    title = f"{name}: validation over the epochs"
    canvas = Canvas(2 * NARROW + GAP, HEAD + len(rows) * STEP)
    canvas.text(0, 18, title, "value")
    for number, row in enumerate(rows):
        top = HEAD + number * STEP
        canvas.text(0, top, row[0].model, "label strong")
        for place, panel in enumerate(row):
            left = place * (NARROW + GAP)
            canvas.text(left + LEFT, top + 18, panel.title, "tick")
            canvas.place(_draw_lines(panel), left, top + 22)
            canvas.text(left + LEFT, top + 22 + PANEL_HEIGHT + 12, "epoch", "tick")
    return standalone(canvas.svg(". ".join([title, *(p.alt for row in rows for p in row)])))


def panels_of(history: DataFrame) -> list[list[Panel]]:
    """Return a row of panels for each architecture: validation loss, validation score."""
    if history.empty:
        return []
    history = history.assign(line=history["cell"].str.partition("/")[2])
    colours = {name: number for number, name in enumerate(sorted(history["line"].unique()))}
    limits = {name: _limits(history[name]) for name in WORDS}
    found = []
    for model, curves_of in sorted(_over_seeds(history).items()):
        named = _named(curves_of[SCORE], colours)
        found.append([Panel(model, name, curves_of[name], limits[name], named) for name in WORDS])
    return found


def _limits(values: "Series[float]") -> tuple[float, float]:
    """Return the range of nearly all values, so that a few outliers do not flatten the rest."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.quantile(0.99))
    return low, max(high, low + 1e-3)


def _named(scores: dict[str, Line], colours: dict[str, int]) -> dict[str, int]:
    """Return the lines that get a name and a colour: all, or of many those that end best."""
    sign = -1 if lower_is_better(SCORE) else 1
    best = sorted(scores, key=lambda label: -sign * scores[label][-1][1])[:LINES]
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


def _thinned(epochs: NDArray[np.float64]) -> Line:
    every = max(-(-len(epochs) // POINTS), 1)
    chosen = sorted({*range(0, len(epochs), every), len(epochs) - 1})
    return [[float(f"{value:.4g}") for value in epochs[row]] for row in chosen]


def _figure(panel: Panel) -> Figure:
    return one_width(
        _draw_lines(panel),
        f"{panel.column}-{panel.model}",
        panel.title,
        panel.alt,
        ("loss", "epoch", "mean", "low", "high"),
        [[label, *point] for label, line in panel.lines.items() for point in line],
    )


def _draw_lines(panel: Panel) -> Canvas:
    lines, limits, colours = panel.lines, panel.limits, panel.colours
    named = [label for label in colours if label in lines]
    right = NARROW - breadth([brief(label) for label in named], 11, 104) - 10
    canvas = Canvas(NARROW, PANEL_HEIGHT)
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
