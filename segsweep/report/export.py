"""A table ready to paste into a paper or a README: CSV, Markdown, LaTeX or HTML."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

FORMS = ("csv", "md", "latex", "html")
DASH, DAGGER = "–", "†"
NO_CLAIM = "Nothing is marked: no claim about methods can be made from this."
NO_BEST = "Nothing is marked: none can be called the best by itself."
ALSO_BEST = "may be the best as well: nothing is better at the 5 % level over all pairs."
ONLY_BEST = ", and nothing else{} may be the best (5 % level over all pairs)."
BASELINE = "Differences are to the baseline; their intervals and p hold together."
SWEEPS = "Difference: first less second; intervals and p hold for all rows together."
LABELS = {"iou": "IoU", "dice": "Dice", "mcc": "MCC"}
ENDS = {"ci_low": "ci_high", "diff_low": "diff_high"}
"""Lower -> upper end of an interval; they share a column."""
ABOUT_BEST, WORDS = ("may_be_best", "p_best"), ("may_be_best", "verdict")
METRIC = ("test_", "val_")


@dataclass(frozen=True)
class Column:
    """A column as people read it."""

    name: str
    """In the frame; of an interval its lower end."""
    title: str
    texts: tuple[str, ...]
    """For each row; DASH where there is nothing."""
    number: bool = True
    best: frozenset[int] = frozenset()
    """Rows of the highest mean."""
    tied: frozenset[int] = frozenset()
    """Other rows that may be the best."""


def pasted(frame: "DataFrame", form: str, *, claims: bool = True) -> str:
    """Return a table as text that ends with a line break.

    CSV is data: every column under its own name, with all digits. The other forms show the columns
    that hold something, the highest mean in bold, and daggers at others that may be the best.

    Args:
        frame: cells as in comparison.csv, or averages over the rest, or differences to a
            baseline, or of two sweeps; best first.
        form: one of FORMS.
        claims: False where nothing can be said about methods: then nothing is marked.

    Raises:
        ValueError: *form* is none.

    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}; got {form!r}")
    rows = finished_first(frame)
    if form == "csv":
        return str(rows.to_csv(index=False, lineterminator="\n"))
    write = {"md": _markdown, "latex": _latex, "html": _html}[form]
    return write(columns_of(rows, claims), note_of(rows, claims))


def finished_first(frame: "DataFrame") -> "DataFrame":
    """Return *frame* with the rows that have no mean at its end."""
    name = headline(frame)
    empty = [False] * len(frame) if name is None else frame[name].isna().tolist()
    return frame.iloc[sorted(range(len(frame)), key=empty.__getitem__)]


def headline(frame: "DataFrame") -> str | None:
    """Return the column of what was compared, test_<metric>; None between two sweeps."""
    return next((str(name) for name in frame.columns if str(name).startswith("test_")), None)


def keys_of(frame: "DataFrame") -> list[str]:
    """Return the columns that name a row: model, loss, what else was swept."""
    names = [str(name) for name in frame.columns]
    measured = [at for at, name in enumerate(names) if name.startswith(METRIC) or name in BEFORE]
    return names[: min(measured, default=len(names))]


def columns_of(frame: "DataFrame", claims: bool = True) -> list[Column]:
    """Return the columns that hold something: names, the mean, its interval, then the rest."""
    rows, head = frame.to_dict("records"), headline(frame)
    kept = _key_columns(keys_of(frame), rows)
    for name in _measured(frame):
        texts = tuple(_text(row, name, SHOWN.get(name, _number)) for row in rows)
        empty = set(texts) <= ({DASH, "0"} if name == "failed" else {DASH})
        if (name == head or not empty) and (claims or name not in ABOUT_BEST):
            title = metric_label(name) if name.startswith(METRIC) else TITLES.get(name, name)
            kept.append(Column(name, title, texts, name not in WORDS))
    best, tied = _best_and_tied(frame, claims)
    return [replace(col, best=best, tied=tied) if col.name == head else col for col in kept]


def note_of(frame: "DataFrame", claims: bool = True) -> str:
    """Return in one line what bold and dagger mean, or why nothing is marked."""
    name = headline(frame)
    finished = len(frame) if name is None else int(frame[name].notna().sum())
    if not claims or finished == 0:
        return NO_CLAIM if finished else "Nothing is finished."
    if name is None:
        return SWEEPS
    best, tied = _best_and_tied(frame, claims)
    if not best:
        return "Nothing to compare: one row has finished runs." if finished == 1 else NO_BEST
    if tied or "difference" in frame:
        return f"Bold: the highest mean. {f'{DAGGER} {ALSO_BEST}' if tied else BASELINE}"
    only = sum(map(_is_true, frame.get("may_be_best", ()))) == 1
    so_far = " that is finished" if finished < len(frame) else ""
    return f"Bold: the highest mean{ONLY_BEST.format(so_far) if only else '.'}"


def metric_label(name: str) -> str:
    """Return `IoU` for `test_iou`, `val Dice` for `val_dice`."""
    split, _, metric = name.partition("_")
    label = LABELS.get(metric, metric.replace("_", " "))
    return label if split == "test" else f"{split} {label}"


