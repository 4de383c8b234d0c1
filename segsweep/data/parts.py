"""The parts of a split: which there are, which may be empty, and groups that are in several."""

from collections import defaultdict
from collections.abc import Sequence

from segsweep.config.schema import SplitConfig
from segsweep.data.source import Problem, Sample
from segsweep.system.names import plural

PARTS = ("train", "val", "test")
UNUSED = "unused"
WHY = {
    "train": "a run needs images to train on",
    "val": "the best epoch is selected on validation images",
}
"""What a part is needed for; without a test part, runs are judged by validation only."""


def error(where: str, what: str) -> Problem:
    """Return an error of a split."""
    return Problem("error", where, what)


def crossing_groups(samples: Sequence[Sample], parts: Sequence[str]) -> list[str]:
    """Return a line for each group with samples in more than one used part."""
    return [
        f"group {group} is split up: {', '.join(placed)}"
        for group, placed in _crossing(samples, parts).items()
    ]


def crossing_warnings(samples: Sequence[Sample], parts: Sequence[str]) -> list[Problem]:
    """Return a warning for each group with samples in more than one used part."""
    return [
        Problem("warning", f"{group} ({', '.join(placed)})", "groups are split up")
        for group, placed in _crossing(samples, parts).items()
    ]


def crossing_errors(
    samples: Sequence[Sample], parts: Sequence[str], split: SplitConfig, where: str
) -> list[Problem]:
    """Return an error for each such group, unless `split.keep_groups` allows them."""
    crossing = _crossing(samples, parts) if split.keep_groups else {}
    return [
        error(
            where,
            f"group is split up: {group} has {', '.join(placed)}; "
            "data.split.keep_groups=false allows it",
        )
        for group, placed in crossing.items()
    ]


def _crossing(samples: Sequence[Sample], parts: Sequence[str]) -> dict[str, list[str]]:
    """Return group -> where its samples are, of groups in more than one used part."""
    sides: dict[str, list[str]] = defaultdict(list)
    used: dict[str, set[str]] = defaultdict(set)
    for sample, part in zip(samples, parts, strict=True):
        if part != UNUSED:
            sides[sample.group].append(f"{sample.id} in {part}")
            used[sample.group].add(part)
    return {group: placed for group, placed in sides.items() if len(used[group]) > 1}


def empty_parts(
    parts: Sequence[str], samples: Sequence[Sample], split: SplitConfig, where: str = ""
) -> list[Problem]:
    """Return an error if a part that is needed has no image.

    A split that the data or a file give, named by *where*, may be without a test part; one that
    is drawn only with data.split.test=0.
    """
    tested = not where and (split.test or split.fold is not None)
    needed = PARTS if tested else PARTS[:2]
    empty = [part for part in needed if part not in parts]
    found = []
    if empty:
        groups = len({sample.group for sample in samples})
        among = "" if groups == len(samples) else f" in {plural(groups, 'group')}"
        why = "".join(f"; {WHY[part]}" for part in empty if part in WHY)
        what = f"leaves no images for {', '.join(empty)} of {len(samples)}{among}{why}"
        found.append(error(where or "data.split", what))
    if where and not split.test and "test" in parts:
        what = f"{where} has {plural(parts.count('test'), 'test image')}; set only one of both"
        found.append(error("data.split.test=0", what))
    return found
