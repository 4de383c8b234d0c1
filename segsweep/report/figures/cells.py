"""Figures of the cells' means: architectures by losses, and all cells in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from pandas import DataFrame

from segsweep.config.cells import SEPARATOR, split_name
from segsweep.report.columns import TableRow
from segsweep.report.content.material import Material
from segsweep.report.figures.figure import (
    LABEL,
    Figure,
    both_widths,
    brief,
    further,
    known,
    label_width,
    legend_bar,
    row_label,
    shown,
    shown_interval,
    x_axis,
    x_title,
    y_title,
)
from segsweep.report.figures.svg import (
    Canvas,
    Scale,
    fitted,
    linear,
    padded,
    shade,
    short,
    ticks,
    within,
)
from segsweep.store.states import Status
from segsweep.system.names import plural

MOST_ROWS, MOST_LINES = 40, 24
"""Cells in order, and rows of the heat map, that are drawn; the table holds the rest."""
NETWORKS = "One seed: this holds for these trained networks on new images, not for methods."
ROW = 24
HEIGHT, HEAD = 54, 48
ROOMY, TIGHT, LEAST = 80, 70, 58
"""Widths of a cell in pixels: room for three digits, room for small text, the minimum."""


@dataclass(frozen=True)
class Grid:
    """Cells by architecture and loss."""

    rows: list[str]
    columns: list[str]
    cells: dict[tuple[str, str], TableRow]
    worst: float
    """Where the colours begin; *best* is where they end."""
    best: float
    turned_round: bool = False
    """Whether the rows are losses."""

    def turned(self) -> "Grid":
        """Return the grid with rows and columns exchanged."""
        cells = {(column, row): cell for (row, column), cell in self.cells.items()}
        return Grid(self.columns, self.rows, cells, self.worst, self.best, True)


def heatmap(material: Material) -> Figure:
    """Return architectures (with further swept keys) by losses: mean, interval, may be best."""
    grid = _grid(material)
    narrow = grid.turned() if len(grid.columns) > len(grid.rows) else grid
    columns = ("cell", "seeds", "mean", "ci_low", "ci_high", "may_be_best")
    mark = "A dot marks cells that may be the best." if material.compared.claims else NETWORKS
    more = " Rows with worse means are in the table." if len(grid.rows) == MOST_LINES else ""
    return both_widths(
        lambda width: _draw_grid(grid if width > 500 else narrow, width, material),
        "heatmap",
        "Every architecture with every loss",
        _alt(material, f"Heat map of {len(grid.rows)} by {len(grid.columns)} cells. "),
        columns,
        _rows(material.cells, material.value),
        f"Mean over seeds and test images; below it the 95 % interval of the mean. {mark}"
        f"{_colours(grid, material)}{more}",
    )


def _colours(grid: Grid, material: Material) -> str:
    """Return a sentence on how far apart the ends of the colours are."""
    if not len(material.done):
        return ""
    means = {grid.cells[place][material.value] for place in grid.cells}
    if len({mean for mean in means if known(mean)}) == 1:
        return " All means are the same, and so are the colours."
    low, high = sorted((grid.worst, grid.best))
    least, most = material.metric.limits
    span = f"from {least:g} to {most:g}" if isfinite(most) else f"from {least:g} on"
    return (
        f" The colours run from the worst to the best mean here, {low:.3f} to {high:.3f}, not "
        f"{span}: a strong contrast can be a small difference."
    )


def intervals(material: Material) -> Figure:
    """Return all cells by their mean, with interval and the means of single seeds."""
    rows = material.done.head(MOST_ROWS).to_dict("records")
    more = len(material.done) - len(rows)
    hidden = further(more, "in the table below")
    single = _seed_means(material)
    filled = "Filled: may be the best. Small ticks: single seeds."
    marks = filled if material.compared.claims else NETWORKS
    return both_widths(
        lambda width: _draw_intervals(rows, single, width, material),
        "intervals",
        "All cells in order",
        _alt(material, f"Means and 95 % intervals of {plural(len(rows), 'cell')}, best first. "),
        ("cell", "seeds", "mean", "ci_low", "ci_high", "may_be_best"),
        _rows(material.done, material.value),
        f"{marks} {_axis_note(rows, single, material)}Each interval is of one cell alone; "
        f"whether two cells differ is in the table of pairs.{hidden}",
    )


def _axis_note(rows: Sequence[TableRow], single: dict[str, list[float]], material: Material) -> str:
    """Return a sentence where the axis does not begin at the metric's lowest value."""
    least, (low, _) = material.metric.limits[0], _ends(rows, single, material)
    return f"The axis does not begin at {least:g}. " if low > least else ""


