"""Images and masks as training needs them, from decoded files: RGB, and what is foreground."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from segsweep.data.decoding import Decoding
from segsweep.data.dicom import ENDING
from segsweep.data.foreground import Foreground, Selected, select
from segsweep.data.raster import AS_STORED, TURNS, Raster, decode
from segsweep.data.source import Pixels, Raw, Sample
from segsweep.errors import DataError

READER_VERSION = 1
"""Raise when the same files would give other pixels; part of every source's signature."""

LATER = (".npy", ".webp", ENDING)
"""Endings that the first release did not take for images."""
SUFFIXES = (".bmp", ".png", ".tif", ".tiff", ".gif", ".jpg", ".jpeg", *LATER)
"""File name endings taken for images, the lossless ones of the first release first."""


def image_files(folder: Path) -> list[Path]:
    """Return the files with an image's ending, sorted by name, hidden files left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    )


def without_copies(paths: list[Path]) -> list[Path]:
    """Leave out copies with an ending that the first release did not take, and DICOM originals."""
    older = {path.with_suffix("") for path in paths if path.suffix.lower() not in LATER}
    return [
        path
        for path in paths
        if path.suffix.lower() not in LATER or path.with_suffix("") not in older
    ]


def read_mask(path: Path, foreground: Foreground, how: Decoding = AS_STORED) -> Selected:
    """Return what the rule finds in a mask file."""
    return select(decode(path, how.for_mask(foreground.alpha)), foreground)


def read_sample(sample: Sample, foreground: Foreground, how: Decoding = AS_STORED) -> Pixels:
    """Read an image with its mask, both the way the image is shown; several masks are united.

    A mask with an orientation tag of its own is turned by that. One without, beside an image
    that is turned, may have been drawn on the stored pixels or on the shown image. Where the
    sizes tell (a quarter turn, not square) they decide. Where they do not (half turns,
    mirrored, square) the mask is taken to lie on the stored pixels and turned with its image;
    if it was drawn on the shown image, turn the image file for good and drop its tag. A mask of
    one page belongs to the page that is read of its image.
    """
    if sample.image is None or sample.mask is None:
        raise DataError(f"{sample.id}: needs the files of an image and of a mask")
    try:
        image = decode(sample.image, how)
    except DataError as first:
        try:
            read_mask(sample.mask, foreground, how)
        except DataError as second:
            raise DataError(f"{first}; and {second}") from first  # all that is wrong, at once
        raise
    if how.page is not None and how.page > image.pages == 1:
        raise DataError(f"{sample.image}: has one page: there is no data.page={how.page}")
    found = _mask_beside(image, sample.mask, foreground, how)
    for path in sample.more_masks:
        more = _mask_beside(image, path, foreground, how)
        if more.mask.shape != found.mask.shape:
            this, other = ("x".join(map(str, one.mask.shape)) for one in (more, found))
            raise DataError(f"{path}: sizes differ: mask {this}, {sample.mask.name} {other}")
        found = found.united(more, foreground.invert)
    is_deep = image.values.dtype == np.uint16 and how.span is None
    brightest = int(image.values.max()) if is_deep else None
    mask = np.ascontiguousarray(found.mask)
    ignored = None if found.ignored is None else np.ascontiguousarray(found.ignored)
    return Pixels(to_rgb(image), mask, found.grey, found.unnamed, brightest, ignored)


def _mask_beside(image: Raster, path: Path, foreground: Foreground, how: Decoding) -> Selected:
    """Return what the rule finds in a mask file, the way its image is shown."""
    mask = decode(path, how.for_mask(foreground.alpha))
    found = select(mask, foreground)
    if image.orientation == 1 or mask.orientation != 1:
        return found
    ignored = None if found.ignored is None else _turn_with(image, found.ignored, mask.path)
    return replace(found, mask=_turn_with(image, found.mask, mask.path), ignored=ignored)


def _turn_with(image: Raster, mask: Raw, path: Path) -> Raw:
    shown = image.values.shape[:2]
    stored = shown[::-1] if image.orientation >= 5 else shown
    if mask.shape == stored:
        return TURNS[image.orientation](mask)
    if mask.shape == shown:
        return mask
    raise DataError(
        f"{path}: sizes differ: mask {mask.shape[0]}x{mask.shape[1]}, image "
        f"{stored[0]}x{stored[1]} as stored, {shown[0]}x{shown[1]} as shown (orientation tag "
        f"{image.orientation})"
    )


def to_rgb(raster: Raster) -> Raw:
    """Return a decoded file as an image, (H, W, 3), uint8 or uint16.

    An alpha channel is dropped, not blended: the colours under it are returned as stored, even
    where they are invisible. A palette gives its colours, grey three equal channels; 1-bit
    becomes 0 and 255, float in [0, 1] becomes uint16.
    """
    values = raster.values
    if values.dtype.kind == "f":
        values = np.rint(values * 65535.0).astype(np.uint16)
    elif raster.top == 1:
        values = values * np.uint8(255)
    if values.ndim == 2:
        values = np.stack([values] * 3, axis=2)
    return np.ascontiguousarray(values)
