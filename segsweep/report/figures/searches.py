"""The figures of searches: validation IoU against each searched key, a small panel per cell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from segsweep.report.figures.figure import (
    Figure,
    both_widths,
    brief,
    further,
    known,
    shown,
    x_title,
)
from segsweep.report.figures.marks import LABEL, LINE, draw_legend, draw_mark, legend_lines
from segsweep.report.figures.svg import (
    WIDE,
    Canvas,
    Scale,
    around,
    fitted,
    fitted_name,
    linear,
    log_ticks,
    logarithmic,
    padded,
    short,
    ticks,
)
from segsweep.stats.search import SearchedCell, Trial, TrialState
from segsweep.stats.wording.search import number_text
from segsweep.system.names import plural

MOST_PANELS = 40
COLUMNS = {True: 4, False: 2}
"""Panels beside each other, on a wide screen and on a phone."""
LEFT, GAP, HEAD, PLOT, FOOT, STEP = 40.0, 14.0, 20.0, 96.0, 20.0, 146.0
"""Pixels: left of the first panel, between two, above the plot of one, its height, below it;
distance of rows."""
RIGHT = 8.0
MOST_MARKS = 3
"""Powers of ten with a text in a panel."""
WIDEST = 240.0
INSIDE = 7.0
"""Pixels between the end of an axis and the edge of its panel."""
LOST = (TrialState.DIVERGED, TrialState.FAILED)


@dataclass(frozen=True)
class _Axis:
    """The horizontal axis that all panels of a key share."""

    title: str
    low: float
    high: float
    log: bool = False
    options: tuple[str, ...] = ()
    """The values of a key that has no numbers."""

    def scale(self, left: float, right: float) -> Scale:
        form = logarithmic if self.log else linear
        return form(self.low, self.high, left + INSIDE, right - INSIDE)

    def place(self, value: object) -> float | None:
        """Return the number that stands for a value; None where it cannot be drawn."""
        if self.options:
            return float(self.options.index(number_text(value)))
        return float(value) if known(value) and (value > 0 or not self.log) else None

    @property
    def marks(self) -> list[tuple[float, str]]:
        """The values that have a line, with their texts."""
        if self.options:
            return [(float(at), name) for at, name in enumerate(self.options)]
        if not self.log:
            return [(mark, short(mark)) for mark in ticks(self.low, self.high, 3)]
        powers = [10.0**power for power in range(-12, 13)]
        found = [mark for mark in powers if self.low * 0.999 <= mark <= self.high * 1.001]
        found = found if len(found) > 1 else log_ticks(self.low, self.high)
        return [(mark, _power(mark)) for mark in found[:: -(-len(found) // MOST_MARKS)]]


def search_figures(searched: Sequence[SearchedCell]) -> list[Figure]:
    """Return a figure for each searched key that was tried at several values."""
    with_trials = [one for one in searched if one.trials]
    keys = dict.fromkeys(key for one in with_trials for key in one.keys)
    figures = [_figure(key, [one for one in with_trials if key in one.keys]) for key in keys]
    return [figure for figure in figures if figure is not None]


def _figure(key: str, searched: Sequence[SearchedCell]) -> Figure | None:
    axis = _axis(key, searched)
    rows = [_row(one, number, key) for one in searched for number in range(len(one.trials))]
    if axis is None or not any(known(row[5]) for row in rows):
        return None
    cells = searched[:MOST_PANELS]
    more = len(searched) - len(cells)
    caption = "All panels have the same axes."
    caption += further(more, "in trials.csv")
    name = key.rpartition(".")[2]
    return both_widths(
        lambda width: _draw(axis, cells, key, width),
        f"search-{key}",
        f"Validation IoU of the trials against {_title(key)}",
        _alt(key, cells),
        ("cell", "fold", "trial", "state", name, "val_iou", "chosen", "own"),
        rows,
        caption,
    )


def _title(key: str) -> str:
    return "the learning rate" if key == "optimizer.lr" else key


def _alt(key: str, cells: Sequence[SearchedCell]) -> str:
    best = [
        f"{one.title}: {number_text(one.values[key])} chosen, validation IoU {shown(one.val_iou)}"
        for one in cells
        if key in one.values
    ]
    count = sum(len(one.trials) for one in cells)
    return (
        f"Validation IoU of {plural(count, 'trial')} against {_title(key)}, a panel for each of "
        f"{plural(len(cells), 'cell')}. {'; '.join(best)}."
    )


def _row(one: SearchedCell, number: int, key: str) -> list[object]:
    trial = one.trials[number]
    value = trial.val_iou if known(trial.val_iou) else None
    named = [one.cell, one.fold, number + 1, str(trial.state), trial.values.get(key), value]
    return [*named, _is(trial, one.values), _is(trial, one.own)]


def _is(trial: Trial, values: object) -> bool:
    return bool(values) and trial.values == values


def _axis(key: str, searched: Sequence[SearchedCell]) -> _Axis | None:
    """Return an axis for everything that was, or could have been, tried; None for one value."""
    tried = [trial.values.get(key) for one in searched for trial in one.trials]
    numbers = [float(value) for value in tried if known(value) and not isinstance(value, bool)]
    title = f"{'learning rate' if key == 'optimizer.lr' else key}"
    if len(numbers) < len(tried):
        options = tuple(dict.fromkeys(map(number_text, tried)))
        several = len(options) > 1
        return _Axis(title, -0.5, len(options) - 0.5, options=options) if several else None
    ranges = [found for one in searched if (found := one.ranges.get(key)) is not None]
    ends = [*numbers, *(end for one in ranges for end in (one.low, one.high))]
    low, high = min(ends), max(ends)
    unknown = not ranges and low > 0 and high / low > 20
    log = low > 0 and (unknown or any(one.log or _is_log_list(one.listed) for one in ranges))
    if low == high:
        return None
    if log and not ranges:
        low, high = around(numbers)
    return _Axis(f"{title}, log scale" if log else title, low, high, log)


def _is_log_list(values: Sequence[float]) -> bool:
    return len(values) > 2 and values[0] > 0 and values[-1] / values[0] >= 100


def _draw(axis: _Axis, cells: Sequence[SearchedCell], key: str, width: int) -> Canvas:
    columns = min(COLUMNS[width == WIDE], max(len(cells), 2))
    rows = -(-len(cells) // columns)
    over = [(one, t) for one in cells for t in one.trials if t.state != TrialState.OPEN]
    kinds = [_kind(one, trial) for one, trial in over]
    top = LINE * legend_lines(kinds, width)
    canvas = Canvas(width, top + (rows - 1) * STEP + HEAD + PLOT + FOOT + 26)
    draw_legend(canvas, kinds, width)
    size = min((width - LEFT - RIGHT - (columns - 1) * GAP) / columns, WIDEST)
    low, high = padded([trial.val_iou for one in cells for trial in one.trials])
    for number, one in enumerate(cells):
        column, row = number % columns, number // columns
        left, up = LEFT + column * (size + GAP), top + row * STEP + HEAD
        y = linear(low, high, up + PLOT - INSIDE, up + INSIDE)
        last = number + columns >= len(cells)
        _draw_frame(canvas, axis, y, (left, up, size), ticks(low, high, 3), column == 0, last)
        name = fitted_name(brief(one.title), size, LABEL)
        canvas.text(left, up - 6, name, "small", title=one.title if name != one.title else "")
        _draw_trials(canvas, axis.scale(left, left + size), axis, y, one, key, up + PLOT)
    right = LEFT + columns * (size + GAP) - GAP
    x_title(canvas, axis.title, LEFT, right, canvas.height - 4)
    return canvas


def _draw_frame(
    canvas: Canvas,
    axis: _Axis,
    y: Scale,
    box: tuple[float, float, float],
    marks: Sequence[float],
    first: bool,
    last: bool,
) -> None:
    """Draw a panel's background and grid; texts only in the *first* column and *last* row."""
    left, up, size = box
    canvas.add("rect", x=left, y=up, width=size, height=PLOT, class_="frame")
    for mark in marks:
        canvas.line(left, y(mark), left + size, y(mark), "grid")
        if first:
            canvas.text(left - 6, y(mark) + 4, short(mark), "tick", "end")
    scale = axis.scale(left, left + size)
    room = size / max(len(axis.marks), 1)
    for value, words in axis.marks:
        canvas.line(scale(value), up, scale(value), up + PLOT, "grid")
        if last:
            text = fitted(words, room, LABEL)
            canvas.text(scale(value), up + PLOT + 15, text, "tick", "middle")