def _ends(
    rows: Sequence[TableRow], single: dict[str, list[float]], material: Material
) -> tuple[float, float]:
    """Return the ends of the axis, inside what the metric can be."""
    keys = (material.value, "ci_low", "ci_high")
    ends: list[object] = [row.get(key) for row in rows for key in keys]
    seeds = [mean for row in rows for mean in single.get(str(row["cell"]), [])]
    found = padded([*(end for end in ends if known(end)), *seeds])
    return within(found, material.metric.limits)


def may(row: TableRow) -> bool:
    """Whether a cell may be the best; False if that is unknown."""
    return row.get("may_be_best") is True or str(row.get("may_be_best")) == "True"


def _grid(material: Material) -> Grid:
    cells: dict[tuple[str, str], TableRow] = {}
    for row in material.cells.to_dict("records"):
        name = brief(SEPARATOR.join([str(row["model"]), *split_name(str(row["cell"]))[1:]]))
        cells[name, str(row["loss"])] = row
    values = [row[material.value] for row in cells.values() if known(row[material.value])]
    ends = within(padded(values, share=0.0), material.metric.limits)
    worst, best = ends if material.metric.higher_is_better else ends[::-1]
    rows, columns = (_by_mean(cells, side, material) for side in (0, 1))
    return Grid(rows[:MOST_LINES], columns, cells, worst, best)


def _by_mean(cells: dict[tuple[str, str], TableRow], side: int, material: Material) -> list[str]:
    """Return the names on one side of the grid, best mean first."""
    value, sign = material.value, material.metric.sign
    found: dict[str, list[float]] = {}
    for names, row in cells.items():
        inside = found.setdefault(names[side], [])
        inside += [row[value]] if known(row[value]) else []
    return sorted(found, key=lambda name: -sign * sum(found[name]) / len(found[name] or [0]))


def _draw_grid(grid: Grid, width: int, material: Material) -> Canvas:
    value, top_left = material.value, "architecture, by loss"
    if grid.turned_round:
        top_left = "loss, by architecture"
    left = label_width(grid.rows, width)
    size = min((width - left) / max(len(grid.columns), 1), 132)
    width = max(width, round(left + len(grid.columns) * max(size, LEAST)))
    size = max(size, LEAST)
    canvas = Canvas(width, HEAD + len(grid.rows) * HEIGHT + 52)
    y_title(canvas, top_left, 0, 12)
    for column, name in enumerate(grid.columns):
        middle = left + (column + 0.5) * size
        canvas.text(middle, HEAD - 12, fitted(name, size - 6, LABEL), "label", "middle", name)
    for row, name in enumerate(grid.rows):
        top = HEAD + row * HEIGHT
        row_label(canvas, name, left, top + HEIGHT / 2, "label")
        for column, other in enumerate(grid.columns):
            cell = grid.cells.get((name, other))
            if cell is not None:
                _draw_cell(canvas, cell, (left + column * size, top, size), grid, value)
    if any(known(cell[value]) for cell in grid.cells.values()):
        words = f"colours: mean test {material.metric.title}, worst to best here"
        ends = f"{grid.worst:.3f}", f"{grid.best:.3f}"
        legend_bar(canvas, left, canvas.height - 16, *ends, words)
    return canvas


