"""A picture of some validation images: image, true mask, probabilities. Drawn with Pillow."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segsweep.system.files import replacing

GAP = 4


def draw_preview(
    images: NDArray[np.float32],
    masks: NDArray[np.uint8],
    outputs: NDArray[np.float32],
    path: Path,
) -> None:
    """Write a PNG with one column per image: the image, its mask, the probabilities in grey.

    Args:
        images: (K, C, H, W) in [0, 1], C is 1 or 3.
        masks: (K, 1, H, W) in {0, 1}.
        outputs: (K, H, W) probabilities.
        path: the file, replaced atomically.

    """
    from PIL import Image

    count, _, height, width = images.shape
    sheet = np.full((3 * (height + GAP) - GAP, count * (width + GAP) - GAP, 3), 255, np.uint8)
    rows: tuple[NDArray[np.generic], ...] = (
        images.transpose(0, 2, 3, 1),
        masks.transpose(0, 2, 3, 1),
        outputs[..., None],
    )
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            top, left = row * (height + GAP), column * (width + GAP)
            sheet[top : top + height, left : left + width] = np.round(255 * np.asarray(picture))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary, "PNG")
