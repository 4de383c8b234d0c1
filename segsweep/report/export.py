"""A table ready to paste into a paper or a README: CSV, Markdown, LaTeX or HTML."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from segsweep.report.columns import DAGGER, DASH, Column, columns_of, finished_first, note_of
from segsweep.system.csv_cells import frame_text

if TYPE_CHECKING:
    from pandas import DataFrame

ENDINGS = {"csv": "csv", "md": "md", "latex": "tex", "html": "html"}
"""How a file of each form ends."""
FORMS = tuple(ENDINGS)


@dataclass(frozen=True)
class Heading:
    """What stands above a table in LaTeX."""

    caption: str
    label: str
    """The name by which the text refers to the table: `tab:main-iou`."""


COUNTED = ("fold", "seed", "epochs", "best_epoch", "n_test", "parameters", "multiply_adds")
"""Columns of whole numbers."""


def csv_of(frame: "DataFrame") -> str:
    """Return a table as CSV; whole numbers stay whole in columns with missing values."""
    found = [name for name in COUNTED if name in frame and frame[name].dtype.kind == "f"]
    whole = [name for name in found if (frame[name].dropna() % 1 == 0).all()]
    frame = frame.astype(dict.fromkeys(whole, "Int64"))
    return frame_text(frame)


def pasted(
    frame: "DataFrame",
    form: str,
    *,
    claims: bool = True,
    names: Sequence[str] | None = None,
    heading: Heading | None = None,
) -> str:
    """Return a table as text that ends with a line break.

    CSV is data: every column under its own name, with all digits. The other forms show the columns
    that are not empty, rounded as on the page, the best mean in bold, and a dagger at others that
    may be the best.

    Args:
        frame: cells as in comparison.csv, or averages over the rest, or differences to a
            baseline, or of two sweeps; best first.
        form: one of FORMS.
        claims: False where nothing can be said about methods: then nothing is marked.
        names: the columns to show, in this order; None: all.
        heading: for LaTeX: caption and label; with it the table is a `table` environment.

    Raises:
        ValueError: *form* is not one of FORMS.

    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}; got {form!r}")
    rows = finished_first(frame)
    if form == "csv":
        return csv_of(rows[[*names]] if names else rows)
    columns, note = columns_of(rows, claims, names), note_of(rows, claims)
    if form == "latex":
        return _latex(columns, note) if heading is None else _floated(columns, note, heading)
    return {"md": _markdown, "html": _html}[form](columns, note)


def _lines(
    columns: Sequence[Column], escaped: Callable[[str], str], bold: str, dagger: str
) -> list[list[str]]:
    """Return titles and rows, escaped and marked; *bold* has {} for the number."""

    def cell(column: Column, at: int) -> str:
        text = escaped(column.texts[at])
        if at in column.best:
            return bold.format(text)
        return text + dagger if at in column.tied else text

    rows = range(len(columns[0].texts) if columns else 0)
    titles = [escaped(column.title) for column in columns]
    return [titles, *([cell(column, at) for column in columns] for at in rows)]


def _markdown(columns: Sequence[Column], note: str) -> str:
    lines = _lines(columns, _for_markdown, "**{}**", DAGGER)
    padded = []
    for column, texts in zip(columns, zip(*lines, strict=True), strict=True):
        width = max(3, *map(len, texts))
        rule = "-" * (width - 1) + (":" if column.number else "-")
        aligned = [text.rjust(width) if column.number else text.ljust(width) for text in texts]
        padded.append([aligned[0], rule, *aligned[1:]])
    rows = [f"| {' | '.join(row)} |" for row in zip(*padded, strict=True)]
    return "\n".join([*rows, "", _for_markdown(note), ""])


def _latex(columns: Sequence[Column], note: str) -> str:
    lines = _lines(columns, _for_latex, r"\textbf{{{}}}", _LATEX[DAGGER])
    rows = [" & ".join(line) + r" \\" for line in lines]
    kinds = "".join("r" if column.number else "l" for column in columns)
    begin = [r"% needs \usepackage{booktabs}", rf"\begin{{tabular}}{{{kinds}}}", r"\toprule"]
    below = rf"{{\par\smallskip\footnotesize {_for_latex(note)}\par}}"
    end = [r"\bottomrule", r"\end{tabular}", below, ""]
    return "\n".join([*begin, rows[0], r"\midrule", *rows[1:], *end])


def _floated(columns: Sequence[Column], note: str, heading: Heading) -> str:
    """Return a `table` environment with a caption above the table and a label."""
    needs, *rest = _latex(columns, note).splitlines()
    caption = [rf"\caption{{{_for_latex(heading.caption)}}}", rf"\label{{{heading.label}}}"]
    begin = [needs, r"\begin{table}", r"\centering", *caption]
    return "\n".join([*begin, *rest, r"\end{table}", ""])


def _html(columns: Sequence[Column], note: str) -> str:
    kinds = [' class="number"' if column.number else "" for column in columns]

    def row(line: Sequence[str], tag: str) -> str:
        cells = zip(line, kinds, strict=True)
        return f"<tr>{''.join(f'<{tag}{kind}>{text}</{tag}>' for text, kind in cells)}</tr>"

    titles, *rest = _lines(columns, escape, "<strong>{}</strong>", DAGGER)
    head, body = row(titles, "th"), [row(line, "td") for line in rest]
    foot = f'<tr><td colspan="{len(columns)}">{escape(note)}</td></tr>'
    begin = ['<table class="segsweep">', f"<thead>{head}</thead>", "<tbody>"]
    text = "\n".join([*begin, *body, "</tbody>", f"<tfoot>{foot}</tfoot>", "</table>", ""])
    return text.encode("ascii", "xmlcharrefreplace").decode()  # a fragment declares no charset


def _for_markdown(text: str) -> str:
    """Return *text* escaped for Markdown; `bce_ss` and `< 0.001` stay as they are."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    text = re.sub(r"[\\`*~|$]|(?<![^\W_])_|_(?![^\W_])|(?<=\])\(", r"\\\g<0>", text)
    return re.sub(r"<(?=\S)", "&lt;", text)


_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # after \\ they would be read as its argument
    **{DASH: "--", DAGGER: r"$^\dagger$", "\0": "{}"},
}


def _for_latex(text: str) -> str:
    """Return *text* escaped for LaTeX."""
    if re.fullmatch(r"-?\d[\d.,]*( to -?\d[\d.]*)?", text):
        return text.replace("-", "$-$")
    text = re.sub(r"([-`',!?])(?=[-`',])", "\\1\0", text)  # no ligatures
    return "".join(_LATEX.get(sign, sign) for sign in text)
