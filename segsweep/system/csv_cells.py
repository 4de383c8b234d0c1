"""Text cells of CSV files: a spreadsheet shows them and never runs them as formulas.

A text that a spreadsheet may take for a formula, such as an image called `=cmd`, is written with
an apostrophe in front, and read without it. Numbers stay as they are, negative ones too.
"""

import io
import re
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")
STARTS = "=+\\-@\t\r\n＝＋－＠"
"""First characters of formulas, wide signs too, for a class of a regular expression."""
_FORMULA = re.compile(f"'*[{STARTS}]")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE | re.ASCII)


def safe(value: object) -> object:
    """Return a cell as it is written: a text like a formula gets an apostrophe in front."""
    if not isinstance(value, str) or not _FORMULA.match(value) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def exact(cell: T) -> T | str:
    """Return the text that `safe` wrote; other cells, as in older files, are unchanged."""
    marked = isinstance(cell, str) and cell.startswith("'") and _FORMULA.match(cell)
    return cell[1:] if isinstance(cell, str) and marked else cell


class Lines(io.StringIO):
    """Collects the rows of a CSV writer; they end with a line feed alone.

    The writer ends them with END: before Python 3.13 it puts quotes around a line break in a
    cell only if END contains that character.
    """

    END = "\r\n"

    def write(self, row: str) -> int:
        """Add one row."""
        return super().write(f"{row.removesuffix(self.END)}\n")


def frame_text(frame: "DataFrame", *, header: bool = True) -> str:
    """Return a table as CSV, with its text cells made safe."""
    texts = _text_columns(frame)
    written = frame.assign(**{name: frame[name].map(safe) for name in texts}) if texts else frame
    lines = Lines()
    written.to_csv(lines, index=False, header=header, lineterminator=Lines.END)
    return lines.getvalue()


def exact_frame(frame: "DataFrame") -> "DataFrame":
    """Return a table that was read from a file, with the exact text of its cells."""
    texts = [name for name in _text_columns(frame) if frame[name].map(_is_marked).any()]
    return frame.assign(**{name: frame[name].map(exact) for name in texts}) if texts else frame


def _text_columns(frame: "DataFrame") -> list[str]:
    return [name for name in frame.columns if frame[name].dtype.kind == "O"]


def _is_marked(value: object) -> bool:
    return isinstance(value, str) and value.startswith("'")
