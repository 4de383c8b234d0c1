"""Resizing to the size that the network sees; the config's key `data.resize` names the way.

area: a mask's pixel is foreground if more than half of its block of source pixels is, in exact
integer arithmetic. classic: skimage's interpolation, as in the original experiment; where a mask
is halved, thin structures are lost, because half a block counts as background. In both ways a
pixel is ignored if more than half of what it stands for is; else the rest decides.
"""

import numpy as np
from numpy.typing import NDArray

from segsweep.data.source import IGNORED, Pixels, Raw

Mask = NDArray[np.bool_]
LARGE, STEP = 4, 2
"""An image reduced by more than LARGE is first reduced to STEP times the size, by block means."""


def resize_pair(
    pixels: Pixels, size: tuple[int, int], channels: int, way: str = "area"
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return image (C, H, W) float32 in [0, 1] and mask (1, H, W) in {0, 1, IGNORED} at *size*.

    *way* is area or classic.
    """
    smaller = classic_labels if way == "classic" else area_labels
    mask = smaller(pixels.mask, pixels.ignored, size)
    return resize_image(pixels.image, size, channels, way), mask[None]


def resize_image(
    image: Raw, size: tuple[int, int], channels: int, way: str = "area"
) -> NDArray[np.float32]:
    """Return an image (H, W, 3) as (C, H, W) float32 in [0, 1] at *size*; see `resize_pair`."""
    from skimage.color import rgb2gray
    from skimage.transform import resize

    image = image if way == "classic" else block_means(image, size)
    image = image if channels == 3 else rgb2gray(image)[..., None]
    image = resize(image, size, mode="constant", anti_aliasing=True)
    return image.astype(np.float32).transpose(2, 0, 1)


def load_resizing() -> None:
    """Import what `resize_pair` needs, once, before threads call it."""
    from skimage.color import rgb2gray  # noqa: F401
    from skimage.transform import resize  # noqa: F401


def classic_labels(mask: Mask, ignored: Mask | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return 0, 1 or IGNORED at *size* as the original experiment did: interpolated, cut at a half.

    Where some of a pixel is ignored, foreground is what outweighs background in the rest.
    """
    if ignored is None or not ignored.any():
        return classic_mask(mask, size).astype(np.uint8)
    left_out = _interpolated(ignored, size)
    chosen = _interpolated(mask & ~ignored, size) > (1 - left_out) / 2
    return np.where(left_out > 0.5, IGNORED, chosen).astype(np.uint8)


def classic_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return the mask at *size* as the original experiment did: interpolated, cut at a half."""
    return np.asarray(_interpolated(mask, size) > 0.5)


def _interpolated(mask: Mask, size: tuple[int, int]) -> NDArray[np.float64]:
    from skimage.transform import resize

    values: NDArray[np.float64] = resize(
        mask.astype(float), size, order=1, mode="constant", anti_aliasing=False
    )
    return values


def area_labels(mask: Mask, ignored: Mask | None, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return 0, 1 or IGNORED at *size*: ignored where more than half of the area is.

    Elsewhere it is foreground where that covers more than the background does; see `area_mask`.
    """
    if ignored is None or not ignored.any():
        return area_mask(mask, size).astype(np.uint8)
    mask, ignored = _grown(mask & ~ignored, size), _grown(ignored, size)
    if mask.shape == size:
        return np.where(ignored, IGNORED, mask).astype(np.uint8)
    left_out = _covered(ignored, size)
    result = _by_area(mask, size, left_out, _filled(mask, ignored))
    return np.where(2 * left_out > mask.size, IGNORED, result).astype(np.uint8)


def area_mask(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return the mask (H, W) at *size*: foreground where more than half of the area is.

    An object and its complement stay complements. At a tie the answer is one source pixel of
    the block; see `_settle`. Along an axis that grows, the nearest source pixel counts.
    """
    mask = _grown(mask, size)
    if mask.shape == size:
        return mask.copy()
    return _by_area(mask, size, np.zeros(size, np.int64), mask)


def _grown(mask: Mask, size: tuple[int, int]) -> Mask:
    """Return the mask with the nearest source pixels along an axis that grows."""
    for axis, (old, new) in enumerate(zip(mask.shape, size, strict=True)):
        if new > old:
            mask = mask.take((2 * np.arange(new) + 1) * old // (2 * new), axis)
    return mask


def _covered(mask: Mask, size: tuple[int, int]) -> NDArray[np.int64]:
    """Return how much of each pixel of *size* a mask covers, in parts of its number of pixels."""
    return _block_sums(_block_sums(mask, size[0], 0), size[1], 1).astype(np.int64, copy=False)


def _filled(mask: Mask, ignored: Mask) -> Mask:
    """Return the mask with, at each ignored pixel, the last one that counts before it."""
    counted = np.flatnonzero(~ignored)
    if not len(counted):
        return mask
    places = np.where(ignored.ravel(), counted[0], np.arange(mask.size))
    last = np.maximum.accumulate(places)
    filled: Mask = mask.ravel()[last].reshape(mask.shape)
    return filled


def _by_area(mask: Mask, size: tuple[int, int], left_out: NDArray[np.int64], answers: Mask) -> Mask:
    """Return where foreground covers more than background; *left_out* is neither.

    *answers* are the source pixels that decide ties.
    """
    covered = _covered(mask, size)
    lead = 2 * covered - (mask.size - left_out)
    result: Mask = lead > 0
    counted = 2 * left_out <= mask.size
    _settle(result, lead, left_out, counted, answers)
    return result


def _settle(
    result: Mask,
    lead: NDArray[np.int64],
    left_out: NDArray[np.int64],
    counted: Mask,
    mask: Mask,
) -> None:
    """Fill in the blocks that are half foreground, so that neither side is favoured.

    The answer is one source pixel. Its place alternates over the blocks, along every direction.
    Where the foreground's share of the whole then differs from the mask's, which happens where
    thin lines cross, as many of these blocks as needed take a pixel of the other kind.
    """
    rows, columns = np.nonzero((lead == 0) & counted)
    if not len(rows):
        return
    places = []
    for axis, (index, roots) in enumerate(((rows, (2, 3)), (columns, (5, 7)))):
        old, new = mask.shape[axis], result.shape[axis]
        within = _alternating(rows, columns, roots) * old >> 32
        places.append((index * old + within) // new)
    answers = mask[places[0], places[1]]
    result[rows, columns] = answers
    excess = _excess(result, lead, left_out, counted, mask.size)
    count = (abs(excess) + mask.size - 1) // (2 * mask.size)  # in blocks, rounded
    changed = np.flatnonzero(answers == (excess > 0))
    order = np.argsort(_alternating(rows[changed], columns[changed], (11, 13)), kind="stable")
    changed = changed[order[:count]]
    result[rows[changed], columns[changed]] ^= True


def _excess(
    result: Mask,
    lead: NDArray[np.int64],
    left_out: NDArray[np.int64],
    counted: Mask,
    whole: int,
) -> int:
    """Return twice the foreground that there is too much of, in parts of a block's *whole* area.

    What counts of a block stands for all of it. Rounding is the same for an object and its
    complement.
    """
    ahead = lead[counted]
    shares = np.sign(ahead) * (np.abs(ahead) * whole // (whole - left_out[counted]))
    wanted = int(np.count_nonzero(counted)) * whole + int(shares.sum())
    return 2 * int(np.count_nonzero(result & counted)) * whole - wanted


def _alternating(
    rows: NDArray[np.int64], columns: NDArray[np.int64], roots: tuple[int, int]
) -> NDArray[np.int64]:
    """Return numbers from 0 to 2**32 - 1 that are spread evenly along every line of blocks.

    Multiples of square roots of different primes, modulo 1, are spread evenly and independently.
    """
    down, across = (int(root**0.5 % 1 * 2**32) for root in roots)
    return (rows * down + columns * across) % 2**32


def block_means(image: Raw, size: tuple[int, int]) -> Raw:
    """Return the image (H, W, C); along an axis reduced by more than LARGE, as means of blocks.

    There are STEP blocks for each pixel of *size*. The values of a reduced image are float64 in
    [0, 1]. What is left to reduce is cheap: to smooth 12 million pixels takes seconds.
    """
    means, parts = image, 1 if image.dtype.kind == "f" else int(np.iinfo(image.dtype).max)
    for axis, (old, new) in enumerate(zip(image.shape, size, strict=False)):
        if old > LARGE * new:
            means, parts = _block_sums(means, STEP * new, axis), parts * old
    return image if means is image else np.clip(means / parts, 0, 1)


def _block_sums(values: Raw, count: int, axis: int) -> Raw:
    """Return *values* summed over *count* equal blocks along *axis*.

    A value on the border of two blocks counts in each by its share. The unit is 1 / count of a
    value, so that the sums of whole numbers are exact.
    """
    lines = np.ascontiguousarray(np.moveaxis(values, axis, 0))
    length = len(lines)
    small = lines.dtype.itemsize == 1 and length < 2**23  # 255 * length is below 2**31
    kind = np.float64 if lines.dtype.kind == "f" else np.int32 if small else np.int64
    sums = np.empty((count, *lines.shape[1:]), kind)
    for block in range(count):
        first, before = divmod(block * length, count)
        last, behind = divmod((block + 1) * length, count)
        total = lines[first:last].sum(0, dtype=kind) * count
        if before:
            total -= lines[first].astype(kind) * before
        if behind:
            total += lines[last].astype(kind) * behind
        sums[block] = total
    return np.moveaxis(sums, 0, axis)
