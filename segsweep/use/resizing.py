"""Resizing as a matrix along each axis, in torch alone: any size, also inside an exported network.

The matrices are computed from the sizes with tensor operations only, so that a traced program
computes them for sizes that it was not traced with. They agree to rounding with
`segsweep.data.resize` (skimage 0.26) and with torch's `interpolate(antialias=True)`.
"""

import torch
from torch import Tensor

from segsweep.data.resize import LARGE, STEP

DOUBLE = torch.float64
NARROW = 1e-9
"""Instead of 0 for the width of a smoothing that does nothing."""


def seeing(old: int, new: int, way: str) -> Tensor:
    """Return the matrix (new, old) that resizes an axis as images are resized for training.

    *way* is area or classic.
    """
    count = _length(old)
    direct = _smoothed(old, count, new)
    if way != "classic":
        half = STEP * new
        reduced = _smoothed(half, _length(half), new) @ _block_means(old, count, half)
        direct = torch.where(count > LARGE * new, reduced, direct)
    return direct.float()


def restoring(old: int, new: int) -> Tensor:
    """Return the matrix (new, old) that resizes an axis of probabilities.

    Linear between the centres of pixels; where it shrinks, over as many pixels as one replaces.
    """
    rows = _numbers(new)
    step = old / (rows[-1:] + 1)
    apart = (_numbers(old) + 0.5 - (rows[:, None] + 0.5) * step).abs()
    near = (1 - apart / step.clamp(min=1)).clamp(min=0)
    return (near / near.sum(1, keepdim=True)).float()


def enlarging(length: int, divisor: int) -> Tensor:
    """Return the indices that enlarge an axis to a multiple of *divisor* by mirroring its end.

    The pixels at the end are repeated in reverse order, the last one included.
    """
    twice = 2 * (torch.arange(length)[-1:] + 1)
    forth = torch.arange((length + divisor - 1) // divisor * divisor).remainder(twice)
    return torch.minimum(forth, twice - 1 - forth)


def _numbers(count: int) -> Tensor:
    return torch.arange(count, dtype=DOUBLE)


def _length(old: int) -> Tensor:
    """Return the length of an axis as a tensor: a number would be a fixed one when traced."""
    return _numbers(old)[-1] + 1


def _smoothed(old: int, count: Tensor, new: int) -> Tensor:
    """Return the matrix of a Gaussian and linear interpolation; beyond the border is 0.

    The Gaussian's width is half of what the axis shrinks by, cut off at four widths.
    """
    width = ((count / new - 1) / 2).clamp(min=NARROW)
    reach = (4 * width + 0.5).floor()

    def weights(apart: Tensor) -> Tensor:
        return torch.where(apart.abs() <= reach, (-0.5 * (apart / width) ** 2).exp(), 0.0)

    centres = (_numbers(new)[:, None] + 0.5) * count / new - 0.5
    left = centres.floor()
    share = centres - left
    found = torch.zeros((), dtype=DOUBLE)
    for place, part in ((left, 1 - share), (left + 1, share)):
        inside = (place >= 0) & (place < count)
        found = found + torch.where(inside, part, 0.0) * weights(_numbers(old) - place)
    return found / weights(_numbers(4 * old + 1) - 2 * count).sum()


def _block_means(old: int, count: Tensor, blocks: int) -> Tensor:
    """Return the matrix (blocks, old) of means; a pixel on a border counts by its share in both."""
    ends, places = _numbers(blocks + 1)[:, None] * count / blocks, _numbers(old)
    covered = torch.minimum(ends[1:], places + 1) - torch.maximum(ends[:-1], places)
    return covered.clamp(min=0) * blocks / count
