"""Finds out how a folder's images and masks are laid out. Only `segsweep data` does: training
takes explicit keys.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path, PurePosixPath

from segsweep.data.folder import Folder
from segsweep.data.guess import guess_patterns, guess_shared, is_image_word, is_mask_word
from segsweep.data.mask_values import looks_like_mask
from segsweep.data.naming import ANY_ID, PARTS_NAMED
from segsweep.data.pairing import below, files_below
from segsweep.data.pairs import Pairs, read_table
from segsweep.data.source import Problem, Sample
from segsweep.errors import DataError

MOST_FOLDERS = 6
"""Folders beside each other that may each have a meaning of its own; more are cases or sites."""
MOST_KINDS = 5
"""Kinds of files in the folder of a case that are tried as images and masks."""
PARTLY = 0.5
"""Share of the images that a guessed pattern must give a mask."""
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


def find_layout(places: Sequence[Path]) -> Layout:
    """Return the layout of a folder, of a folder of images and one of masks, or of a CSV.

    Raises:
        DataError: no pairs are found.

    """
    if len(places) == 1 and places[0].is_file():
        return _of_table(places[0])
    if len(places) == 1:
        tables = [path for path in sorted(places[0].glob("*.csv")) if _columns(path)]
        if len(tables) == 1:
            return _of_table(tables[0])
        return _best(places[0], list(_in_one(places[0])), files_below(places[0]))
    images, masks = places
    files = [*files_below(images), *files_below(masks)]
    layout = _best(images, list(_in_two(images, masks)), files)
    if looks_exchanged(layout.samples):
        other = _best(masks, list(_in_two(masks, images)), files)
        return Layout(
            other.option, other.arguments, other.samples, other.problems, other.left_over, True
        )
    return layout


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
    """Return the layout with most pairs; of those the first, which is the simplest."""
    found: list[tuple[int, Layout]] = []
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
        score -= len(left) > 0
        found.append((score, Layout("folder", arguments, samples, problems, left)))
    whole = [one for one in found if one[1].samples]
    if not whole:
        raise DataError(
            f"{root}: no pairs of images and masks found in {len(files)} image files; name the "
            "patterns: segsweep data data=folder data.images=... (docs/own-data.md)"
        )
    return max(whole, key=lambda one: one[0])[1]


def _in_two(images: Path, masks: Path) -> Iterator[dict[str, str]]:
    """Yield arguments for a folder of images and a folder of masks."""
    names = [[below(path, folder) for path in files_below(folder)] for folder in (images, masks)]
    depths = [sorted({name.count("/") for name in some}) for some in names]
    base = {"images": str(images), "masks": str(masks)}
    plain = [[PurePosixPath(name).name for name in some] for some in names]
    if not all(depths):
        return
    nested = ["" if depth == [0] else "**/" for depth in depths]
    for guessed in ((ANY_ID, ANY_ID), guess_patterns(plain[0], plain[1], PARTLY)):
        if guessed:
            yield base | _patterns(nested[0] + guessed[0], nested[1] + guessed[1])


def _in_one(root: Path) -> Iterator[dict[str, str]]:
    """Yield arguments for a folder with everything inside, simpler ones first."""
    names = [below(path, root) for path in files_below(root)]
    if not names:
        raise DataError(f"{root}: no images in it or in folders inside")
    depth = max(name.count("/") for name in names)
    for meaning in sorted(product(*[MEANINGS] * min(depth, 3)), key=_complexity):
        if max(meaning.count("{id}"), meaning.count("{folder}"), meaning.count("{split}")) > 1:
            continue
        kinds = _kinds(names, meaning)
        if kinds is None:
            continue
        for image, mask in _pairs_of(root, kinds):
            yield from _arguments(root, image, mask, kinds)


MEANINGS = ("", "{split}", "{id}", "{folder}")
"""What the folders of one level can be: names of their own, parts, cases, or sites."""


def _complexity(meaning: Sequence[str]) -> tuple[int, list[int]]:
    return sum(map(bool, meaning)), [MEANINGS.index(word) for word in meaning]


def _kinds(names: Sequence[str], meaning: Sequence[str]) -> dict[str, list[str]] | None:
    """Return the files by kind, a pattern of folders; None where the meaning does not fit."""
    found: dict[str, list[str]] = defaultdict(list)
    plain: dict[int, set[str]] = defaultdict(set)
    for name in names:
        *folders, file = name.split("/")
        words = []
        for level, folder in enumerate(folders):
            word = meaning[level] if level < len(meaning) else ""
            if word == "{split}" and folder.lower() not in PARTS_NAMED:
                return None
            if not word and "{id}" not in words:
                plain[level].add(folder)
            words.append(word or folder)
        if "{id}" in words:
            level = words.index("{id}")
            kind = _without(folders[level], words[level + 1 :], file)
            found["/".join([*words[: level + 1], *kind])].append(file)
        else:
            found["/".join([*words, ""])].append(file)
    if any(len(folders) > MOST_FOLDERS for folders in plain.values()):
        return None
    return _merged(found)


def _without(case: str, folders: Sequence[str], file: str) -> list[str]:
    """Return folders and file with stars for a case's name, and for the number after it."""
    stem, dot, ending = file.rpartition(".")
    starred = re.sub(r"(^|\*)[-_ .]*[0-9]+$", "*", stem.replace(case, "*"))
    return [*(folder.replace(case, "*") for folder in folders), starred + dot + ending]


