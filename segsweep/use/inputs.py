"""The images of a folder, in order, and the names under which results about them are stored."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segsweep.data.decoding import Decoding
from segsweep.data.images import SUFFIXES, to_rgb
from segsweep.data.raster import decode
from segsweep.data.source import Raw
from segsweep.errors import ConfigError, DataError, UnnamedError
from segsweep.system.files import resolved

MOST_PIXELS = 400_000_000
"""Of an image that is predicted: 20,000 x 20,000. More is taken for a decompression bomb."""

KINDS = ("masks", "probabilities", "overlays")
"""The folders of results about images."""
SETTINGS = "predictions.json"
"""Which networks made them, and how; the sign of a folder of results."""


@dataclass(frozen=True)
class ImageFile:
    """An image, and the name of what is stored about it."""

    path: Path
    name: str
    """Its path in the folder, with `/`; unique."""
    stem: str
    """The name without its ending; with it, or a number too, where others would have the same."""
    refused: str = ""
    """Why nothing can be read or stored of it: a folder that may not be listed, a name that is not
    UTF-8; empty for an image."""


def images_in(folder: Path, out: Path | None = None) -> list[ImageFile]:
    """Return the images in *folder* and the folders in it, sorted by name; hidden ones left out.

    Args:
        folder: of images. Folders in it that hold predictions are left out; one that cannot be
            listed stands for its images, with the reason.
        out: where the results will be.

    Raises:
        DataError: there is no such folder, or no image in it.
        ConfigError: results would lie among the images.

    """
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}; give a folder of images")
    if out is not None:
        _check_apart(folder, out)
    names: list[str] = []
    refused: dict[str, str] = {}

    def note(error: OSError) -> None:
        place = Path(error.filename)
        reason = f"{place}: cannot be read: {error.strerror}"
        if place == folder:
            raise DataError(reason) from error
        refused[place.relative_to(folder).as_posix()] = reason

    skipped = None if out is None else resolved(out)
    for above, folders, files in os.walk(folder, onerror=note):
        here = Path(above)
        if here != folder and (SETTINGS in files or resolved(here) == skipped):
            folders.clear()
            continue
        folders[:] = [name for name in folders if not name.startswith(".")]
        names += [
            (here / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".") and name.lower().endswith(SUFFIXES)
        ]
    for name in [name for name in names if _not_text(name)]:
        names.remove(name)
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        refused[shown] = f"{folder / shown}: its name is not UTF-8; rename it"
    if not names and not refused:
        raise DataError(f"{folder}: no image in it; endings are {', '.join(SUFFIXES)}")
    stems = _stems(sorted([*names, *refused]))
    return [
        ImageFile(folder / name, name, stem, refused.get(name, "")) for name, stem in stems.items()
    ]


def _not_text(name: str) -> bool:
    """Whether a name on the disk is not UTF-8, so that no table can hold it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return True
    return False


def read_image(path: Path, how: Decoding) -> Raw:
    """Return an image as training sees it, (H, W, 3); DataError names the file and the reason."""
    try:
        return to_rgb(decode(path, how))
    except UnnamedError as error:  # the sweep has named what it could
        raise DataError(error.without_key) from error


def _check_apart(folder: Path, out: Path) -> None:
    """Raise ConfigError if what is written would lie among the images, or replace them."""
    images, results = resolved(folder), resolved(out)
    if images == results or any(images.is_relative_to(results / kind) for kind in KINDS):
        raise ConfigError(
            f"--out {out}: its masks would lie among the images in {folder}; name another folder"
        )


def _stems(names: Sequence[str]) -> dict[str, str]:
    """Return name -> stem; no two are equal, also where a disk ignores the case of letters.

    Nor has a file the name of a folder: an image `x.bmp` beside a folder `x.png`.
    """
    shared = Counter(_stem(name).casefold() for name in names)
    whole = {name.casefold() for name in names}
    above = {str(folder).casefold() for name in names for folder in PurePosixPath(name).parents}
    taken = {_stem(folder) for folder in above}
    found: dict[str, str] = {}
    for name in names:
        short, number = _stem(name), 1
        alone = shared[short.casefold()] == 1 and short.casefold() not in whole
        stem = short if alone else name
        while stem.casefold() in taken:
            number += 1
            stem = f"{name}-{number}"
        taken.add(stem.casefold())
        found[name] = stem
    return found


def _stem(name: str) -> str:
    """Return a name without its ending; of `slice.nii.dcm`, only the last one goes."""
    return name.removesuffix(Path(name).suffix)