def one_line(text: str) -> str:
    """Return *text* without line breaks and signs that steer a terminal or a page."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _best_and_tied(frame: "DataFrame", claims: bool) -> tuple[frozenset[int], frozenset[int]]:
    """Return the positions of the highest mean, and of others that may be the best too."""
    name, said = headline(frame), frame.get("may_be_best")
    unsaid = said is not None and said.isna().all()  # no loss is best without its architecture
    if name is None or not claims or unsaid or frame[name].notna().sum() < 2:
        return frozenset(), frozenset()
    known = [] if said is None else said.tolist()
    judged = frame[name] if said is None else frame[name].where(said.notna())
    best = frozenset(at for at, value in enumerate(judged) if value == judged.max())
    may = frozenset(at for at, value in enumerate(known) if _is_true(value))
    return best, may - best if len(may) > 1 else frozenset()


def _is_true(value: Any) -> bool:
    """Whether a value that may be missing, or read back as text, says yes."""
    return str(value) == "True"


Show = Callable[[Any], str]
Row = Mapping[Any, Any]


def _number(value: float) -> str:
    return f"{round(value, 4) + 0.0:.4f}"  # + 0.0: no -0.0000


def _chance(value: float) -> str:
    if value < 0.005:
        return "< 0.01"
    return f"{value:.2f}" if value < 0.995 else "> 0.99"


def _p(value: float) -> str:
    from segsweep.stats.wording.phrases import p_text

    return p_text(value).removeprefix("p ").removeprefix("= ")


def _word(value: Any) -> str:
    """Return 80 for the 80.0 that a column with gaps makes of it."""
    whole = isinstance(value, float) and value.is_integer()
    return one_line(str(int(value) if whole else value)) or DASH


BEFORE = (
    *("first", "second", "difference", "diff_low", "ci_low", "p_adjusted", "p_equal", "verdict"),
    *("may_be_best", "p_best", "cells", "seeds", "failed", "sd_seeds", "sd_images"),
)
AFTER = ("lr", "parameters", "seconds")
TITLES = {
    **{"ci_low": "95 % interval", "diff_low": "95 % interval", "parameters": "params"},
    **{"p_adjusted": "p (adjusted)", "p_best": "chance best", "p_equal": "chance equal"},
    **{"sd_seeds": "sd (seeds)", "sd_images": "sd (images)", "may_be_best": "may be best"},
}
SHOWN: dict[str, Show] = {
    **dict.fromkeys(("p_best", "p_equal"), _chance),
    **dict.fromkeys(("cells", "seeds", "failed", "parameters", "seconds"), "{:,.0f}".format),
    **{"p_adjusted": _p, "lr": "{:.3g}".format},
    **{"verdict": _word, "may_be_best": lambda value: "yes" if _is_true(value) else "no"},
}


def _measured(frame: "DataFrame") -> list[str]:
    """Return the measured columns that *frame* has, in their order; rows show the ranks."""
    names = [str(name) for name in frame.columns[len(keys_of(frame)) :]]
    first, *others = [name for name in names if name.startswith(METRIC)] or [""]
    return [name for name in (first, *BEFORE, *others, *AFTER) if name in names]


def _key_columns(keys: Sequence[str], rows: Sequence[Row]) -> list[Column]:
    """Return a column per key, under its last part where that tells it apart."""
    short = [name.rpartition(".")[2] for name in keys]
    columns = []
    for name, last in zip(keys, short, strict=True):
        texts = tuple(_text(row, name, _word) for row in rows)
        title = last if short.count(last) == 1 and last not in BEFORE else name
        if not rows or set(texts) != {DASH}:
            columns.append(Column(name, one_line(title), texts, number=False))
    return columns


def _text(row: Row, name: str, show: Show) -> str:
    from pandas import isna

    if isna(row[name]):
        return DASH
    if name in ENDS:
        return f"{show(row[name])} to {show(row[ENDS[name]])}"
    return _verdict(row) if name == "verdict" else show(row[name])


def _verdict(row: Row) -> str:
    """Return the verdict; of a cell against the baseline without a and b."""
    if "first" in row or not str(row["verdict"]).endswith("better"):
        return _word(row["verdict"])
    return "better" if row["difference"] > 0 else "worse"


def _lines(columns: Sequence[Column], escaped: Show, bold: str, dagger: str) -> list[list[str]]:
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
    return text.encode("ascii", "xmlcharrefreplace").decode()  # a fragment names no charset


def _for_markdown(text: str) -> str:
    """Return *text* so that Markdown shows it as it is; `bce_ss` and `< 0.001` need nothing."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text)
    text = re.sub(r"[\\`*~|$]|(?<![^\W_])_|_(?![^\W_])|(?<=\])\(", r"\\\g<0>", text)
    return re.sub(r"<(?=\S)", "&lt;", text)


_LATEX = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    **{"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
    **{sign: f"{{{sign}}}" for sign in "[]*"},  # after \\ they would be an argument of it
    **{DASH: "--", DAGGER: r"$^\dagger$", "\0": "{}"},
}


def _for_latex(text: str) -> str:
    """Return *text* so that LaTeX sets it as it is."""
    if re.fullmatch(r"-?\d[\d.,]*( to -?\d[\d.]*)?", text):
        return text.replace("-", "$-$")
    text = re.sub(r"([-`',!?])(?=[-`',])", "\\1\0", text)  # no ligatures
    return "".join(_LATEX.get(sign, sign) for sign in text)
