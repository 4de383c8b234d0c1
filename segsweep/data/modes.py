"""How image files store their pixels: RGB, grey, palette, with alpha, with how many bits."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from segsweep.data.array_file import ARRAY_START
from segsweep.data.decoder_warnings import only_bombs
from segsweep.data.decoding import Decoding
from segsweep.data.dicom import MARK, MARK_AT, dicom_mode, is_dicom
from segsweep.data.raster import AS_STORED, FORMATS, decode, raw_mode
from segsweep.errors import DataError
from segsweep.system.files import file_status

NAMES = {
    "1": "1 bit",
    "L": "grey",
    "LA": "grey",
    "P": "palette",
    "PA": "palette",
    "F": "grey float",
}
NAMES |= {"I": "grey 32 bits", "RGBA": "RGB", "RGBX": "RGB"}
"""What Pillow's modes are called here; others by their own names."""
ALPHA = " with alpha"
DEEP = " 16 bits"
PLAIN = ("RGB", "grey", "1 bit")
"""Modes that need no word where all files of a kind have them."""
MOST_FILES = 500
"""Files of a kind that are looked at; of more, some that are spread evenly."""


def spread(paths: Sequence[Path]) -> Sequence[Path]:
    """Return *paths*; of more than MOST_FILES, some that are spread evenly."""
    return paths[:: -(-len(paths) // MOST_FILES)] if paths else paths


def mode_of(path: Path) -> str:
    """Return how a file stores its pixels: `RGB`, `grey 16 bits`, `palette with alpha`.

    Only its head is read. Empty: it cannot be read, which the check of all files explains.
    """
    try:
        file_status(path)
        with path.open("rb") as file:
            start = file.read(MARK_AT + len(MARK))
        if start.startswith(ARRAY_START):
            return _of_array(path)
        with only_bombs():
            return dicom_mode(path) if is_dicom(start) else _of_image(path)
    except Exception:  # decoders raise nearly anything on damaged bytes
        return ""


def modes_of(paths: Sequence[Path]) -> Counter[str]:
    """Return how many of the files have which mode; those that cannot be read are left out."""
    found = Counter(map(mode_of, spread(paths)))
    del found[""]
    return found


def is_notable(modes: Counter[str]) -> bool:
    """Whether files have different modes, or one that a reader may not expect."""
    return len(modes) > 1 or any(mode not in PLAIN for mode in modes)


def max_stored(
    paths: Sequence[Path],
    progress: Callable[[int, int], None] | None = None,
    how: Decoding = AS_STORED,
) -> int:
    """Return the largest value in image files; those that cannot be read are left out."""
    found = 0
    for number, path in enumerate(paths, 1):
        with suppress(DataError):
            found = max(found, int(decode(path, how).values.max()))
        if progress:
            progress(number, len(paths))
    return found


def _of_image(path: Path) -> str:
    try:
        with Image.open(path, formats=FORMATS) as image:
            deep = DEEP if image.mode.startswith("I;16") or ";16" in raw_mode(image) else ""
            name = "grey" if image.mode.startswith("I;16") else NAMES.get(image.mode, image.mode)
            return name + deep + (ALPHA if image.has_transparency_data else "")
    except OSError:  # a layout of TIFF that Pillow does not know
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            name = "RGB" if page.photometric == tifffile.PHOTOMETRIC.RGB else "grey"
            alpha = ALPHA if page.extrasamples else ""
            return name + _bits(np.dtype(page.dtype)) + alpha


def _of_array(path: Path) -> str:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    channels = array.shape[2] if array.ndim == 3 else 1
    name = {1: "grey", 3: "RGB", 4: "RGB"}.get(channels, f"{channels} channels")
    return name + _bits(array.dtype) + (ALPHA if channels == 4 else "")


def _bits(kind: "np.dtype[np.generic]") -> str:
    if kind.kind == "f":
        return " float"
    return "" if kind.itemsize == 1 else f" {8 * kind.itemsize} bits"
