"""Lines and tables that fit the terminal; a pipe or a file gets every text in full."""

import shutil
import sys
import textwrap
from collections.abc import Sequence

LEAST_NAME, LEAST_TEXT = 10, 24
"""Characters that a shortened name, or a longer text, keeps."""


def screen_width() -> int | None:
    """Return the columns of the terminal; None if standard output is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of equal length as lines with aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def fitted(rows: Sequence[Sequence[str]], width: int | None, text: int | None = None) -> list[str]:
    """Return aligned rows at most *width* wide; None: as wide as they are.

    Where they do not fit, the column *text* is cut at its end, then the names in the first
    column in their middle: their ends tell runs and cells apart.
    """
    table = [list(row) for row in rows]
    if width is None:
        return aligned(table)
    for column, least, shorten in ((text, LEAST_TEXT, cut_end), (0, LEAST_NAME, cut_middle)):
        over = max(map(len, aligned(table))) - width
        if column is not None and over > 0:
            longest = max(len(row[column]) for row in table)
            for row in table:
                row[column] = shorten(row[column], max(longest - over, least))
    return [cut_end(line, width) for line in aligned(table)]


def wrapped(line: str, width: int | None, indent: str = "") -> list[str]:
    """Return a sentence as lines at most *width* wide; paths and names are not broken."""
    if width is None or len(line) <= width:
        return [line]
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def cut_end(text: str, room: int) -> str:
    """Return *text* in at most *room* characters, without its end."""
    return text if len(text) <= room else f"{text[: room - 1]}…"


def cut_middle(text: str, room: int) -> str:
    """Return *text* in at most *room* characters, without its middle."""
    if len(text) <= room:
        return text
    head = (room - 1) // 2
    return f"{text[:head]}…{text[len(text) - (room - 1 - head) :]}"
