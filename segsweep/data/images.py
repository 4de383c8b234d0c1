"""Images and masks as training needs them, from decoded files: RGB, and what is foreground."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from segsweep.data.raster import TURNS, Raster, decode
from segsweep.data.source import Pixels, Raw, Sample
from segsweep.errors import DataError

READER_VERSION = 1
"""Raise when the same files would give other pixels; part of every source's signature."""

LATER = (".npy", ".webp")
"""Endings that the first release did not take for images."""
SUFFIXES = (".bmp", ".png", ".tif", ".tiff", ".gif", ".jpg", ".jpeg", *LATER)
"""File name endings taken for images, the lossless ones of the first release first."""


@dataclass(frozen=True)
class Foreground:
    """Which pixels of a mask file are foreground; see `select` for the exact meaning."""

    labels: tuple[int, ...] | None = None
    """None: brighter than half of the file's range. Else the values (palette: indices) that are."""
    invert: bool = False

    @classmethod
    def of(cls, foreground: Literal["half"] | list[int], invert: bool = False) -> "Foreground":
        """Return the rule that a config's values mean."""
        if foreground == "half":
            return cls(None, invert)
        if isinstance(foreground, str | int) or not foreground:
            raise ValueError(
                f"foreground must be 'half' or a list of label values; got {foreground!r}"
            )
        for label in foreground:
            if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label <= 65535:
                raise ValueError(f"foreground's labels are whole, 0 to 65535; got {label!r}")
        return cls(tuple(sorted(set(foreground))), invert)

    def __str__(self) -> str:
        chosen = "half" if self.labels is None else ",".join(map(str, self.labels))
        return f"foreground={chosen} invert={self.invert}"


def image_files(folder: Path) -> list[Path]:
    """Return the files with an image's ending, sorted by name, hidden files left out."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    )


def without_copies(paths: list[Path]) -> list[Path]:
    """Leave out arrays and webp copies of images with an ending that the first release took."""
    older = {path.with_suffix("") for path in paths if path.suffix.lower() not in LATER}
    return [
        path
        for path in paths
        if path.suffix.lower() not in LATER or path.with_suffix("") not in older
    ]


def read_mask(
    path: Path, foreground: Foreground, page: int | None = None
) -> tuple[NDArray[np.bool_], bool]:
    """Return the mask (H, W), and whether the file held more than two values."""
    return select(decode(path, page), foreground)


def read_sample(sample: Sample, foreground: Foreground, page: int | None = None) -> Pixels:
    """Read an image with its mask, both the way the image is shown; several masks are united.

    *page* says which page of a file with several, counted from 1. A mask of one page belongs to
    that page of its image.

    A mask with an orientation tag of its own is turned by that. One without, beside an image
    that is turned, may have been drawn on the stored pixels or on the shown image. Where the
    sizes tell (a quarter turn, not square) they decide. Where they do not (half turns,
    mirrored, square) the mask is taken to lie on the stored pixels and turned with its image;
    if it was drawn on the shown image, turn the image file for good and drop its tag.
    """
    if sample.image is None or sample.mask is None:
        raise DataError(f"{sample.id}: needs the files of an image and of a mask")
    try:
        image = decode(sample.image, page)
    except DataError as first:
        try:
            read_mask(sample.mask, foreground, page)
        except DataError as second:
            raise DataError(f"{first}; and {second}") from first  # all that is wrong, at once
        raise
    if page is not None and page > image.pages == 1:
        raise DataError(f"{sample.image}: has one page: there is no data.page={page}")
    chosen, grey = _mask_beside(image, sample.mask, foreground, page)
    for path in sample.more_masks:
        more, more_grey = _mask_beside(image, path, foreground, page)
        if more.shape != chosen.shape:
            this, other = ("x".join(map(str, mask.shape)) for mask in (more, chosen))
            raise DataError(f"{path}: sizes differ: mask {this}, {sample.mask.name} {other}")
        chosen, grey = chosen | more, grey or more_grey
    return Pixels(to_rgb(image), np.ascontiguousarray(chosen), grey)


def _mask_beside(
    image: Raster, path: Path, foreground: Foreground, page: int | None
) -> tuple[NDArray[np.bool_], bool]:
    """Return a mask the way its image is shown, and whether it held more than two values."""
    mask = decode(path, page)
    chosen, grey = select(mask, foreground)
    if image.orientation != 1 and mask.orientation == 1:
        chosen = _turn_with(image, chosen, mask.path)
    return chosen, grey


def select(raster: Raster, foreground: Foreground) -> tuple[NDArray[np.bool_], bool]:
    """Apply the foreground rule; also return whether there were more than two values.

    half: luminance (.299 R + .587 G + .114 B; a palette's colours) above half of the range that
    the file's own bit depth gives: .5 for 1-bit and float, 127.5 for 8-bit, 32767.5 for 16-bit.
    Masks numbered 0 and 1 in 8 bits hold nothing above that and are refused, as are colours
    all too dark: those need the list. Labels: the stored values, or palette indices; the set
    pixels of a 1-bit mask answer to 1 and to 255, since programs disagree on what they are.
    """
    levels = _luminance(raster.values) if foreground.labels is None else _labels(raster, foreground)
    grey = bool(((levels != levels.min()) & (levels != levels.max())).any())
    if foreground.labels is None:
        chosen = levels > raster.top / 2
        if not chosen.any():
            _refuse_hidden(raster, levels)
    else:
        chosen = np.isin(levels, foreground.labels)
        if raster.top == 1:
            chosen |= np.isin(levels * 255, foreground.labels)
    return np.not_equal(chosen, foreground.invert), grey


def _luminance(values: Raw) -> Raw:
    if values.ndim == 2:
        return values
    red, green, blue = np.moveaxis(values, 2, 0)
    return (299.0 * red + 587.0 * green + 114.0 * blue) / 1000  # exact for greys


def _labels(raster: Raster, foreground: Foreground) -> Raw:
    if raster.indices is not None:
        return raster.indices
    if raster.values.ndim == 2:
        return raster.values
    if np.ptp(raster.values, axis=2).any():
        raise DataError(
            f"{raster.path}: a colour mask has no label values ({foreground}): "
            "set data.foreground=half or save it with grey levels or a palette"
        )
    return raster.values[..., 0]


def _refuse_hidden(raster: Raster, levels: Raw) -> None:
    """Raise where a mask that the half rule finds empty was surely not meant to be empty."""
    numbered = {255: 9, 65535: 255}.get(raster.top, 0)  # labels, not brightness, up to here
    coloured = raster.values.ndim == 3 and np.ptp(raster.values, axis=2).max() > raster.top / 8
    if not coloured and not 0 < levels.max() <= numbered:
        return
    remedy = "save the mask with grey levels"
    held = np.unique(levels if raster.indices is None else raster.indices).astype(int)
    if raster.indices is not None or not coloured:
        remedy = f"name the foreground, for example data.foreground=[{held.max()}]"
    what = "colours" if coloured else "values " + " ".join(map(str, held[:10]))
    raise DataError(
        f"{raster.path}: nothing is above half of the range 0 to {raster.top}: "
        f"all {what} lie below; {remedy}"
    )


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
