"""The pictures in one file: the pages of a TIFF, the frames of an animation."""

import re
from io import BytesIO
from pathlib import Path

import tifffile
from PIL import ImageFile
from PIL.TiffImagePlugin import TiffImageFile

from segsweep.errors import DataError, UnnamedError

PAGED = ("GIF", "PNG", "WEBP")
"""Pillow's formats, besides TIFF, that hold animations. Further pictures of a JPEG are previews."""
REDUCED, TRANSPARENCY = 1, 4
"""Bits of a TIFF page's subfile type: a smaller copy of another page, a transparency mask."""
DEPTH, DESCRIPTION = 32997, 270
STACK = re.compile(r'^images=(\d+)$|"shape": \[(\d+),.*"truncated": true', re.MULTILINE)
"""How ImageJ and tifffile note a stack of which only the first picture is a page of the file."""


def frames_of(path: Path, image: ImageFile.ImageFile, data: bytes) -> list[int]:
    """Return the positions in an open file of the pictures that count as pages; 0 always does."""
    several = bool(getattr(image, "is_animated", False))
    if isinstance(image, TiffImageFile):
        described = str(image.tag_v2.get(DESCRIPTION, ""))
        if several or image.tag_v2.get(DEPTH, 1) > 1 or STACK.search(described):
            with tifffile.TiffFile(BytesIO(data)) as file:
                return pages_of(path, file)
    elif several and image.format in PAGED:
        return list(range(getattr(image, "n_frames", 1)))
    return [0]


def pages_of(path: Path, file: tifffile.TiffFile) -> list[int]:
    """Return `frames_of` for a TIFF: smaller copies of a page and transparency masks are none."""
    first, extra = file.pages.first, REDUCED | TRANSPARENCY
    stack = STACK.search(first.description)
    held = int(stack[1] or stack[2]) if stack else 1
    bytes_held = file.filehandle.size - (first.dataoffsets or (0,))[0]
    if held * sum(first.databytecounts) > bytes_held:  # a page cut out of a stack keeps its note
        held = 1
    held = max(held, first.imagedepth)
    if held > len(file.pages):
        raise DataError(
            f"{path}: holds {held} pictures, of which only the first is a page of its own: "
            "save each as a page or as a file of its own"
        )
    later = range(1, len(file.pages))
    return [0, *(at for at in later if not page_at(file, at).subfiletype & extra)]


def page_at(file: tifffile.TiffFile, at: int) -> tifffile.TiffPage:
    """Return the page at a position in the file."""
    page = file.pages.get(at, aspage=True)
    if not isinstance(page, tifffile.TiffPage):
        raise ValueError(f"no page at {at}")
    return page


def chosen_frame(path: Path, frames: list[int], page: int | None) -> int:
    """Return the position of *page*, counted from 1; a file with one picture has only that."""
    count = len(frames)
    if count == 1:
        return frames[0]
    if page is None:
        key = f"name the one to read, data.page=1 to data.page={count}"
        raise UnnamedError(f"{path}: has {count} pages", key, "save each as a file of its own")
    if page > count:
        raise DataError(f"{path}: has {count} pages: there is no data.page={page}")
    return frames[page - 1]
