"""Divide samples into train, validation and test: drawn, by folds, or from a file."""

import csv
import heapq
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segsweep.config.schema import SplitConfig
from segsweep.data.naming import Known, find_id, known_ids, some
from segsweep.data.source import Sample
from segsweep.errors import ConfigError, DataError
from segsweep.system.csv_cells import exact
from segsweep.system.files import csv_text, file_status, write_if_changed

PARTS = ("train", "val", "test")
UNUSED = "unused"
COLUMNS = ("id", "group", "split")


def split_samples(samples: Sequence[Sample], split: SplitConfig) -> list[str]:
    """Return the part of each sample: train, val, test or unused.

    *samples* are sorted by id; the same ids, groups and settings give the same parts on
    every machine (numpy's legacy generator is frozen). Raises DataError or ConfigError.
    """
    if split.file is not None:
        return from_file(samples, Path(split.file).expanduser(), split.keep_groups)
    if split.given:
        return as_given(samples, split)
    if split.fold is not None:
        return by_fold(samples, split)
    return at_random(samples, split)


def at_random(samples: Sequence[Sample], split: SplitConfig) -> list[str]:
    """Draw the parts: a permutation of the sorted samples, filled into train, val, test.

    Without groups this is the original experiment's split for its seed, 42.
    """
    sizes = part_sizes(len(samples), split)
    room = dict(zip(PARTS, sizes, strict=True))
    groups = _shuffled_groups(samples, split)
    parts = _fill(samples, groups, room)
    if sum(sizes) == len(samples):
        _fill_up(parts, groups, room)
    return _none_empty(parts, samples)


def by_fold(samples: Sequence[Sample], split: SplitConfig) -> list[str]:
    """Test on fold `split.fold` of `split.folds`, draw validation from the rest.

    Each sample is in the test part of exactly one fold; `split.train` and `split.test`
    are not used: training gets everything outside test and validation.
    """
    fold = split.fold
    if fold is None or fold >= split.folds:
        raise ConfigError(
            f"data.split.fold={fold}: must be below data.split.folds, which is {split.folds}"
        )
    smallest_first = [(0, number) for number in range(split.folds)]  # a heap: images, fold
    tested: set[int] = set()
    rest = []
    for group in _shuffled_groups(samples, split):
        members, smallest = smallest_first[0]
        heapq.heapreplace(smallest_first, (members + len(group), smallest))
        if smallest == fold:
            tested.update(group)
        else:
            rest.append(group)
    room = {"val": _count("val", split.val, len(samples)), "train": len(samples)}
    parts = _fill(samples, rest, room)
    parts = ["test" if index in tested else part for index, part in enumerate(parts)]
    return _none_empty(parts, samples)


def from_file(samples: Sequence[Sample], path: Path, keep_groups: bool) -> list[str]:
    """Read the parts from a CSV with columns id and split; ids it does not name are unused."""
    try:
        file_status(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"data.split.file={path}: cannot be read ({error})") from error
    if not rows or not {"id", "split"} <= set(rows[0]):
        raise ConfigError(f"data.split.file={path}: needs a header with the columns id and split")
    wanted: dict[str, str] = {}
    known = known_ids([sample.id for sample in samples])
    for row in rows:
        name, part = _id_of(row["id"] or "", known), (row["split"] or "").strip()
        if wanted.setdefault(name, part) != part:
            raise ConfigError(
                f"data.split.file={path}: {name} is in {wanted[name] or UNUSED} "
                f"and in {part or UNUSED}"
            )
    unknown = sorted(set(wanted) - {sample.id for sample in samples})
    odd = sorted(set(wanted.values()) - {*PARTS, UNUSED, ""})
    if unknown or odd:
        what = f"split {odd[0]!r}; allowed are {', '.join(PARTS)}" if odd else ""
        if unknown:
            ids = f"{some(unknown, 5)}; ids look like {min(one.id for one in samples)!r}"
            what = "; ".join(filter(None, [f"ids not in the data: {ids}", what]))
        raise ConfigError(f"data.split.file={path}: {what}")
    parts = [wanted.get(sample.id) or UNUSED for sample in samples]
    crossing = crossing_groups(samples, parts)
    if keep_groups and crossing:
        raise ConfigError(
            f"data.split.file={path}: {crossing[0]}; data.split.keep_groups=false allows it"
        )
    return _none_empty(parts, samples)


