"""A picture of some validation images: image, truth, prediction, with their names and IoU."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from segsweep.data.contact_sheet import fitting, hatched
from segsweep.data.source import IGNORED
from segsweep.system.files import replacing

GAP = 4
ROWS = ("image", "truth", "prediction")
TRUTH = ROWS.index("truth")
LEAST_WIDTH = 120
"""Of a column, pixels; smaller images are enlarged, so that their names can be read."""
COLUMN_OF_FONT = 11
"""Width of a column in sizes of the font, which grows with the images; at least 12 pixels."""


def draw_preview(
    images: NDArray[np.float32],
    masks: NDArray[np.uint8],
    outputs: NDArray[np.float32],
    captions: Sequence[tuple[str, str]],
    path: Path,
) -> None:
    """Write a PNG with one column per image: the image, its mask, the probabilities in grey.

    Args:
        images: (K, C, H, W) in [0, 1], C is 1 or 3.
        masks: (K, 1, H, W) in {0, 1, IGNORED}; ignored pixels are hatched.
        outputs: (K, H, W) probabilities.
        captions: of each image, two lines above its column: its id and its score.
        path: the file, replaced atomically.

    """
    count, _, height, width = images.shape
    zoom = -(-LEAST_WIDTH // width)
    height, width = height * zoom, width * zoom
    font = ImageFont.load_default(max(12, width // COLUMN_OF_FONT))
    left, top = origin(font)
    size = (left + count * (width + GAP) - GAP, top + 3 * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    rows: tuple[NDArray[np.generic], ...] = (
        images.transpose(0, 2, 3, 1),
        (masks == 1).transpose(0, 2, 3, 1),
        outputs[..., None],
    )
    for column, lines in enumerate(captions):
        middle = left + column * (width + GAP) + width / 2
        for y, line in zip((0, top / 2), lines, strict=True):
            pen.text((middle, y), fitting(line, font, width), fill="black", font=font, anchor="ma")
    for row, pictures in enumerate(rows):
        y = top + row * (height + GAP)
        pen.text((left - GAP, y + height / 2), ROWS[row], fill="black", font=font, anchor="rm")
        for column, picture in enumerate(pictures):
            shown = Image.fromarray(_grey_levels(picture))
            large = shown.resize((width, height), Image.Resampling.NEAREST)
            if row == TRUTH and (ignored := masks[column, 0] == IGNORED).any():
                where = Image.fromarray(ignored).resize(large.size, Image.Resampling.NEAREST)
                large.paste(Image.fromarray(hatched((height, width))), mask=where)
            sheet.paste(large, (left + column * (width + GAP), y))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG")


def origin(font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> tuple[int, int]:
    """Return left and top of the first picture: beside the names of the rows, below two lines."""
    _, top, _, bottom = font.getbbox("Ag\u00c5", anchor="ma")
    line = round(bottom - min(top, 0)) + GAP
    return round(max(font.getlength(word) for word in ROWS)) + 2 * GAP, 2 * line


def _grey_levels(picture: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Return values (H, W, 1 or 3) in [0, 1] as (H, W, 3) from 0 to 255."""
    values = np.round(255 * np.nan_to_num(np.asarray(picture, np.float64))).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(values, (*values.shape[:2], 3)))
