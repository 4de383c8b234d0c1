"""The panels of curves: which lines each holds, and its axis."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series

from segsweep.config.cells import SEPARATOR, split_name
from segsweep.metrics import METRICS, lower_is_better
from segsweep.report.figures.figure import brief, shown
from segsweep.report.figures.svg import (
    COLOURS,
    Scale,
    linear,
    log_ticks,
    logarithmic,
    ticks,
)
from segsweep.system.names import plural

POINTS = 60
"""Epochs drawn of a line; longer lines are thinned."""
LINES = 14
"""Lines of a panel that have a name; the others are grey."""
WIDE_RANGE = 8.0
"""From this ratio of the highest to the lowest loss on, the axis is logarithmic."""
TOP, BOTTOM = 26.0, 220.0
"""Pixels between which the vertical axis is."""
Line = list[list[float]]
"""Rows of epoch, mean, low, high."""
SCORE, LOSS = "val_score", "val_loss"
SCORE_WORDS = f"validation {METRICS['score'].label}"
GROUPS = {
    SCORE: "Validation score: a panel per architecture, a line per loss",
    LOSS: "Validation loss: a panel per loss function, a line per architecture; values of "
    "different loss functions cannot be compared",
}
"""The columns of history.csv that are drawn, with what their panels have in common."""


@dataclass(frozen=True)
class Axis:
    """The vertical axis of a panel; it holds every finite value."""

    low: float
    high: float
    log: bool = False
    missing: int = 0
    """Values that are not finite and cannot be drawn."""

    @property
    def scale(self) -> Scale:
        """Value -> pixel."""
        form = logarithmic if self.log else linear
        return form(self.low, self.high, BOTTOM, TOP)

    @property
    def marks(self) -> list[float]:
        """The values that have a line and a number."""
        return log_ticks(self.low, self.high) if self.log else ticks(self.low, self.high, 4)


@dataclass(frozen=True)
class Panel:
    """The lines of one column of history.csv: of an architecture, or of a loss function."""

    name: str
    """The architecture, or the loss function."""
    column: str
    lines: dict[str, Line]
    """By loss or architecture, with further swept keys."""
    axis: Axis
    colours: dict[str, int]
    """The lines that have a name, and the number of their colour."""

    @property
    def title(self) -> str:
        """What is drawn, of what."""
        if self.column == SCORE:
            return f"{SCORE_WORDS} of {brief(self.name)}"
        return f"validation loss: {brief(self.name)}"

    @property
    def axis_title(self) -> str:
        """What the vertical axis shows."""
        words = SCORE_WORDS if self.column == SCORE else f"validation loss ({brief(self.name)})"
        more = [", log scale"] * self.axis.log
        missing = self.axis.missing
        more += [f"; {missing} value{'s' * (missing > 1)} not finite: not drawn"] * (missing > 0)
        return words + "".join(more)

    @property
    def alt(self) -> str:
        """What the panel shows, in words."""
        lower = lower_is_better(self.column)
        last = {label: line[-1][1] for label, line in self.lines.items()}
        best = (min if lower else max)(last, key=lambda label: last[label])
        epochs = max(line[-1][0] for line in self.lines.values())
        return (
            f"{self.title} over {plural(round(epochs), 'epoch')}, a line for each of "
            f"{', '.join(self.lines)}. At the end {best} has the "
            f"{'lowest' if lower else 'highest'}, {shown(last[best])}."
        )


def panels_of(history: DataFrame) -> list[list[Panel]]:
    """Return the panels of the validation score, then those of the validation loss."""
    if history.empty:
        return []
    parts = [_parts(cell) for cell in history["cell"]]
    found = []
    for column, (panel, line) in ((SCORE, (0, 1)), (LOSS, (2, 3))):
        rows = history.assign(panel=[part[panel] for part in parts])
        rows = rows.assign(line=[part[line] for part in parts])
        colours = {name: number for number, name in enumerate(sorted(rows["line"].unique()))}
        same = _axis(column, rows[column]) if column == SCORE else None
        panels = []
        for name, inside in rows.groupby("panel"):
            axis = same or _axis(column, inside[column])
            lines = _over_seeds(inside, column)
            named = _named(lines, colours, column)
            panels.append(Panel(str(name), column, lines, axis, named))
        found.append(panels)
    return found


def _parts(cell: str) -> tuple[str, str, str, str]:
    """Return panel and line of a cell: among architectures, then among loss functions.

    Arguments of a loss are part of the function: `focal@loss.gamma=3` has its own panel.
    """
    name, *settings = split_name(cell)
    model, _, loss = name.partition("/")
    own = [setting for setting in settings if setting.startswith("loss.")]
    rest = [setting for setting in settings if setting not in own]
    line, panel, other = (
        SEPARATOR.join(words) for words in ([loss, *settings], [loss, *own], [model, *rest])
    )
    return model, line, panel, other


def _axis(column: str, values: "Series[float]") -> Axis:
    """Return an axis for all finite values; logarithmic for positive losses far apart."""
    finite = values[np.isfinite(values)]
    missing = int(len(values) - len(finite))
    if not len(finite):
        return Axis(0.0, 1.0, missing=missing)
    low, high = float(finite.min()), float(finite.max())
    if column == LOSS and low > 0 and high / low > WIDE_RANGE:
        return Axis(low, high, True, missing)
    return Axis(low, max(high, low + 1e-3), missing=missing)


def _named(lines: dict[str, Line], colours: dict[str, int], column: str) -> dict[str, int]:
    """Return the lines that get a name and a colour: all, or of many those that end best."""
    sign = -1 if lower_is_better(column) else 1
    best = sorted(lines, key=lambda label: -sign * lines[label][-1][1])[:LINES]
    if len(colours) > 3 * COLOURS:  # too many to have one colour each on the whole page
        return {label: number for number, label in enumerate(best)}
    return {label: colours[label] for label in sorted(best)}


def _over_seeds(history: DataFrame, column: str) -> dict[str, Line]:
    """Return for each line the mean, lowest and highest of the seeds in each epoch."""
    groups = history.groupby(["line", "epoch"])[column]
    table = groups.agg(["mean", "min", "max"]).reset_index()
    return {
        str(line): _thinned(rows[["epoch", "mean", "min", "max"]].to_numpy(float))
        for line, rows in table.groupby("line")
    }


def _thinned(epochs: NDArray[np.float64]) -> Line:
    every = max(-(-len(epochs) // POINTS), 1)
    chosen = sorted({*range(0, len(epochs), every), len(epochs) - 1})
    return [[float(f"{value:.4g}") for value in epochs[row]] for row in chosen]
