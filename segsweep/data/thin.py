"""Whether resizing destroys what is to be found: thin structures in large images."""

import numpy as np
from numpy.typing import NDArray

from segsweep.data.cache import Prepared

REDUCED = 2
"""Images that are reduced by less keep their structures."""
KEPT, WIDTH = 0.8, 1.5
"""Share of the foreground, and mean width in pixels, below which structures are lost."""
MOST_IMAGES = 50
"""Images that are looked at, the first ones."""
TILE = 256


def tile_hint(prepared: Prepared) -> str:
    """Return a sentence that suggests tiles; empty where resizing keeps what is to be found."""
    if not isinstance(prepared.masks, np.ndarray):
        return ""
    size = prepared.masks.shape[-2:]
    before = after = 0.0
    widths, factors = [], []
    for row, own in enumerate(prepared.sizes[:MOST_IMAGES]):
        factor = max(old / new for old, new in zip(own, size, strict=True))
        if factor < REDUCED or not (mask := prepared.native_mask(row)).any():
            continue
        before += float(mask.mean())
        after += float((prepared.masks[row] == 1).mean())
        widths.append(stroke_width(mask) / factor)
        factors.append(factor)
    if not widths:
        return ""
    width, lost = float(np.mean(widths)), 1 - after / before
    if lost <= 1 - KEPT and width >= WIDTH:
        return ""
    what = f"loses {lost:.0%} of the foreground" if lost > 1 - KEPT else "leaves thin structures"
    return (
        f"resizing to {size[0]}x{size[1]} {what} ({width:.1f} pixels wide on average): "
        f"data.tile={TILE} keeps images at their own size"
    )


def stroke_width(mask: NDArray[np.bool_]) -> float:
    """Return the mean width of a mask's structures in pixels; of lines up to 2 wide it is 2.

    A line has two pixels of its outline for each pixel of its length.
    """
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return 2.0 * int(np.count_nonzero(mask)) / max(int(np.count_nonzero(mask & ~inside)), 1)
