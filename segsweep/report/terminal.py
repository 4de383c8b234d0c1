"""The answer and the tables in a terminal, whatever its width."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from segsweep.report.columns import (
    DASH,
    Column,
    columns_of,
    finished_first,
    headline,
    keys_of,
    one_line,
)

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.console import Console

MOST_CELLS = 40
LINES, USUAL_WIDTH = 12, 80
"""The answer takes at most this many lines of this many columns, and one that counts the rest."""
OF_EACH_KIND = 4
KINDS = {
    **{"settled": "settled", "unsettled": "open", "search": "search", "next": "next"},
    **{"notes": "note"},
}
MARK, NOTHING = "*", "-"
LEGEND = f"{MARK} may be the best: not ruled out, with 95 % confidence"
OWN_COLUMN = ("model", "loss", "cell")
"""Keys with a separate column each; the others share one."""
BESIDE = "differs in"
TITLES = {
    **{"ci_low": "95 %\ninterval", "diff_low": "95 %\ninterval", "sd_seeds": "sd\nseeds"},
    **{"p_best": "chance\nbest", "p_equal": "chance\nequal", "p_adjusted": "p"},
}
ORDER = (
    *("first", "second", "difference", "diff_low", "ci_low", "may_be_best", "p_best"),
    *("p_adjusted", "p_equal", "verdict", "seeds", "failed", "sd_seeds", "test_score"),
    *("parameters", "seconds"),
)
"""The columns after the mean; all others are only in the files."""
LEAST = (
    *("seconds", "parameters", "test_score", "p_equal", "sd_seeds", "p_best", "cells", "seeds"),
    *("second", "first", "failed", "p_adjusted", "verdict", "diff_low", "ci_low", "may_be_best"),
)
"""What is left out if there is no room, the least important first."""
NARROW, NARROWEST = 16, 4
"""Widths to which words are folded: before numbers are left out, and as a last step."""


@dataclass(frozen=True)
class _Layout:
    """The columns that fit, with their widths, and those that do not."""

    columns: list[Column]
    widths: list[int]
    gap: int
    left_out: list[Column]


def print_answer(
    answer: Mapping[str, Any],
    comparison: "DataFrame",
    *,
    metric: str = "iou",
    console: "Console | None" = None,
    title: str = "",
) -> None:
    """Print the result of a sweep: the headline in bold, more sentences, then the cells.

    Args:
        answer: as answer.json has it: headline; lists of sentences warnings, settled, unsettled,
            next and notes; claims, False where nothing can be said about methods.
        comparison: as comparison.csv.
        metric: what was compared.
        console: the target; None: standard output.
        title: printed above the table.

    Raises:
        ValueError: *comparison* is of another metric.

    """
    if headline(comparison) not in (None, f"test_{metric}", f"val_{metric}"):
        raise ValueError(f"comparison is of {headline(comparison)}, not of test_{metric}")
    console = console or _plain_console()
    _print_sentences(answer, console)
    if not len(comparison):
        return
    rows = finished_first(comparison)
    _print_lines(console, ["", *_wrapped(title, console)])
    below = _print_table(rows.head(MOST_CELLS), console, bool(answer.get("claims")))
    more = len(rows) - MOST_CELLS
    rest = f"and {more} more {'cell' if more == 1 else 'cells'}: comparison.csv"
    _print_lines(console, [*([rest] if more > 0 else []), *below])


def print_frame(
    frame: "DataFrame", *, console: "Console | None" = None, title: str = "", note: str = ""
) -> None:
    """Print averages over the rest, differences to a baseline, or a comparison of two sweeps.

    Args:
        frame: best first.
        console: the target; None: standard output.
        title: printed above the table, in bold.
        note: printed below it.

    """
    console = console or _plain_console()
    _print_lines(console, _wrapped(title, console), "bold")
    below = _print_table(finished_first(frame), console) if len(frame) else []
    _print_lines(console, [*below, *_wrapped(note, console)])


def print_line(text: str, console: "Console") -> None:
    """Print a sentence in lines of at most 80 columns."""
    _print_lines(console, _wrapped(text, console))


def _plain_console() -> "Console":
    from segsweep.system.console import console_on

    return console_on()


def _print_sentences(answer: Mapping[str, Any], console: "Console") -> None:
    """Print warnings and the headline, then as many sentences of each kind as fit."""
    said_first = [*(answer.get("warnings") or ()), answer["headline"]]
    first = [line for text in said_first for line in _wrapped(str(text), console)]
    _print_lines(console, first, "bold")
    indent = max(map(len, KINDS.values())) + 2
    said = {
        kind: [_wrapped(str(text), console, indent) for text in answer.get(kind) or ()]
        for kind in KINDS
    }
    room = LINES * max(USUAL_WIDTH / console.width, 1) - len(first)
    chosen = _chosen(said, room)
    for kind, label in KINDS.items():
        lines = [line for sentence in chosen[kind] for line in sentence]
        starts = [label, *[""] * len(lines)]
        _print_lines(console, [f"{starts[at]:{indent}}{line}" for at, line in enumerate(lines)])
    if more := sum(len(said[kind]) - len(chosen[kind]) for kind in KINDS):
        lines = _wrapped(f"and {more} more: report.html", console, indent)
        _print_lines(console, [f"{'':{indent}}{line}" for line in lines])


def _chosen(said: Mapping[str, list[list[str]]], room: float) -> dict[str, list[list[str]]]:
    """Return the sentences (as lines) that fit: the first of every kind, then the second."""
    chosen: dict[str, list[list[str]]] = {kind: [] for kind in said}
    for turn in range(OF_EACH_KIND):
        for kind, sentences in said.items():
            fits = len(chosen[kind]) == turn < len(sentences) and len(sentences[turn]) <= room
            if fits:
                chosen[kind].append(sentences[turn])
                room -= len(sentences[turn])
    return chosen


def _print_table(frame: "DataFrame", console: "Console", claims: bool = True) -> list[str]:
    """Print the rows of *frame*; return the lines that belong below them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    own = frame.drop(columns="data", errors="ignore")  # the same in all rows: the title names it
    layout = _fitted(_columns(own, claims, console), console.width)
    pad = (0, layout.gap - 1, 0, 0)
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=pad, pad_edge=False)
    for column, width in zip(layout.columns, layout.widths, strict=True):
        align: Literal["left", "right"] = "right" if column.number else "left"
        table.add_column(
            Text(column.title), justify=align, width=width, no_wrap=column.number, overflow="fold"
        )
    for texts in zip(*(column.texts for column in layout.columns), strict=True):
        table.add_row(*map(Text, texts))
    console.print(table)
    marked = any(col.name == "may_be_best" and MARK in col.texts for col in layout.columns)
    said = [LEGEND] if marked else []
    left_out = [" ".join(column.title.split()) for column in layout.left_out]
    said += [f"no room for {', '.join(filter(None, left_out))}"] if left_out else []
    return [line for words in said for line in _wrapped(words, console)]


