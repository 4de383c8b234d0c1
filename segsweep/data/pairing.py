"""Which image files and mask files belong together, by what patterns find in their names."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from segsweep.data.images import SUFFIXES, image_files
from segsweep.data.naming import Known, Name, NamePattern, composed
from segsweep.data.source import Problem
from segsweep.errors import DataError

Key: TypeAlias = tuple[str, str, str]
"""Part, folder and id of an image; part and folder are empty where a pattern has no such word."""
Files: TypeAlias = dict[Key, list[Path]]


def files_of(folder: Path, pattern: NamePattern, key: str) -> list[Path]:
    """Return the image files that *pattern* may be about: in *folder*, or also further down.

    Raises:
        DataError: there is no such folder, or nothing in it; *key* names it.

    """
    try:
        entries = sum(1 for _ in folder.iterdir())
        found = image_files(folder) if pattern.depth == 0 else files_below(folder, pattern.depth)
    except OSError as error:
        raise DataError(f"{folder}: not a folder to read: {error.strerror}; see {key}") from None
    if not found:
        where = "folders inside are not searched" if pattern.depth == 0 else "with folders inside"
        raise DataError(
            f"{folder}: no images: none of its {entries} entries ends in {' '.join(SUFFIXES)} "
            f"({where}); see {key}"
        )
    return found


def files_below(folder: Path, depth: int | None = None) -> list[Path]:
    """Return the image files in *folder* and folders inside, *depth* of them at most; sorted.

    What is hidden is left out, and a folder that a link leads to a second time.
    """
    found, seen = [], set()
    for place, folders, _ in os.walk(folder, followlinks=True):
        below = len(Path(place).relative_to(folder).parts)
        real = os.path.realpath(place)
        wanted = [] if real in seen or below == depth else folders
        folders[:] = sorted(n for n in wanted if not n.startswith((".", "__MACOSX")))
        if real not in seen:
            found += image_files(Path(place))
        seen.add(real)
    return sorted(found)


def below(path: Path, folder: Path) -> str:
    """Return a file's name relative to *folder*, with slashes."""
    return path.relative_to(folder).as_posix()


def images_by_key(
    paths: Sequence[Path], folder: Path, pattern: NamePattern, shared: set[str]
) -> Files:
    """Return the images by what they have in common with their masks."""
    found: Files = {}
    for path in paths:
        found.setdefault(key_of(pattern.names(below(path, folder))[0], shared), []).append(path)
    return dict(sorted(found.items()))


def masks_by_image(
    paths: Sequence[Path], folder: Path, pattern: NamePattern, images: Files, shared: set[str]
) -> tuple[Files, list[Problem]]:
    """Return the masks by the keys of *images*, and a warning where upper case is different.

    The longest id that an image has counts; a mask without an image has a key of its own.
    """
    known = Known(("/".join(key), key) for key in images)
    found: Files = {}
    problems = []
    for path in paths:
        keys = [key_of(name, shared) for name in pattern.names(below(path, folder))]
        image = known.find(["/".join(key) for key in keys])
        if image is not None and image not in keys:
            written = {composed("/".join(key)) for key in keys}
            if composed("/".join(image)) not in written:
                what = "mask and image differ in upper and lower case: taken as a pair"
                problems.append(Problem("warning", path.name, what))
        found.setdefault(image or keys[0], []).append(path)
    return dict(sorted(found.items())), problems


def beside_images(
    paths: Sequence[Path], folder: Path, image_name: NamePattern, mask_name: NamePattern
) -> list[Path]:
    """Return the files of one folder that fit *mask_name* with the id of another file."""
    shared = image_name.holes & mask_name.holes
    named = [(path, below(path, folder)) for path in paths]
    known = {key_of(one, shared) for _, name in named for one in image_name.names(name)[:1]}
    return [
        path
        for path, name in named
        if any(key_of(one, shared) in known for one in mask_name.names(name))
    ]


def key_of(name: Name, shared: set[str]) -> Key:
    """Return the key of a name; *shared* are the words that images and masks both have."""
    part = name.part if "split" in shared else ""
    return part, name.folder if "folder" in shared else "", name.id


def ids_of(images: Files) -> dict[Key, str]:
    """Return an id for each image: {id}; with part and folder before it if some occur twice."""
    plain = [key[2] for key in images]
    if len({*plain}) == len(plain):
        return {key: key[2] for key in images}
    return {key: "-".join(filter(None, key)) for key in images}


def repeated(what: str, files: Files) -> list[Problem]:
    """Return an error for each file beside the first of its key."""
    return [
        Problem("error", str(path), f"{what}: {key[2]!r} is also {paths[0].name}; keep one")
        for key, paths in files.items()
        for path in paths[1:]
    ]
