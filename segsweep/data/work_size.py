"""What samples take to decode, before one is decoded: bytes of files, and of memory."""

import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from PIL import Image

from segsweep.data.array_file import shape_of
from segsweep.data.decoder_warnings import only_bombs
from segsweep.data.dicom import ENDING, pixels_in
from segsweep.data.raster import FORMATS
from segsweep.data.source import Sample
from segsweep.system.files import file_status

READ_BYTES = 40
"""Memory of a pixel while its files are decoded, at most: 16-bit colour takes 28."""
RESIZE_BYTES = 72
"""Memory of a pixel while it is resized without block means: three values, thrice as float64."""
REDUCED = 16
"""An image with more than so many pixels for one of the result is reduced by block means first."""
UNKNOWN_PIXELS = 4_000_000
"""Taken for an image whose file does not say, or that has none."""


def file_bytes(samples: Sequence[Sample]) -> list[float]:
    """Return the bytes of each sample's files; 1 for a sample without files."""
    return [sum(map(_length, sample.files)) or 1.0 for sample in samples]


def memory_bytes(sample: Sample, size: tuple[int, int], resize: str) -> float:
    """Return the memory that decoding and resizing a sample to *size* takes, about."""
    pixels = _likely_pixels(sample)
    smoothed = pixels if resize == "classic" else min(pixels, REDUCED * math.prod(size))
    files = sum(map(_length, sample.files))
    return files + max(READ_BYTES * pixels, RESIZE_BYTES * max(smoothed, math.prod(size)))


def decoding_bytes(sample: Sample) -> float:
    """Return the memory that decoding a sample takes, about."""
    pixels = _likely_pixels(sample)
    return sum(map(_length, sample.files)) + READ_BYTES * pixels


def known_pixels(sample: Sample) -> int:
    """Return the pixels of a sample as its files say; 0 where none does."""
    return max(map(_pixels, sample.files), default=0)


def _likely_pixels(sample: Sample) -> int:
    found = [_pixels(path) or UNKNOWN_PIXELS for path in sample.files]
    return max(found, default=UNKNOWN_PIXELS)


def _length(path: Path) -> float:
    with suppress(OSError):
        return float(file_status(path).st_size)
    return 0.0


def _pixels(path: Path) -> int:
    """Return the number of pixels in the head of a file; 0 where it does not say."""
    with suppress(Exception), only_bombs():
        file_status(path)  # a pipe would wait for someone to write
        if path.suffix.lower() == ENDING:
            return pixels_in(path)
        if shape := shape_of(path):
            return math.prod(shape[:2])
        with Image.open(path, formats=FORMATS) as image:
            return math.prod(image.size)
    return 0
