"""Figure of a race: how many seeds each cell got, and at which look it was ruled out."""

from collections.abc import Sequence

from segsweep.report.figures.figure import (
    Figure,
    both_widths,
    further,
    label_width,
    row_label,
    shown,
    x_title,
)
from segsweep.report.figures.svg import Canvas, Scale, linear
from segsweep.report.raced import Raced
from segsweep.report.searched import or_nan
from segsweep.store.race import RaceRow
from segsweep.system.names import is_or_are, plural

MOST_ROWS = 60
"""Cells that are drawn, those that got furthest first; the table holds the rest."""
ROW, TOP, BAR = 20, 26, 9


def race_figure(raced: Raced | None) -> Figure | None:
    """Return the cells against the looks; None without a race."""
    if raced is None:
        return None
    rows = raced.by_mean
    seeds = raced.rows[0].looks
    hidden = further(len(rows) - MOST_ROWS, "in race.csv")
    used, full = len(raced.used_runs), raced.full
    return both_widths(
        lambda width: _draw(rows[:MOST_ROWS], seeds, width),
        "race",
        "The race",
        f"Seeds of {len(rows)} cells: {len(raced.left)} {is_or_are(len(raced.left))} left after "
        f"look {raced.look[0]}.",
        ("cell", "look", "seeds", "mean", "p", "decision"),
        [[row.cell, row.look, row.seeds, row.mean, row.p, row.decision] for row in rows],
        f"Each bar ends at the look at which the cell was ruled out, or at the last one; filled: "
        f"may still be the best. Vertical lines: the looks. Runs used by them: {used}; all seeds "
        f"of all cells would take {full}.{hidden}",
    )


def _draw(rows: Sequence[RaceRow], looks: Sequence[int], width: int) -> Canvas:
    left, right = label_width([row.cell for row in rows], width), width - 60
    bottom = TOP + len(rows) * ROW + 2
    canvas = Canvas(width, bottom + 30)
    scale = linear(0, looks[-1], left + 6, right - 6)
    for look in looks:
        canvas.line(scale(look), TOP - 6, scale(look), bottom, "grid")
        canvas.text(scale(look), TOP - 11, str(look), "tick", "middle")
    x_title(canvas, "seeds", left, right, bottom + 18)
    for number, row in enumerate(rows):
        _draw_row(canvas, row, TOP + (number + 0.5) * ROW, scale, width)
        row_label(canvas, row.cell, left, TOP + (number + 0.5) * ROW, "label")
    return canvas


def _draw_row(canvas: Canvas, row: RaceRow, y: float, scale: Scale, width: int) -> None:
    out = row.decision == "out"
    words = (
        f"{row.cell}: mean {or_nan(row.mean):.4f} over {plural(row.seeds, 'seed')} at look "
        f"{row.look}, "
        f"{'ruled out' if out else 'may be the best'}, p {or_nan(row.p):.3f}"
    )
    canvas.add(
        "rect",
        words,
        x=scale(0),
        y=y - BAR / 2,
        width=scale(row.seeds) - scale(0),
        height=float(BAR),
        rx=2,
        class_="bar lost" if out else "bar c0",
    )
    canvas.text(width, y + 4.5, shown(row.mean), "number", "end")
