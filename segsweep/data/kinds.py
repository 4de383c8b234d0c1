"""What the files in a folder can be: ways to take them for images and masks, to be tried.

Only `segsweep data` does; what is found is put into explicit keys.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product
from pathlib import Path, PurePosixPath

from segsweep.config.patterns import ANY_ID
from segsweep.data.guess import guess_patterns, guess_shared, is_image_word, is_mask_word
from segsweep.data.naming import PARTS_NAMED
from segsweep.data.pairing import below, files_below
from segsweep.errors import DataError

MOST_FOLDERS = 6
"""Folders beside each other that may each have a meaning of its own; more are cases or sites."""
MOST_KINDS = 5
"""Kinds of files in the folder of a case that are tried as images and masks."""
PARTLY = 0.5
"""Share of the images that a guessed pattern must give a mask, and of files that fit a meaning."""
PART = re.compile("|".join(sorted(PARTS_NAMED, key=len, reverse=True)), re.IGNORECASE)


def in_two(images: Path, masks: Path) -> Iterator[dict[str, str]]:
    """Yield arguments for a folder of images and a folder of masks."""
    names = [[below(path, folder) for path in files_below(folder)] for folder in (images, masks)]
    depths = [sorted({name.count("/") for name in some}) for some in names]
    base = {"images": str(images), "masks": str(masks)}
    plain = [[PurePosixPath(name).name for name in some] for some in names]
    if not all(depths):
        return
    nested = ["" if depth == [0] else "**/" for depth in depths]
    guessed = (guess_patterns(plain[0], plain[1], PARTLY, many) for many in (False, True))
    for patterns in ((ANY_ID, ANY_ID), *guessed):
        if patterns:
            yield base | _patterns(nested[0] + patterns[0], nested[1] + patterns[1])


def in_one(root: Path) -> Iterator[dict[str, str]]:
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
        words = _meant(folders, meaning)
        if words is None:
            continue
        case = words.index("{id}") if "{id}" in words else len(words)
        for level, word in enumerate(words[:case]):
            if word == folders[level]:
                plain[level].add(word)
        if case < len(words):
            kind = _without(folders[case], words[case + 1 :], file)
            found["/".join([*words[: case + 1], *kind])].append(file)
        else:
            found["/".join([*words, ""])].append(file)
    fit = sum(map(len, found.values())) >= PARTLY * len(names)
    if not fit or any(len(folders) > MOST_FOLDERS for folders in plain.values()):
        return None
    return _merged(found)


def _meant(folders: Sequence[str], meaning: Sequence[str]) -> list[str] | None:
    """Return the words that stand for a file's folders; None where it has no part."""
    words = []
    for level, folder in enumerate(folders):
        word = meaning[level] if level < len(meaning) else ""
        if word == "{split}" and not (word := _with_part(folder)):
            return None
        words.append(word or folder)
    return words if "{split}" not in meaning[len(folders) :] else None


def _with_part(folder: str) -> str:
    """Return a folder's name with {split} for its part: `{split}`, `{split}_masks`; or nothing."""
    for found in PART.finditer(folder):
        before, after = folder[: found.start()], folder[found.end() :]
        if (not before or not after) and all(
            not rest or not near.isalpha() or is_mask_word(rest) or is_image_word(rest)
            for rest, near in ((before, before[-1:]), (after, after[:1]))
        ):
            return f"{before}{{split}}{after}"
    return ""


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
    guessed = [
        guess_shared(names[0], many) if alike else guess_patterns(names[0], names[1], PARTLY, many)
        for many in (False, True)
    ]
    for patterns in (None if alike else (ANY_ID, ANY_ID), *guessed):
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
