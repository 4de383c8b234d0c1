"""CSV files that say something about each image by its id: reading them, and finding the ids."""

import csv
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path, PurePath

from segsweep.data.images import SUFFIXES
from segsweep.data.naming import Known
from segsweep.data.source import Problem
from segsweep.errors import DataError
from segsweep.system.csv_cells import exact
from segsweep.system.files import file_status
from segsweep.system.names import name_list, plural

SEPARATORS = ",;\t"
COMPARED = 200_000
"""Pairs of names that are compared to suggest ids; further unknown ids get no suggestion."""
FOLDERS = 3
"""Folders of a path that may be part of an id."""
SIGNS = {b"PK\x03\x04": "a spreadsheet", b"\xd0\xcf\x11\xe0": "a spreadsheet", b"%PDF": "a PDF"}
"""How files begin that people take for a CSV."""
WIDE = (b"\xff\xfe", b"\xfe\xff")
"""How a text in UTF-16 begins, which spreadsheets call Unicode text."""


@dataclass(frozen=True)
class IdRow:
    """A row of a table."""

    line: int
    cell: str
    """What stands for the id, as it is written."""
    value: str
    """What the row says, without spaces around it."""


@dataclass
class Assigned:
    """What a table says about the images."""

    values: dict[str, str] = field(default_factory=dict)
    """Id -> value."""
    unknown: list[IdRow] = field(default_factory=list)
    """Rows whose ids are of no image."""
    problems: list[Problem] = field(default_factory=list)
    """Rows that contradict each other, or fit several images."""


