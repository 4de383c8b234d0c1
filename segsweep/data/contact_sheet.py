"""One picture to look at: thumbnails with the outline of masks; ignored pixels are hatched."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from segsweep.data.resize import area_labels, area_mask
from segsweep.data.source import IGNORED, Raw
from segsweep.system.files import replacing

MOST_PIXELS = 50_000_000
"""Of the whole sheet; fewer images are drawn rather than more pixels."""
CAPTION, GAP, FONT_SIZE = 16, 4, 11
INNER, OUTER = (255, 230, 0), (0, 0, 0)
"""The outline is bright inside and black outside, so it shows on light and on dark skin."""
LINES, EVERY = ((96, 96, 96), (208, 208, 208)), 3
"""Ignored pixels: oblique lines in two greys, each EVERY pixels wide."""


def contact_sheet(
    items: Iterable[tuple[str, Raw, Raw]],
    path: Path,
    columns: int = 10,
    thumb: int = 128,
    limit: int = 200,
) -> int:
    """Write a PNG of the first images and return how many it shows.

    Args:
        items: (id, image (H, W, 1 or 3) in [0, 1], mask (H, W) in {0, 1, IGNORED}); only what is
            drawn is read.
        path: where the PNG goes; its folder is made. It appears whole or not at all.
        columns: images in a row.
        thumb: the longer side of a thumbnail, pixels.
        limit: most images on the sheet.

    Raises:
        ValueError: there is no image, or a number above is not positive.

    """
    if min(columns, thumb, limit) < 1:
        raise ValueError(
            f"columns={columns}, thumb={thumb}, limit={limit}: each must be at least 1"
        )
    cell = (thumb + GAP, thumb + GAP + CAPTION)
    limit = min(limit, max(1, MOST_PIXELS // (cell[0] * cell[1])))
    tiles = [_tile(*item, thumb=thumb) for item in islice(items, limit)]
    if not tiles:
        raise ValueError(f"no images to show in {path}")
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * cell[0] + GAP, rows * cell[1] + GAP), "white")
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + index % columns * cell[0], GAP + index // columns * cell[1]))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        sheet.save(temporary, "PNG")
    return len(tiles)


def _tile(name: str, image: Raw, labels: Raw, *, thumb: int) -> Image.Image:
    """Return a thumbnail, its outline and its caption, (thumb + CAPTION) high."""
    mask: NDArray[np.bool_] = labels == 1
    height, width = mask.shape
    scale = thumb / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    shades = np.broadcast_to(np.clip(np.nan_to_num(image), 0, 1), (*image.shape[:2], 3))
    pixels = np.rint(shades * 255).astype(np.uint8)
    small = np.array(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    cover = area_mask(mask, size[::-1])
    if mask.any() and not cover.any():  # an object smaller than half a pixel is shown too
        shares = np.array(
            Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)
        )
        cover = (shares > 0) & (shares == shares.max())
    left_out = area_labels(mask, labels == IGNORED, size[::-1]) == IGNORED
    small[left_out] = hatched(size[::-1])[left_out]
    inner, outer = outline(cover, left_out)
    small[outer], small[inner] = OUTER, INNER
    tile = Image.new("RGB", (thumb, thumb + CAPTION), "white")
    tile.paste(Image.fromarray(small), ((thumb - size[0]) // 2, (thumb - size[1]) // 2))
    font = ImageFont.load_default(FONT_SIZE)
    text = fitting(name, font, thumb)
    ImageDraw.Draw(tile).text((thumb / 2, thumb + 1), text, fill="black", font=font, anchor="ma")
    return tile


def fitting(name: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """Return *name* on one line, with less of its middle where it is wider than *width* pixels."""
    line = "".join(letter if letter.isprintable() else " " for letter in name)
    return next(t for t in _shorter(line) if font.getlength(t) <= width or len(t) <= 1)


def hatched(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return oblique lines in two greys, (H, W, 3): how pixels are drawn that are ignored."""
    rows, columns = np.indices(size)
    return np.array(LINES, np.uint8)[(rows + columns) // EVERY % 2]


def outline(
    mask: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the mask's outermost pixels and the pixels just outside it, both (H, W).

    Beyond the picture counts as background, so a full mask shows a frame and an empty one none.
    Beside ignored pixels there is no line: the mask may go on there.
    """
    either = mask if ignored is None else mask | ignored
    beside_background = _grown(np.pad(~either, 1, constant_values=True))[1:-1, 1:-1]
    return mask & beside_background, _grown(np.pad(mask, 1))[1:-1, 1:-1] & ~either


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the four neighbours; the outermost row and column are left to the caller's padding."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown


def _shorter(name: str) -> Iterator[str]:
    """Yield the name, then ever less of its middle: both ends tell files apart."""
    yield name
    for keep in range(len(name) - 1, 0, -1):
        yield name[: keep // 2] + "\u2026" + name[len(name) - (keep - keep // 2) :]
    yield ""