def _merged(kinds: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return kinds in which files of one folder that all have other names are one kind."""
    beside: dict[str, set[str]] = defaultdict(set)
    for kind in kinds:
        beside[kind.rpartition("/")[0]].add(kind)
    found: dict[str, list[str]] = defaultdict(list)
    for kind, files in kinds.items():
        folder, _, name = kind.rpartition("/")
        if "{id}" in folder and len(beside[folder]) > MOST_KINDS:
            kind = f"{folder}/*{name[name.rfind('.') :]}"
        found[kind] += files
    return dict(found)


def _pairs_of(root: Path, kinds: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    """Yield kinds that can be images and masks; those whose names say so come first."""
    common = sorted(kinds, key=lambda kind: (-len(kinds[kind]), kind))[:MOST_KINDS]
    pairs = [*permutations(common, 2), *((kind, kind) for kind in common)]
    yield from sorted(pairs, key=lambda pair: -_says_so(*pair))


def _says_so(image: str, mask: str) -> int:
    return (
        2 * (is_mask_word(mask) and not is_mask_word(image))
        + is_image_word(image)
        - 2 * (is_mask_word(image) and not is_mask_word(mask))
    )


def _arguments(
    root: Path, image: str, mask: str, kinds: Mapping[str, list[str]]
) -> Iterator[dict[str, str]]:
    """Yield the arguments of `Folder` for kinds of images and masks."""
    if "{id}" in image or "{id}" in mask:
        if "{id}" in image and "{id}" in mask and image != mask:
            yield from _placed(root, image, mask)
        return
    names = [sorted({*kinds[kind]}) for kind in (image, mask)]
    alike = image == mask
    guessed = guess_shared(names[0]) if alike else guess_patterns(names[0], names[1], PARTLY)
    for patterns in (None if alike else (ANY_ID, ANY_ID), guessed):
        if patterns:
            yield from _placed(root, image + patterns[0], mask + patterns[1])


def _placed(root: Path, image: str, mask: str) -> Iterator[dict[str, str]]:
    """Yield arguments in which fixed folders at the start of a pattern are its folder."""
    (images, image_name), (masks, mask_name) = _cut(root, image), _cut(root, mask)
    place = {"images": str(images)} | ({} if images == masks else {"masks": str(masks)})
    yield place | _patterns(image_name, mask_name)


def _cut(root: Path, pattern: str) -> tuple[Path, str]:
    parts = pattern.split("/")
    while len(parts) > 1 and "{" not in parts[0] and "*" not in parts[0]:
        root /= parts.pop(0)
    return root, "/".join(parts)


def _patterns(image_name: str, mask_name: str) -> dict[str, str]:
    given = {"image_name": image_name, "mask_name": mask_name}
    return {key: pattern for key, pattern in given.items() if pattern != ANY_ID}