def _draw_trials(
    canvas: Canvas, x: Scale, axis: _Axis, y: Scale, one: SearchedCell, key: str, bottom: float
) -> None:
    """Draw the trials of a cell, the chosen one on top; trials without a value at the bottom."""
    order = sorted(enumerate(one.trials, 1), key=lambda pair: _is(pair[1], one.values))
    for number, trial in order:
        at = axis.place(trial.values.get(key))
        if at is None or trial.state == TrialState.OPEN:
            continue
        lost = trial.state in LOST or not known(trial.val_iou)
        height = bottom - INSIDE + 1 if lost else y(trial.val_iou)
        draw_mark(canvas, x(at), height, _kind(one, trial), _words(one, number, trial))


def _kind(one: SearchedCell, trial: Trial) -> str:
    """Return the words of a mark's class: its shape, and whether it was chosen."""
    if trial.state in LOST or not known(trial.val_iou):
        return "lost"
    if trial.state == TrialState.PRUNED:
        return "pruned"
    chosen = " chosen" if _is(trial, one.values) else ""
    return f"{'own' if _is(trial, one.own) else 'plain'}{chosen}"


def _words(one: SearchedCell, number: int, trial: Trial) -> str:
    values = ", ".join(
        f"{name.rpartition('.')[2]} {number_text(value)}" for name, value in trial.values.items()
    )
    said = [f"{one.title} trial {number}: {values}"]
    said += [f"validation IoU {trial.val_iou:.4f}"] if known(trial.val_iou) else []
    said += [] if trial.state == TrialState.COMPLETE else [str(trial.state)]
    said += ["chosen"] if _is(trial, one.values) else []
    said += ["the config's own values"] if _is(trial, one.own) else []
    return ", ".join(said)


def _power(value: float) -> str:
    """Return a power of ten as an axis shows it: `1e-3`; other numbers as `short` does."""
    power = math.log10(value)
    if abs(power - round(power)) < 1e-6 and value < 0.01:
        return f"1e{round(power)}"
    return short(value)
