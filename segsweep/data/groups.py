"""Which samples belong together, from a CSV file."""

import csv
from collections.abc import Collection, Iterator
from pathlib import Path

from segsweep.data.naming import find_id, known_ids
from segsweep.data.source import Problem
from segsweep.errors import DataError
from segsweep.system.files import file_status


def read_groups(path: Path, names: Collection[str]) -> tuple[dict[str, str], list[Problem]]:
    """Return id -> group from a CSV file, and a warning for each id that only one side has.

    An id may be written with the ending of its file, in other case or with spaces around it.

    Raises:
        DataError: the file cannot be read, contradicts itself, or names none of the samples.

    """
    groups: dict[str, str] = {}
    known = known_ids(names)
    for line, cell, group in _rows(path):
        if not cell or not group:
            raise DataError(f"{path}: line {line} needs an id and a group: {cell!r}, {group!r}")
        name = find_id(cell, known) or cell
        if groups.setdefault(name, group) != group:
            raise DataError(f"{path}: {name!r} has two groups: {groups[name]!r} and {group!r}")
    if not groups.keys() & set(names):
        raise DataError(f"{path}: names none of the images: their ids look like {min(names)!r}")
    absent = sorted(groups.keys() - set(names))
    return groups, [
        *(Problem("warning", n, "not in the groups file") for n in names if n not in groups),
        *(Problem("warning", n, "in the groups file, but not a pair of files") for n in absent),
    ]


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    try:
        file_status(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            names = rows.fieldnames or ()
            if not {"id", "group"} <= set(names):
                raise DataError(f"{path}: its first line must be id,group: got {','.join(names)!r}")
            for row in rows:
                yield rows.line_num, (row["id"] or "").strip(), (row["group"] or "").strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: cannot be read: {error}; a CSV with the columns id,group is needed"
        ) from None