def _draw_cell(
    canvas: Canvas, cell: TableRow, box: tuple[float, float, float], grid: Grid, value: str
) -> None:
    left, top, size = box
    mean, low, high = cell[value], cell.get("ci_low"), cell.get("ci_high")
    place: dict[str, object] = {"x": left + 1, "y": top + 1, "rx": 3}
    place |= {"width": size - 2, "height": HEIGHT - 2}
    middle = left + size / 2
    if not known(mean):
        canvas.add("rect", _words(cell, value), class_="empty", **place)
        lost = f"{cell['failed']} failed" if cell.get("failed") else "open"
        canvas.text(middle, top + HEIGHT / 2 + 4, lost, "tick", "middle")
        return
    step = shade(mean, grid.worst, grid.best)
    canvas.add("rect", _words(cell, value), class_=f"q{step}", **place)
    canvas.text(middle, top + 24, f"{mean:.3f}", f"value t{step}", "middle")
    if known(low) and known(high):
        words = f"{low:.3f}–{high:.3f}" if size > ROOMY else f"{low:.2f}–{high:.2f}"
        css = "small" if size > TIGHT else "tiny"
        canvas.text(middle, top + 40, words, f"{css} t{step}", "middle")
    if may(cell):
        edge, radius = (10, 3.5) if size > ROOMY else (7, 2.5)
        canvas.add("circle", cx=left + size - edge, cy=top + edge, r=radius, class_=f"t{step}")


def _draw_intervals(
    rows: Sequence[TableRow], single: dict[str, list[float]], width: int, material: Material
) -> Canvas:
    value = material.value
    left = label_width([str(row["cell"]) for row in rows], width)
    right = width - 48
    canvas = Canvas(width, len(rows) * ROW + 54)
    low, high = _ends(rows, single, material)
    scale = linear(low, high, left + 6, right - 6)
    bottom = len(rows) * ROW + 8
    x_axis(canvas, scale, ticks(low, high, 6 if width > 500 else 3), 4, bottom, short)
    words = f"mean test {material.metric.title}, with 95 % interval"
    x_title(canvas, words, left, right, bottom + 36)
    for number, row in enumerate(rows):
        _draw_interval(canvas, row, 8 + (number + 0.5) * ROW, scale, single, value)
        row_label(canvas, str(row["cell"]), left, 8 + (number + 0.5) * ROW, "label")
        canvas.text(width, 12.5 + (number + 0.5) * ROW, shown(row[value]), "number", "end")
    return canvas


def _draw_interval(
    canvas: Canvas,
    row: TableRow,
    y: float,
    scale: Scale,
    single: dict[str, list[float]],
    value: str,
) -> None:
    low, high = row.get("ci_low"), row.get("ci_high")
    best = "best" if may(row) else "other"
    if known(low) and known(high):
        canvas.line(scale(low), y, scale(high), y, f"whisker {best}")
    for mean in single.get(str(row["cell"]), []):
        canvas.line(scale(mean), y - 4, scale(mean), y + 4, "seed")
    canvas.add(
        "circle", _words(row, value), cx=scale(row[value]), cy=y, r=5.0, class_=f"dot {best}"
    )


def _seed_means(material: Material) -> dict[str, list[float]]:
    """Return the means of each cell's single runs, where there are several."""
    if material.value not in material.runs:
        return {}
    known_runs = material.runs[material.runs["status"] == Status.FINISHED].dropna(
        subset=material.value
    )
    groups = known_runs.groupby("cell")[material.value]
    return {str(cell): [float(mean) for mean in runs] for cell, runs in groups if len(runs) > 1}


def _rows(cells: DataFrame, value: str) -> list[list[object]]:
    names = ("cell", "seeds", value, "ci_low", "ci_high", "may_be_best")
    return [[row.get(name) for name in names] for row in cells.to_dict("records")]


def _words(row: TableRow, value: str) -> str:
    """Return the text that a cell shows under the pointer."""
    if not known(row[value]):
        return f"{row['cell']}: no finished run, {row.get('failed', 0)} failed"
    seeds = plural(row["seeds"], "seed")
    best = ", may be the best" if may(row) else ""
    spread = shown_interval(row.get("ci_low"), row.get("ci_high"), ".4f")
    return f"{row['cell']}: {row[value]:.4f}{spread}, {seeds}{best}"


def _alt(material: Material, start: str) -> str:
    done = material.done
    if not len(done):
        return f"{start}No cell has a finished run."
    ends = done.iloc[0], done.iloc[-1]
    first, last = (f"{row['cell']} {row[material.value]:.3f}" for row in ends)
    best = sum(may(row) for row in done.to_dict("records"))
    marked = f"; {best} may be the best" if material.compared.claims else ""
    names = ("Highest", "lowest") if material.metric.higher_is_better else ("Lowest", "highest")
    return f"{start}{names[0]} {first}, {names[1]} {last}{marked}."
