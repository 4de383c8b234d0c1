"""Small JPEGs of the test images, stored once for all runs of a sweep; the report shows them."""

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segsweep.data.native import Images
from segsweep.store.paths import SweepPaths
from segsweep.store.pictures import picture_path
from segsweep.system.files import has_content, replacing

LONGEST = 256
"""Of the longer side of a picture, pixels."""
MOST_BYTES = 100_000
"""Of one file; noise needs it, a photograph takes a tenth."""
QUALITIES = (85, 75, 60, 40, 20)
"""Of the JPEG, tried in this order until it is small enough."""


def store_pictures(images: Images, rows: Sequence[int], path_of: Callable[[int], Path]) -> int:
    """Write the pictures that are missing; return how many were written.

    Several processes may do so at once: each file appears whole.

    Args:
        images: of the whole data set, each (C, H, W) in [0, 1].
        rows: the images to store.
        path_of: row of the data set -> the file of its picture.

    """
    written = 0
    for row in rows:
        path = path_of(row)
        if not has_content(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_bytes(jpeg(images[row]))
            written += 1
    return written


def picture_paths(
    sweep: Path,
    fingerprint: str,
    size_of: Callable[[int], tuple[int, int]],
    channels: int,
    ids: Sequence[str],
) -> Callable[[int], Path]:
    """Return what gives the file of the image in a row of the data set.

    *size_of* gives height and width of the image in a row, as it is drawn.
    """
    paths = SweepPaths(sweep)
    return lambda row: picture_path(paths, fingerprint, size_of(row), channels, ids[row])


def jpeg(image: NDArray[np.float32]) -> bytes:
    """Return an image (C, H, W) in [0, 1] as a JPEG of at most LONGEST pixels and MOST_BYTES."""
    pixels = np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8).transpose(1, 2, 0)
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    scale = LONGEST / max(picture.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in picture.size)
        picture = picture.resize((width, height), Image.Resampling.BOX)
    for quality in QUALITIES:
        file = BytesIO()
        picture.save(file, "JPEG", quality=quality, optimize=True)
        if len(file.getvalue()) <= MOST_BYTES:
            break
    return file.getvalue()