def as_given(samples: Sequence[Sample], split: SplitConfig) -> list[str]:
    """Return the parts that the data give; without a val, draw it from the training images."""
    without = [sample.id for sample in samples if sample.part is None]
    if without:
        raise ConfigError(
            f"data.split.given=true: the data give no part for {len(without)} of {len(samples)} "
            f"images, such as {some(without)}; parts come from {{split}} in data.image_name, or "
            "from data.split_column of data=pairs"
        )
    parts = [sample.part or UNUSED for sample in samples]
    crossing = crossing_groups(samples, parts)
    if split.keep_groups and crossing:
        raise ConfigError(
            f"data.split.given=true: {crossing[0]}; data.split.keep_groups=false allows it"
        )
    if "val" not in parts:
        rows = [row for row, part in enumerate(parts) if part == "train"]
        train = [samples[row] for row in rows]
        room = {"val": _count("val", split.val, len(train))}
        drawn = _fill(train, _shuffled_groups(train, split), room)
        for row, part in zip(rows, drawn, strict=True):
            parts[row] = part if part == "val" else "train"
    return _none_empty(parts, samples)


def _id_of(cell: str, known: Known[str]) -> str:
    """Return the id in a cell: a file of segsweep marks ids like formulas, a user's may not."""
    return find_id(exact(cell), known) or find_id(cell, known) or cell


def crossing_groups(samples: Sequence[Sample], parts: Sequence[str]) -> list[str]:
    """Return a line for each group with samples in more than one used part."""
    sides: dict[str, list[str]] = defaultdict(list)
    for sample, part in zip(samples, parts, strict=True):
        if part != UNUSED:
            sides[sample.group].append(f"{sample.id} in {part}")
    return [
        f"group {group} is split up: {', '.join(placed)}"
        for group, placed in sides.items()
        if len({text.rsplit(" ", 1)[1] for text in placed}) > 1
    ]


def part_sizes(total: int, split: SplitConfig) -> list[int]:
    """Return the numbers of train, val and test samples; three shares of 1 use all of them."""
    wanted = [split.train, split.val, split.test]
    sizes = [_count(name, value, total) for name, value in zip(PARTS, wanted, strict=True)]
    if all(value < 1 for value in wanted) and abs(sum(wanted) - 1) < 1e-9:
        sizes[0] = total - sizes[1] - sizes[2]
    if sum(sizes) > total or min(sizes) < 1:
        raise DataError(
            f"data.split wants {sizes[0]} train, {sizes[1]} val and {sizes[2]} test images; "
            f"there are {total}; set data.split.train, .val and .test"
        )
    return sizes


def write_split(path: Path, samples: Sequence[Sample], parts: Sequence[str]) -> None:
    """Write id, group and split of each sample as CSV."""
    write_if_changed(path, split_text(samples, parts))


def split_text(samples: Sequence[Sample], parts: Sequence[str]) -> str:
    """Return id, group and split of each sample as CSV."""
    rows = [
        {"id": sample.id, "group": sample.group, "split": part}
        for sample, part in zip(samples, parts, strict=True)
    ]
    return csv_text(rows, COLUMNS)


def _count(name: str, value: float, total: int) -> int:
    if value < 1:
        return round(value * total)
    if value != int(value):
        raise ConfigError(
            f"data.split.{name}={value}: a share below 1, or a whole number of images"
        )
    return int(value)


def _shuffled_groups(samples: Sequence[Sample], split: SplitConfig) -> list[list[int]]:
    order = np.random.RandomState(split.seed).permutation(len(samples))
    groups: dict[str, list[int]] = {}
    for index in order:
        name = samples[index].group if split.keep_groups else samples[index].id
        groups.setdefault(name, []).append(int(index))
    return list(groups.values())


def _fill(samples: Sequence[Sample], groups: list[list[int]], room: dict[str, int]) -> list[str]:
    """Put each group into the first part that has room for the whole of it."""
    parts = [UNUSED] * len(samples)
    for group in groups:
        part = next((name for name, free in room.items() if free >= len(group)), None)
        if part is not None:
            _put(group, part, parts, room)
    return parts


def _fill_up(parts: list[str], groups: list[list[int]], room: dict[str, int]) -> None:
    """Put each group that fits nowhere into the part with most room: no image is lost."""
    for group in groups:
        if parts[group[0]] == UNUSED:
            _put(group, max(room, key=lambda name: room[name]), parts, room)


def _put(group: list[int], part: str, parts: list[str], room: dict[str, int]) -> None:
    room[part] -= len(group)
    for index in group:
        parts[index] = part


def _none_empty(parts: list[str], samples: Sequence[Sample]) -> list[str]:
    empty = [name for name in PARTS if name not in parts]
    if empty:
        groups = len({sample.group for sample in samples})
        among = "" if groups == len(samples) else f" in {groups} groups"
        raise DataError(
            f"data.split leaves no images for {', '.join(empty)} of {len(samples)}{among}"
        )
    return parts
