"""HTML of a sweep, a run and a comparison for a notebook: small, escaped, no script, no style.

Colours are the notebook's own, so that tables are readable on light and on dark. Figures are
pictures with a background: what is inside them cannot change the notebook's page.
"""

import base64
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup
from pandas import DataFrame

from segsweep.report.analysis import Compared
from segsweep.report.columns import headline, keys_of
from segsweep.report.content.material import BAR, Material, shown_cells
from segsweep.report.export import pasted
from segsweep.report.figures.cells import heatmap, intervals
from segsweep.report.figures.curves import curves
from segsweep.report.figures.figure import Figure
from segsweep.report.figures.standalone import standalone
from segsweep.report.figures.svg import NARROW, WIDE
from segsweep.report.question import named_results
from segsweep.store.states import Status
from segsweep.store.tables import Tables

MOST_ROWS = 20
"""Rows of a table; the frames hold all."""
LABELS = {
    **{"settled": "Settled", "unsettled": "Open", "search": "Search", "next": "Next"},
    **{"notes": "Note"},
}
SUMMARY_COLUMNS = ("ci_low", "ci_high", "may_be_best", "p_best", "seeds", "failed", "sd_seeds")
"""Columns of a cell besides its keys and its mean."""
COUNTED = tuple(status.value for status in BAR)
"""Statuses whose runs are counted by cell; one without runs has no column, except the first."""


def fragment(parts: Iterable[Markup | str]) -> str:
    """Return *parts* in one element, in ASCII: a notebook's file may be read in any encoding."""
    inside = Markup("\n").join(part for part in parts if part)
    text = Markup('<div class="segsweep">\n{}\n</div>').format(inside)
    return str(text).encode("ascii", "xmlcharrefreplace").decode()


def line(text: object, *, strong: bool = False) -> Markup:
    """Return one paragraph."""
    inside = Markup("<strong>{}</strong>").format(text) if strong else text
    return Markup("<p>{}</p>").format(inside)


def listed(label: str, texts: Sequence[str]) -> Markup:
    """Return sentences of one kind as a list; nothing where there are none."""
    if not texts:
        return Markup()
    items = Markup("").join(Markup("<li>{}</li>").format(text) for text in texts)
    return Markup("<p>{}</p><ul>{}</ul>").format(label, items)


def table(frame: DataFrame, rest: str = "") -> Markup:
    """Return a frame's first rows; *rest* names where all of them are."""
    if frame.empty:
        return Markup()
    text = frame.head(MOST_ROWS).to_html(
        index=False, border=0, na_rep="–", float_format="{:.4f}".format
    )  # pandas escapes names and values
    return Markup(text) + _more(len(frame), rest)


def picture(figure: Figure, width: int = WIDE) -> Markup:
    """Return a figure as an image of its own, with the page's colours."""
    data = base64.b64encode(standalone(figure.wide).encode("utf-8", "xmlcharrefreplace")).decode()
    source = Markup('<img src="data:image/svg+xml;base64,{}" width="{}" alt="{}" title="{}"/>')
    return source.format(data, width, figure.alt, figure.title)


def sweep_html(lines: Sequence[str], tables: Tables | None) -> str:
    """Return a sweep: *lines*, the first in bold, and how far each cell is."""
    texts = [line(text, strong=not number) for number, text in enumerate(lines)]
    cells = table(cell_counts(tables), ".results") if tables is not None else Markup()
    return fragment([*texts, cells])


def status_html(lines: Sequence[str], parts: Mapping[str, DataFrame]) -> str:
    """Return a sweep's status: *lines*, the first in bold, then each part that has rows."""
    texts = [line(text, strong=not number) for number, text in enumerate(lines)]
    for label, frame in parts.items():
        texts += [line(label), table(frame, f".{label}")] if len(frame) else []
    return fragment(texts)


def cell_counts(tables: Tables) -> DataFrame:
    """Return a row per cell: runs by status, and the mean validation IoU of the finished ones."""
    runs = named_results(tables)
    rows = []
    for cell, found in runs.groupby("cell", sort=True):
        states = found["status"].value_counts()
        row: dict[str, object] = {"cell": cell, "runs": len(found)}
        row |= {state: int(states.get(state, 0)) for state in COUNTED}
        finished = found[found["status"] == Status.FINISHED]
        rows.append({**row, "val_iou": finished["val_iou"].astype(float).mean()})
    frame = DataFrame(rows)
    empty = [name for name in COUNTED[1:] if rows and not frame[name].any()]
    return frame.drop(columns=empty)


def run_html(lines: Sequence[str], values: Mapping[str, object], history: DataFrame) -> str:
    """Return a run: *lines*, the first in bold, its main *values*, and its curves.

    *history* is the run's part of the sweep's history.
    """
    texts = [line(text, strong=not number) for number, text in enumerate(lines)]
    frame = DataFrame([values]) if values else DataFrame()
    panels = [panel for _, row in curves(history) for panel in row]
    pictures = [picture(panel, NARROW) for panel in panels]
    return fragment([*texts, table(frame), Markup("\n").join(pictures)])


def comparison_html(
    compared: Compared, frame: DataFrame, sentences: Sequence[str], tables: Tables
) -> str:
    """Return a comparison: its answer, the table that was asked for, a figure of all cells.

    Args:
        compared: the comparison.
        frame: the table that was asked for.
        sentences: what belongs above the table; the first in bold.
        tables: the sweep's.

    """
    answer = compared.answer
    texts = [line(text, strong=True) for text in answer.warnings if text not in sentences]
    texts += [line(text, strong=not number) for number, text in enumerate(sentences)]
    kinds = LABELS if list(sentences) == [answer.headline] else {"notes": LABELS["notes"]}
    texts += [listed(label, getattr(answer, kind)) for kind, label in kinds.items()]
    rows = _compact(frame, compared.cells is frame)
    pasted_rows = Markup(pasted(rows.head(MOST_ROWS), "html", claims=compared.claims))
    where = ".cells" if compared.cells is frame else ".table"
    shown = [pasted_rows, _more(len(rows), where)] if len(rows) else []
    return fragment([*texts, *shown, _cells_figure(compared, tables)])


def _compact(frame: DataFrame, cells: bool) -> DataFrame:
    """Return the columns of *cells* that are needed to read the answer; other tables whole."""
    if not cells or (mean := headline(frame)) is None:
        return frame
    kept = [*keys_of(frame), mean, *SUMMARY_COLUMNS]
    return frame[[name for name in kept if name in frame]]


def _more(count: int, where: str) -> Markup:
    hidden = count - MOST_ROWS
    return line(f"and {hidden} more: {where}") if hidden > 0 else Markup()


def _cells_figure(compared: Compared, tables: Tables) -> Markup:
    """Return the heat map of a grid, or the intervals of cells that form no grid."""
    cells, runs = shown_cells(compared, tables), named_results(tables)
    material = Material(
        "", "", compared, cells, tuple(tables.swept), runs, tables.trials, DataFrame()
    )
    if not len(material.done) or material.validation_only:
        return Markup()
    grid = min(cells["model"].nunique(), cells["loss"].nunique()) > 1
    return picture(heatmap(material) if grid else intervals(material))
