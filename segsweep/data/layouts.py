"""Finds out how a folder's images and masks are laid out. Only `segsweep data` does: training
takes explicit keys.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segsweep.config.patterns import ANY_ID
from segsweep.data.dicom import check_readable
from segsweep.data.folder import Folder
from segsweep.data.images import SUFFIXES
from segsweep.data.kinds import in_one, in_two
from segsweep.data.mask_values import alpha_varies, looks_like_mask, mark_the_same
from segsweep.data.pairing import files_below
from segsweep.data.pairs import Pairs, read_table
from segsweep.data.source import Problem, Sample
from segsweep.errors import DataError

PLACED = ("images", "masks", "image_name", "mask_name")
"""Arguments of `Folder` that say which files are pairs."""
MOST_OTHERS = 2
"""Other masks of the same images that are named."""
GROUP_COLUMNS = ("group", "patient", "patient_id", "lesion", "lesion_id", "case", "subject")


@dataclass(frozen=True)
class Layout:
    """How images and masks were found, as arguments of a data set of `conf/data/`."""

    option: str
    arguments: Mapping[str, str]
    samples: list[Sample]
    problems: list[Problem]
    left_over: list[str] = field(default_factory=list)
    """Image files that are neither an image nor a mask of a pair."""
    exchanged: bool = False
    """Whether images and masks were named the other way round."""
    others: Sequence["Layout"] = ()
    """Layouts with other masks of the same images."""


def find_layout(places: Sequence[Path], given: Mapping[str, str] | None = None) -> Layout:
    """Return the layout of a folder, of a folder of images and one of masks, or of a CSV.

    *given* are arguments of `Folder` that the user names.

    Raises:
        DataError: no pairs are found.

    """
    given = given or {}
    if len(places) == 1 and places[0].is_file():
        return _of_table(places[0])
    if len(places) == 1:
        tables = [path for path in sorted(places[0].glob("*.csv")) if _columns(path)]
        if len(tables) == 1:
            return _of_table(tables[0])
        files = files_below(places[0])
        tried = [*in_one(places[0]), *_own_alpha(places[0], files)]
        return _best(places[0], _as_given(tried, given), files)
    images, masks = places
    files = [*files_below(images), *files_below(masks)]
    layout = _best(images, _as_given(in_two(images, masks), given), files)
    if looks_exchanged(layout.samples):
        other = _best(masks, _as_given(in_two(masks, images), given), files)
        return replace(other, exchanged=True)
    return layout


def _as_given(tried: Iterable[dict[str, str]], given: Mapping[str, str]) -> list[dict[str, str]]:
    """Return what is tried, as far as the user leaves it open: not at all if images are named."""
    own = {key: given[key] for key in PLACED if key in given}
    return [own] if "images" in own else [one | own for one in tried]


def looks_exchanged(samples: Sequence[Sample]) -> bool:
    """Whether the first images look like masks, and their masks like photographs."""
    first = samples[:3]
    return bool(first) and all(
        one.image is not None
        and one.mask is not None
        and looks_like_mask(one.image)
        and not looks_like_mask(one.mask)
        for one in first
    )


def _looks_right(samples: Sequence[Sample]) -> bool:
    """Whether some masks look like masks, and their images do not."""
    some_of = samples[:: max(1, len(samples) // 3)]
    return all(
        one.image is not None
        and one.mask is not None
        and looks_like_mask(one.mask)
        and not looks_like_mask(one.image)
        for one in some_of
    )


def _of_table(path: Path) -> Layout:
    columns = _columns(path)
    if not columns:
        raise DataError(f"{path}: no table of pairs: needs the columns image and mask")
    arguments = {"file": str(path), **columns}
    samples, problems = Pairs(path, **columns).find()  # type: ignore[arg-type]
    if not samples:
        raise DataError(f"{path}: none of its pairs is there: {problems[0].what}")
    return Layout("pairs", arguments, samples, problems)


def _columns(path: Path) -> dict[str, str]:
    """Return the arguments of `Pairs` for a table's columns; empty if it is no table of pairs."""
    try:
        rows = read_table(path)
    except DataError:
        return {}
    header = {name.lower(): name for name in (rows[0][1] if rows else {})}
    if not {"image", "mask"} <= {*header}:
        return {}
    found = {"image_column": header["image"], "mask_column": header["mask"]}
    group = next((header[name] for name in GROUP_COLUMNS if name in header), "group")
    found |= {"group_column": group, "split_column": header.get("split", "split")}
    usual = {"image": "image", "mask": "mask", "group": "group", "split": "split"}
    return {k: v for k, v in found.items() if v != usual[k.removesuffix("_column")]} or {
        "image_column": header["image"]
    }


