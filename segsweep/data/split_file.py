"""A split from a CSV file that names the part of each image."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from segsweep.config.schema import SplitConfig
from segsweep.data.id_tables import assign, read_id_rows, unknown_lines
from segsweep.data.naming import PARTS_NAMED
from segsweep.data.parts import UNUSED, crossing_errors, empty_parts, error
from segsweep.data.source import Problem, Sample
from segsweep.errors import DataError

WORDS = {**PARTS_NAMED, UNUSED: UNUSED, "": UNUSED}
"""What a split file may say of an image, in lower case."""


def from_file(
    samples: Sequence[Sample],
    split: SplitConfig,
    problems: list[Problem],
    lone: Sequence[str] = (),
) -> list[str]:
    """Read the parts from a CSV with columns id and split; ids it does not name are unused.

    Errors are added to *problems*; without samples only those of the file itself. *lone* are
    files without a partner: they are in no sample.
    """
    where, long = f"data.split.file={split.file}", list[str]()
    ids = [sample.id for sample in samples]
    try:
        rows = read_id_rows(Path(str(split.file)).expanduser(), "split", long)
    except DataError as reason:
        problems.append(error(where, str(reason)))
        return [UNUSED] * len(samples)
    problems += [error(where, f"too many cells: line {line}") for line in long]
    for row in rows:
        if row.value.lower() not in WORDS:
            what = (
                f"unknown part: {row.value!r} (line {row.line}); allowed are train, val, test, "
                "or nothing for images that are not used"
            )
            problems.append(error(where, what))
    known = [replace(row, value=WORDS.get(row.value.lower(), UNUSED)) for row in rows]
    if not samples:
        return []
    found = assign(known, ids, where, "parts")
    problems += found.problems
    if found.unknown and not found.values:
        cell = found.unknown[0].cell.strip()
        what = f"ids not in the data: all, such as {cell!r}; ids look like {ids[0]!r}"
        problems.append(error(where, what))
    else:
        lines = unknown_lines(found.unknown, ids, lone)
        problems += [error(where, f"ids not in the data: {line}") for line in lines]
    parts = [found.values.get(name, UNUSED) for name in ids]
    problems += crossing_errors(samples, parts, split, where)
    if all(row.value.lower() in WORDS for row in rows):  # else a part may be meant by it
        said = [*parts, *(row.value for row in known if row.value not in parts)]
        problems += empty_parts(said, samples, split, where)
    return parts


def unreadable(split: SplitConfig) -> list[Problem]:
    """Return what is wrong with the split file itself, whatever the samples are."""
    problems: list[Problem] = []
    if split.file is not None:
        from_file((), split, problems)
    return problems
