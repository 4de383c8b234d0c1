"""Images and masks at their own sizes, memory-mapped from one file, read a window at a time.

The file holds, for each sample, the image's values as they are stored, (H, W, C), then the mask,
(H, W), a byte a pixel. Only the rows of a window are read from the disk.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from segsweep.data.source import Raw

WHOLE = slice(None), slice(None)
Window: TypeAlias = tuple[slice, slice]
"""Rows and columns."""
KINDS = ("uint8", "uint16", "float32")
"""How the values of an image are stored; integers are shares of their largest value."""


def native_pixels(image: Raw, channels: int) -> Raw:
    """Return an image (H, W, 3) as it is stored, (H, W, *channels*), of one of KINDS.

    The values that `as_shares` makes of it are those of an image that is resized to its own size.
    """
    from skimage.color import rgb2gray
    from skimage.util import img_as_float

    known = image.dtype.name in KINDS
    if channels == 3:
        return image if known else img_as_float(image).astype(np.float32)
    grey: Raw = rgb2gray(image).astype(np.float32)[..., None]
    if known and image.dtype.kind == "u":  # three equal channels are one
        first = image[..., :1]
        if np.array_equal(image, np.broadcast_to(first, image.shape)) and np.array_equal(
            as_shares(first), grey
        ):
            return first
    return grey


def as_shares(values: Raw) -> NDArray[np.float32]:
    """Return stored values as float32; integers become shares of their largest value."""
    if values.dtype.kind == "f":
        return np.array(values, np.float32)
    shares: NDArray[np.float32] = _shares(values.dtype.name)[values]
    return shares


@cache
def _shares(kind: str) -> NDArray[np.float32]:
    """Return the share of every value of a kind of integers, as skimage computes it."""
    largest = int(np.iinfo(kind).max)
    return (np.arange(largest + 1) * (1.0 / largest)).astype(np.float32)


def native_bytes(image: Raw, mask: Raw) -> bytes:
    """Return the bytes of a sample in the file; *image* is of one of KINDS."""
    return image.tobytes() + mask.astype(np.uint8).tobytes()


def kind_of(size: tuple[int, int], channels: int, length: int) -> str:
    """Return in which of KINDS a sample's image is stored, given the bytes that the sample has."""
    pixels = size[0] * size[1]
    found = [kind for kind in KINDS if pixels * (channels * np.dtype(kind).itemsize + 1) == length]
    return found[0] if found else ""


@dataclass(frozen=True)
class NativeFile:
    """The pixels of a data set at their own sizes."""

    path: Path
    sizes: Sequence[tuple[int, int]]
    channels: int
    lengths: Sequence[int]
    """Bytes of each sample."""

    @cached_property
    def _bytes(self) -> NDArray[np.uint8]:
        return np.memmap(self.path, np.uint8, "r")

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate(self.lengths, initial=0))

    def image(self, row: int, window: Window = WHOLE) -> NDArray[np.float32]:
        """Return (C, H, W) of an image, or of a window in it, in [0, 1]."""
        kind = np.dtype(kind_of(self.sizes[row], self.channels, self.lengths[row]))
        shape = (*self.sizes[row], self.channels)
        stored: Raw = np.ndarray(shape, kind, self._bytes, self._starts[row])
        return np.ascontiguousarray(as_shares(stored[window]).transpose(2, 0, 1))

    def mask(self, row: int, window: Window = WHOLE) -> NDArray[np.uint8]:
        """Return (1, H, W) of a mask, or of a window in it."""
        start = self._starts[row + 1] - self.sizes[row][0] * self.sizes[row][1]
        stored: Raw = np.ndarray(self.sizes[row], np.uint8, self._bytes, start)
        return np.array(stored[window])[None]


@dataclass(frozen=True)
class NativeImages:
    """The images of a data set at their own sizes."""

    file: NativeFile

    def __len__(self) -> int:
        return len(self.file.sizes)

    def __getitem__(self, row: int) -> NDArray[np.float32]:
        return self.file.image(row)


@dataclass(frozen=True)
class NativeMasks:
    """The masks of a data set at their own sizes."""

    file: NativeFile

    def __len__(self) -> int:
        return len(self.file.sizes)

    def __getitem__(self, row: int) -> NDArray[np.uint8]:
        return self.file.mask(row)


Images: TypeAlias = NDArray[np.float32] | NativeImages
"""The images of a data set; each row is (C, H, W)."""
Masks: TypeAlias = NDArray[np.uint8] | NativeMasks
"""Its masks; each row is (1, H, W)."""