def _best(root: Path, tried: Sequence[dict[str, str]], files: Sequence[Path]) -> Layout:
    """Return the layout with most pairs; of those one that unites masks, or else the simplest."""
    found: list[tuple[int, bool, Layout]] = []
    for arguments in tried:
        try:
            source = Folder(**arguments, unmatched="skip")  # type: ignore[arg-type]
            samples, problems = source.find()
        except (DataError, ValueError):
            continue
        used = {path for one in samples for path in one.files}
        left = [str(path) for path in files if path not in used]
        errors = sum(problem.level == "error" for problem in problems)
        score = (2 * len(samples) if _looks_right(samples) else len(samples)) - errors
        parts = [one for one in samples if one.more_masks]
        same = bool(parts) and masks_overlap(parts)
        score -= 2 if same else len(left) > 0
        layout = Layout("folder", arguments, samples, problems, left)
        found.append((score, bool(parts) and not same, layout))
    whole = [one for one in found if one[2].samples]
    if not whole:
        check_readable(files)
        raise DataError(
            f"{root}: no pairs of images and masks found in {len(files)} image files"
            f"{_unread(root)}; name the patterns: segsweep data data=folder data.images=... "
            "(docs/own-data.md), or save masks of other kinds as images"
        )
    best = max(whole, key=lambda one: one[:2])[2]
    return replace(best, others=_others(best, [one[2] for one in whole]))


def _others(best: Layout, found: Sequence[Layout]) -> list[Layout]:
    """Return layouts whose masks are none of the best one's: of another thing or person."""
    images, masks = _files(best.samples, 0), _files(best.samples, 1)
    others: list[Layout] = []
    for one in sorted(found, key=lambda one: -len(one.samples)):
        own = _files(one.samples, 1)
        is_new = not any(own & _files(other.samples, 1) for other in others)
        shared = len(images & _files(one.samples, 0)) >= len(images) / 4
        if shared and is_new and not own & (masks | images) and _looks_right(one.samples):
            others.append(one)
    return others[:MOST_OTHERS]


def _files(samples: Sequence[Sample], place: int) -> set[Path]:
    """Return the images of samples, or their masks, with *place* 0 or 1."""
    return {path for one in samples for path in (one.files[1:] if place else one.files[:1])}


def _unread(root: Path) -> str:
    """Return which other kinds of files a folder holds, the most frequent first."""
    endings = Counter(path.suffix.lower() for path in root.rglob("*.*") if path.is_file())
    others = [one for one in endings.most_common() if one[0] not in SUFFIXES][:3]
    names = ", ".join(f"{count} {ending}" for ending, count in others)
    return f" (files of other kinds: {names})" if names else ""


def masks_overlap(samples: Sequence[Sample]) -> bool:
    """Whether the masks of one image mark the same, as those of several people do."""
    some_of = [one for one in samples if one.more_masks][:3]
    return bool(some_of) and all(mark_the_same(tuple(one.files[1:])) for one in some_of)


def _own_alpha(root: Path, files: Sequence[Path]) -> Iterator[dict[str, str]]:
    """Yield arguments for images that hold their masks in their alpha channels."""
    if all(map(alpha_varies, files[:: max(1, len(files) // 3)])):
        nested = any(path.parent != root for path in files)
        name = {"image_name": f"**/{ANY_ID}", "mask_name": f"**/{ANY_ID}"} if nested else {}
        yield {"images": str(root), "foreground": "alpha", **name}
