"""Images and masks at their own sizes made small enough to be drawn, by whole blocks of pixels."""

import numpy as np
from numpy.typing import NDArray

from segsweep.data.source import IGNORED, Raw

LONGEST = 512
"""Of the longer side of what is drawn, pixels."""


def block_side(size: tuple[int, int], longest: int = LONGEST) -> int:
    """Return the side of the blocks of pixels that make one pixel each, so that *size* fits."""
    return max(1, -(-max(size) // longest))


def shrunk_size(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Return the size in blocks; the last ones may be smaller."""
    return -(-size[0] // side), -(-size[1] // side)


def shrunk(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Return the means of blocks of (..., H, W)."""
    return values if side == 1 else _blocks(values, side).mean((-3, -1))


def shrunk_mask(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """Return which blocks of (H, W) have foreground: lines become thicker, and none is lost."""
    return mask if side == 1 else np.asarray(_blocks(mask, side).any((-3, -1)))


def shrunk_labels(labels: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return the labels of blocks of (..., H, W); one without foreground may be ignored."""
    if side == 1:
        return labels
    blocks = _blocks(labels, side)
    ignored = np.where((blocks == IGNORED).all((-3, -1)), IGNORED, 0)
    return np.where((blocks == 1).any((-3, -1)), 1, ignored).astype(np.uint8)


def framed(values: Raw, frame: tuple[int, int]) -> Raw:
    """Return (..., H, W) in the middle of a larger *frame* of ones, which is white."""
    spare = [outer - inner for outer, inner in zip(frame, values.shape[-2:], strict=True)]
    around = [(0, 0)] * (values.ndim - 2) + [(one // 2, one - one // 2) for one in spare]
    return np.pad(values, around, constant_values=1)


def _blocks(values: Raw, side: int) -> Raw:
    """Return (..., rows, side, columns, side); what the last blocks lack is repeated."""
    height, width = shrunk_size((values.shape[-2], values.shape[-1]), side)
    missing = (height * side - values.shape[-2], width * side - values.shape[-1])
    around = [(0, 0)] * (values.ndim - 2) + [(0, one) for one in missing]
    whole = np.pad(values, around, "edge")
    return whole.reshape(*values.shape[:-2], height, side, width, side)
