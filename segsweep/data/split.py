"""Divide samples into train, validation and test: drawn, by folds, or from a file."""

import heapq
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from segsweep.config.schema import SplitConfig
from segsweep.data.check import ProblemsError, format_problems
from segsweep.data.parts import PARTS, UNUSED, crossing_errors, empty_parts, error
from segsweep.data.source import Problem, Sample
from segsweep.data.split_file import from_file
from segsweep.system.files import csv_text, write_if_changed
from segsweep.system.names import name_list

COLUMNS = ("id", "group", "split")


def split_samples(samples: Sequence[Sample], split: SplitConfig) -> list[str]:
    """Return the part of each sample: train, val, test or unused.

    *samples* are sorted by id; the same ids, groups and settings give the same parts on
    every machine (numpy's legacy generator is frozen). Raises ProblemsError.
    """
    parts, problems = divide(samples, split)
    if problems:
        raise ProblemsError(problem_text(problems), problems, samples)
    return parts


def problem_text(problems: Sequence[Problem], folder: Path | None = None) -> str:
    """Return what is wrong: one line without a label, or a list as `format_problems` makes it."""
    if len(problems) == 1:
        return f"{problems[0].where}: {problems[0].what}"
    return format_problems(problems, folder)


def divide(
    samples: Sequence[Sample], split: SplitConfig, lone: Sequence[str] = ()
) -> tuple[list[str], list[Problem]]:
    """Return the part of each sample, and all errors; with errors the parts mean nothing.

    *lone* are files without a partner: they are in no sample.
    """
    problems: list[Problem] = []
    if split.file is not None:
        return from_file(samples, split, problems, lone), problems
    if split.given:
        return as_given(samples, split, problems), problems
    draw = at_random if split.fold is None else by_fold
    parts = draw(samples, split, problems)
    if not problems:
        problems += empty_parts(parts, samples, split)
    return parts, problems


def at_random(samples: Sequence[Sample], split: SplitConfig, problems: list[Problem]) -> list[str]:
    """Draw the parts: a permutation of the sorted samples, filled into train, val, test.

    Without groups this is the original experiment's split for its seed, 42.
    """
    sizes = part_sizes(len(samples), split, problems)
    room = dict(zip(PARTS, sizes, strict=True))
    groups = _shuffled_groups(samples, split)
    parts = _fill(samples, groups, room)
    if sum(sizes) == len(samples):
        _fill_up(parts, groups, room)
    return parts


def by_fold(samples: Sequence[Sample], split: SplitConfig, problems: list[Problem]) -> list[str]:
    """Test on fold `split.fold` of `split.folds`, draw validation from the rest.

    Each sample is in the test part of exactly one fold; `split.train` and `split.test`
    are not used: training gets everything outside test and validation.
    """
    fold = split.fold
    if fold is None or fold >= split.folds:
        what = f"must be below data.split.folds, which is {split.folds}"
        problems.append(error(f"data.split.fold={fold}", what))
        return [UNUSED] * len(samples)
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
    room = {"val": _count("val", split.val, len(samples), problems), "train": len(samples)}
    parts = _fill(samples, rest, room)
    return ["test" if index in tested else part for index, part in enumerate(parts)]


def as_given(samples: Sequence[Sample], split: SplitConfig, problems: list[Problem]) -> list[str]:
    """Return the parts that the data give; without a val, draw it from the training images."""
    where = "data.split.given=true"
    without = [sample.id for sample in samples if sample.part is None]
    if without:
        what = (
            f"the data give no part for {len(without)} of {len(samples)} images, such as "
            f"{name_list(without, 3)}; parts come from {{split}} in data.image_name, or from "
            "data.split_column of data=pairs"
        )
        problems.append(error(where, what))
    parts = [sample.part or UNUSED for sample in samples]
    problems += crossing_errors(samples, parts, split, where)
    if "val" not in parts:
        rows = [row for row, part in enumerate(parts) if part == "train"]
        train = [samples[row] for row in rows]
        room = {"val": _count("val", split.val, len(train), problems)}
        drawn = _fill(train, _shuffled_groups(train, split), room)
        for row, part in zip(rows, drawn, strict=True):
            parts[row] = part if part == "val" else "train"
    if not without:
        problems += empty_parts(parts, samples, split, where)
    return parts


def part_sizes(total: int, split: SplitConfig, problems: list[Problem]) -> list[int]:
    """Return the numbers of train, val and test samples; three shares of 1 use all of them."""
    wanted = [split.train, split.val, split.test]
    sizes = [
        _count(name, value, total, problems) for name, value in zip(PARTS, wanted, strict=True)
    ]
    if all(value < 1 for value in wanted) and abs(sum(wanted) - 1) < 1e-9:
        sizes[0] = total - sizes[1] - sizes[2]
    needed = sizes if split.test else sizes[:2]
    if sum(sizes) > total or min(needed) < 1:
        what = (
            f"wants {sizes[0]} train, {sizes[1]} val and {sizes[2]} test images; "
            f"there are {total}; set data.split.train, .val and .test"
        )
        problems.append(error("data.split", what))
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


def _count(name: str, value: float, total: int, problems: list[Problem]) -> int:
    if value < 1:
        return round(value * total)
    if value != int(value):
        what = "a share below 1, or a whole number of images"
        problems.append(error(f"data.split.{name}={value}", what))
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
