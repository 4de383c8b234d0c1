"""Which samples belong together, from a CSV file."""

from collections.abc import Collection
from pathlib import Path

from segsweep.data.id_tables import assign, read_id_rows, unknown_lines
from segsweep.data.source import Problem
from segsweep.errors import DataError


def read_groups(path: Path, names: Collection[str]) -> tuple[dict[str, str], list[Problem]]:
    """Return id -> group from a CSV file with the columns id and group, and its problems.

    An id may be written with the ending of its file, in other case or with spaces around it. Ids
    that only one side has are warnings. A file that cannot be read, contradicts itself or names
    none of the samples is an error among the problems.
    """
    where, long = str(path), list[str]()
    try:
        rows = read_id_rows(path, "group", long)
    except DataError as error:
        return {}, [Problem("error", where, str(error))]
    whole = [row for row in rows if row.value]
    found = assign(whole, names, where, "groups")
    problems = [
        *(Problem("error", where, f"too many cells: line {line}") for line in long),
        *(
            Problem("error", where, f"row without a group: line {row.line} ({row.cell.strip()})")
            for row in rows
            if not row.value
        ),
        *found.problems,
    ]
    if not found.values and not problems:
        given = whole[0].cell.strip()
        what = f"names none of the images: its ids look like {given!r}, theirs like {min(names)!r}"
        return {}, [Problem("error", where, what)]
    what = "in the groups file, but not a pair of files"
    lacking = [name for name in names if name not in found.values]
    return found.values, [
        *problems,
        *(Problem("warning", name, "not in the groups file") for name in lacking),
        *(
            Problem("warning", f"{row.cell.strip()}{_hint(line)}", what)
            for row, line in zip(found.unknown, unknown_lines(found.unknown, lacking), strict=True)
        ),
    ]


def unreadable_groups(path: Path | None) -> list[str]:
    """Return a line on a groups file that cannot be read."""
    try:
        if path is not None:
            read_id_rows(path, "group")
    except DataError as error:
        return [f"{path}: {error}"]
    return []


def groups_from(path: Path, names: Collection[str]) -> dict[str, str]:
    """Return id -> group from a file that `read_groups` reads; DataError with all its errors."""
    groups, problems = read_groups(path, names)
    errors = [problem for problem in problems if problem.level == "error"]
    if errors:
        raise DataError("\n".join(f"{one.where}: {one.what}" for one in errors))
    return groups


def _hint(line: str) -> str:
    """Return what an unknown id may mean; empty where none is close."""
    _, _, hint = line.partition("; did you mean ")
    return f" (did you mean {hint})" if hint else ""
