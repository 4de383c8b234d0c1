"""What a cache keeps of each sample: its pixels resized to one size, or at its own size."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from segsweep.data.cache_index import ARRAYS, NATIVE_MASKS, planes_of
from segsweep.data.decoded import Array, Stored
from segsweep.data.native import native_bytes, native_pixels
from segsweep.data.resize import resize_pair
from segsweep.data.room import check_disk, check_room, stored_bytes
from segsweep.data.source import IGNORED, Pixels, Sample
from segsweep.data.work_size import decoding_bytes, known_pixels, memory_bytes
from segsweep.system.units import size_text


class Form(Protocol):
    """What a cache keeps of each sample."""

    @property
    def channels(self) -> int:
        """3 for RGB, 1 for grey."""
        ...

    def options(self, versions: Sequence[str]) -> list[object]:
        """Return what decides the kept pixels besides the samples, with *versions* of libraries."""
        ...

    @property
    def arrays(self) -> tuple[Array, ...]:
        """The arrays with a row for each sample."""
        ...

    def files(self, ignores: bool) -> tuple[str, ...]:
        """The files with equal parts of what is kept of each sample at its own size.

        *ignores*: whether pixels may be ignored.
        """
        ...

    def kept(self, pixels: Pixels) -> Stored:
        """Return what is kept of a decoded sample."""
        ...

    def memory(self, sample: Sample) -> float:
        """Return the bytes of memory that decoding a sample takes, about."""
        ...

    def disk(self, samples: Sequence[Sample]) -> float:
        """Return the bytes of disk that *samples* take at least."""
        ...

    def check_room(self, samples: Sequence[Sample], folder: Path) -> None:
        """Raise DataError if it is known that *samples* do not fit; *folder* is for the cache."""
        ...


@dataclass(frozen=True)
class Resized:
    """Images and masks of one size, and the masks at their own."""

    size: tuple[int, int]
    channels: int
    way: str = "area"
    """area | classic, see `segsweep/data/resize.py`."""

    def options(self, versions: Sequence[str]) -> list[object]:
        """Return size, channels, and the way unless it is that of the first version."""
        ways = [] if self.way == "classic" else [self.way]
        return [*self.size, self.channels, *versions, *ways]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Images and masks."""
        return (
            Array(ARRAYS[0], np.float32, (self.channels, *self.size)),
            Array(ARRAYS[1], np.uint8, (1, *self.size)),
        )

    def files(self, ignores: bool) -> tuple[str, ...]:
        """The planes of masks at their own size."""
        return planes_of(ignores)

    def kept(self, pixels: Pixels) -> Stored:
        """Return image and mask resized, and the mask at its own size, eight pixels a byte.

        Which pixels are ignored follows as a second plane, if any may be.
        """
        image, mask = resize_pair(pixels, self.size, self.channels, self.way)
        planes = [pixels.mask] if pixels.ignored is None else [pixels.mask, pixels.ignored]
        native = b"".join(np.packbits(plane).tobytes() for plane in planes)
        return Stored((np.ascontiguousarray(image), mask), native)

    def memory(self, sample: Sample) -> float:
        """Return the memory of decoding and resizing."""
        return memory_bytes(sample, self.size, self.way)

    def disk(self, samples: Sequence[Sample]) -> float:
        """Return the bytes of the arrays."""
        return stored_bytes(len(samples), self.size, self.channels)

    def check_room(self, samples: Sequence[Sample], folder: Path) -> None:
        """Compare with free disk and memory."""
        check_room(len(samples), self.size, self.channels, folder)


@dataclass(frozen=True)
class Native:
    """Images and masks at their own sizes."""

    channels: int

    def options(self, versions: Sequence[str]) -> list[object]:
        """Return the channels: the size of tiles changes no pixels."""
        return ["native", self.channels, *versions]

    @property
    def arrays(self) -> tuple[Array, ...]:
        """Nothing has one size."""
        return ()

    def files(self, ignores: bool) -> tuple[str, ...]:
        """Images and masks."""
        return (NATIVE_MASKS,)

    def kept(self, pixels: Pixels) -> Stored:
        """Return the values of the image as they are stored, and those of the mask."""
        labels = pixels.mask.astype(np.uint8)
        if pixels.ignored is not None:
            labels[pixels.ignored] = IGNORED
        return Stored((), native_bytes(native_pixels(pixels.image, self.channels), labels))

    def memory(self, sample: Sample) -> float:
        """Return the memory of decoding."""
        return decoding_bytes(sample)

    def disk(self, samples: Sequence[Sample]) -> float:
        """Return the bytes, one a value, of the images whose files say how large they are."""
        return float(sum(map(known_pixels, samples)) * (self.channels + 1))

    def check_room(self, samples: Sequence[Sample], folder: Path) -> None:
        """Compare with the free disk."""
        check_disk("data.tile", len(samples), self.disk(samples), folder)


def no_room(form: Form, samples: Sequence[Sample], folder: Path) -> str:
    """Return the error line for a disk that is full while *samples* are decoded."""
    free = size_text(shutil.disk_usage(folder).free)
    return (
        f"{folder}: the disk is full: {len(samples)} decoded images need "
        f"{size_text(form.disk(samples))} and more, "
        f"{free} are free; make room, or choose another disk with outputs=<folder>"
    )
