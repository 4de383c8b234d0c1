"""The images of a folder, in order, and the names under which results about them are stored."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from segsweep.data.decoding import Decoding
from segsweep.data.images import SUFFIXES, to_rgb
from segsweep.data.raster import decode
from segsweep.data.source import Raw
from segsweep.errors import DataError

MOST_PIXELS = 400_000_000
"""Of an image that is predicted: 20,000 x 20,000. More is taken for a decompression bomb."""


@dataclass(frozen=True)
class ImageFile:
    """An image, and the name of what is stored about it."""

    path: Path
    name: str
    """Its path in the folder, with `/`; unique."""
    stem: str
    """The name without its ending; with it, if several images differ in that alone."""


def images_in(folder: Path, left_out: Path | None = None) -> list[ImageFile]:
    """Return the images in *folder* and the folders in it, sorted by name; hidden ones left out.

    Args:
        folder: of images.
        left_out: a folder in it whose images are results.

    Raises DataError if there is no such folder or no image in it.

    """
    if not folder.is_dir():
        what = "not a folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}; give a folder of images")
    names = []
    skipped = None if left_out is None else left_out.resolve()
    for above, folders, files in os.walk(folder, onerror=_refuse):
        here = Path(above)
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and (here / name).resolve() != skipped
        ]
        names += [
            (here / name).relative_to(folder).as_posix()
            for name in files
            if not name.startswith(".") and name.lower().endswith(SUFFIXES)
        ]
    if not names:
        raise DataError(f"{folder}: no image in it; endings are {', '.join(SUFFIXES)}")
    counts = Counter(_stem(name) for name in names)
    return [
        ImageFile(folder / name, name, _stem(name) if counts[_stem(name)] == 1 else name)
        for name in sorted(names)
    ]


def read_image(path: Path, how: Decoding) -> Raw:
    """Return an image as training sees it, (H, W, 3); DataError names the file and the reason."""
    return to_rgb(decode(path, how))


def _stem(name: str) -> str:
    """Return a name without its ending; of `slice.nii.dcm`, only the last one goes."""
    return name.removesuffix(Path(name).suffix)


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from error