def read_id_rows(path: Path, column: str, extra: list[str] | None = None) -> list[IdRow]:
    """Return the rows of a CSV with the columns id and *column*; rows without both are left out.

    Columns are separated by commas, semicolons or tabs. Names of columns may be in other case,
    with spaces around them. A line is added to *extra* for each row with too many cells.

    Raises:
        DataError: the file cannot be read, or has not these columns; it is not named.

    """
    text = _text(path)
    first = next((line for line in text.splitlines() if line.strip() and not _is_sep(line)), "")
    separator = max(SEPARATORS, key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        lines = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise DataError(f"cannot be read as a CSV ({error})") from None
    rows = [(n, row) for n, row in lines if any(map(str.strip, row)) and not _is_sep(*row[:1])]
    header = [] if not rows else rows[0][1]
    where = [_column(header, name, column, first) for name in ("id", column)]
    if len(rows) < 2:
        raise DataError("has a header and no rows")
    found = []
    for line, row in rows[1:]:
        cell, value = (row[at] if at < len(row) else "" for at in where)
        if extra is not None and any(map(str.strip, row[len(header) :])):
            extra.append(f"{line} ({plural(len(row), 'cell')}, the header has {len(header)})")
        if cell.strip() or value.strip():
            found.append(IdRow(line, cell, value.strip()))
    return found


def _text(path: Path) -> str:
    try:
        file_status(path)
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from None
    kind = next((kind for sign, kind in SIGNS.items() if content.startswith(sign)), None)
    if kind is not None:
        raise DataError(f"cannot be read: it is {kind}; save it as CSV")
    try:
        text = content.decode("utf-16" if content.startswith(WIDE) else "utf-8-sig")
    except UnicodeDecodeError:
        line = content[: _first_wrong(content)].count(b"\n") + 1
        raise DataError(
            f"cannot be read: line {line} is not UTF-8 text; save it as CSV with the encoding UTF-8"
        ) from None
    if "\0" in text:
        raise DataError("cannot be read: it is not a text file; save it as CSV")
    return text


def _first_wrong(content: bytes) -> int:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _is_sep(line: str = "") -> bool:
    """Whether a line only tells a spreadsheet the separator: sep=;"""
    return line.strip().lower() in {f"sep={sign}".strip() for sign in SEPARATORS}


def _column(header: Sequence[str], name: str, other: str, first: str) -> int:
    """Return the position of a column; DataError if there is none, or more than one."""
    stripped = [cell.strip() for cell in header]
    ways = [stripped, [cell.casefold() for cell in stripped]]
    for cells in ways:
        if cells.count(name) == 1:
            return cells.index(name)
        if cells.count(name) > 1:
            raise DataError(f"has {cells.count(name)} columns called {name}; keep one")
    shown = first if len(first) <= 60 else f"{first[:60]}..."
    raise DataError(
        f"needs a header with the columns id and {other}; its first line is {shown.strip()!r}"
        if first
        else f"needs a header with the columns id and {other}; it is empty"
    )


def find_id(cell: str, known: Known[str]) -> str | None:
    """Return the id that a cell of a table means: itself, or a file's name or path with it."""
    return known.find(_texts(cell))


def _texts(cell: str) -> list[str]:
    """Return what a cell may say: a file of segsweep marks ids like formulas, a user's may not."""
    ways = dict.fromkeys((exact(cell), cell, exact(cell.strip())))
    return list(dict.fromkeys(text for way in ways for text in _ways(way)))


def _ways(cell: str) -> list[str]:
    text = cell.strip()
    path = PurePath(text.replace("\\", "/"))
    bare = [PurePath(word).stem for word in (text, path.name) if word.lower().endswith(SUFFIXES)]
    stem, folders = (bare or [path.name])[-1], path.parts[-2::-1][:FOLDERS]
    longer = [f"{folder}-{stem}" for folder in folders]  # ids of images whose names repeat
    longest = [f"{above}-{one}" for one in longer for above in folders]
    return [cell, text, *bare, *longer, *longest, path.name]


def known_ids(ids: Collection[str]) -> Known[str]:
    """Return *ids* to find again."""
    return Known((name, name) for name in ids)


def assign(rows: Sequence[IdRow], ids: Collection[str], where: str, what: str) -> Assigned:
    """Return what *rows* say about the images with these *ids*.

    *where* names the table in problems, and *what* the values, as in `two groups`.
    """
    known, found, lines = known_ids(ids), Assigned(), dict[str, int]()

    def note(text: str) -> None:
        found.problems.append(Problem("error", where, text))

    for row in rows:
        if not row.cell.strip():
            note(f"row without an id: line {row.line} ({row.value})")
            continue
        name = find_id(row.cell, known)
        if name is None:
            alike = sorted(known.alike(_texts(row.cell)))
            if alike:
                note(
                    f"id fits several images: {row.cell.strip()!r} (line {row.line}) may be "
                    f"{' or '.join(alike)}; write it as one of them"
                )
            else:
                found.unknown.append(row)
        elif found.values.setdefault(name, row.value) != row.value:
            note(
                f"two {what} for one image: {name} has {found.values[name] or 'none'} in line "
                f"{lines[name]} and {row.value or 'none'} in line {row.line}"
            )
        if name is not None:
            lines.setdefault(name, row.line)
    return found


def unknown_lines(
    rows: Sequence[IdRow], ids: Collection[str], lone: Sequence[str] = ()
) -> list[str]:
    """Return for each row with an unknown id what it is, and what may be meant.

    *lone* are files without a partner, which are not in the data for that reason.
    """
    names, looked = sorted(ids), max(1, COMPARED // max(1, len(ids)))
    lines, files = [], "\n".join(lone)
    for place, row in enumerate(rows):
        cell = row.cell.strip()
        alone = bool(lone) and _is_named(cell, files)
        close = _close(cell, names) if place < looked and not alone else []
        hint = f"did you mean {name_list([repr(name) for name in close], 3)}?" if close else ""
        hint = "a file of that name has no partner" if alone else hint
        if not hint and names:
            hint = f"ids look like {names[0]!r}"
        lines.append(f"{cell!r} (line {row.line}); {hint}".removesuffix("; "))
    return lines


def _is_named(cell: str, files: str) -> bool:
    """Whether the name in a cell is a whole word in the names of *files*."""
    stem = PurePath(cell).stem
    return re.search(rf"(?<![^\W_]){re.escape(stem)}(?![^\W_])", files, re.IGNORECASE) is not None


def _close(cell: str, names: Sequence[str]) -> list[str]:
    """Return the names that *cell* may mean: the same number, else the most similar one."""
    path = PurePath(cell)
    bare = path.stem if path.name.lower().endswith(SUFFIXES) else path.name
    number = _number(bare)
    same = [name for name in names if number is not None and _number(name) == number]
    return same[:3] or get_close_matches(bare, names, n=1, cutoff=0.6)


def _number(text: str) -> float | None:
    """Return the number that a text is: spreadsheets drop zeros in front and add decimals."""
    try:
        return float(text) if text.isascii() and text[:1].isdigit() else None
    except ValueError:
        return None