def _columns(frame: "DataFrame", claims: bool, console: "Console") -> list[Column]:
    """Return the columns that a terminal shows, with shortened texts."""
    keys, head = keys_of(frame), headline(frame)
    found = {column.name: column for column in columns_of(frame, claims)}
    beside = [found[name] for name in keys if name in found and name not in OWN_COLUMN]
    names = dict.fromkeys((*OWN_COLUMN, BESIDE, "cells", head, *ORDER))
    if beside:
        found[BESIDE] = Column(BESIDE, BESIDE, _joined(beside), number=False)
    shown = [_short(found[name], name == head) for name in names if name in found]
    tall = any("\n" in column.title for column in shown)
    return [
        replace(
            column,
            title="\n" * (tall and "\n" not in column.title) + _printable(column.title, console),
            texts=tuple(_printable(text, console) for text in column.texts),
        )
        for column in shown
    ]


def _joined(columns: Sequence[Column]) -> tuple[str, ...]:
    """Return for each row its further keys, one per line: `epochs=80`."""
    rows = zip(*(column.texts for column in columns), strict=True)
    return tuple(
        "\n".join(f"{column.title}={text}" for column, text in pairs if text != DASH)
        for row in rows
        for pairs in [list(zip(columns, row, strict=True))]
    )


def _short(column: Column, head: bool) -> Column:
    """Return *column* as narrow as possible: `.8312 to .8801`."""
    title = TITLES.get(column.name, column.title)
    if head:
        tested = column.name.startswith("test_")
        title = f"test\n{column.title}" if tested else column.title.replace(" ", "\n", 1)
    texts = tuple(NOTHING if text == DASH else text for text in column.texts)
    if column.name == "may_be_best":
        marks = tuple(MARK if text == "yes" else "" for text in texts)
        return replace(column, title="", texts=marks, number=True)
    if column.number:
        texts = tuple(re.sub(r"(?<!\d)0\.(?=\d)", ".", text) for text in texts)
    return replace(column, title=title, texts=texts)


def _fitted(columns: Sequence[Column], width: int) -> _Layout:
    """Return what fits into *width*: the least important are left out, no number is cut."""
    natural = {column.name: _width(column) for column in columns}
    kept = list(columns)
    for name in LEAST:
        least = [natural[c.name] if c.number else min(natural[c.name], NARROW) for c in kept]
        if sum(least) + len(kept) - 1 <= width:
            break
        kept = [column for column in kept if column.name != name]
    widths = [natural[column.name] for column in kept]
    words = [at for at, column in enumerate(kept) if not column.number]
    while sum(widths) + len(kept) - 1 > width and words:
        widest = max(words, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            break
        widths[widest] -= 1
    gap = 2 if sum(widths) + 2 * (len(kept) - 1) <= width else 1
    left_out = [column for name in LEAST for column in columns if column.name == name]
    return _Layout(kept, widths, gap, [col for col in left_out if col not in kept])


def _width(column: Column) -> int:
    from rich.cells import cell_len

    return max(
        cell_len(line) for text in (column.title, *column.texts) for line in text.split("\n")
    )


def _wrapped(text: str, console: "Console", indent: int = 0) -> list[str]:
    """Return *text* in lines of at most 80 columns, less *indent*."""
    from rich.text import Text

    width = max(min(console.width, USUAL_WIDTH) - indent, NARROWEST)
    words = _printable(one_line(text), console)
    return [line.plain.rstrip() for line in Text(words).wrap(console, width)] if words else []


def _printable(text: str, console: "Console") -> str:
    """Return *text* with escapes for the characters that the terminal cannot show."""
    return text.encode(console.encoding, "backslashreplace").decode(console.encoding)


def _print_lines(console: "Console", lines: Sequence[str], style: str = "") -> None:
    from rich.text import Text

    for line in lines:
        console.print(Text(line, style))
