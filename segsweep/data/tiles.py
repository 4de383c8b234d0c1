"""Which windows of an image a network sees that is trained on crops of it: tiles.

In training a tile is cut at random. In evaluation a regular grid of overlapping tiles covers the
image, and what the network says about a pixel in several of them is averaged.
"""

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from segsweep.seeding import CROP, derive

Size = tuple[int, int]
"""Height and width, pixels."""
Corner = tuple[int, int]
"""Row and column of a tile's first pixel."""


@dataclass(frozen=True)
class Tiling:
    """How images are cut into tiles."""

    tile: Size
    overlap: float = 0.25
    """Share of a tile's height and width that its neighbour covers too, below 1."""
    crops: int | None = None
    """Random tiles of an image in an epoch; None: as many as cover it without overlap."""

    @property
    def overlap_pixels(self) -> Size:
        """The overlap of neighbours along both axes; less than the tile."""
        height, width = self.tile
        return int(self.overlap * height), int(self.overlap * width)

    def crops_of(self, size: Size) -> int:
        """Return the number of random tiles that an image of that size gives in an epoch."""
        if self.crops is not None:
            return self.crops
        return math.prod(-(-side // tile) for side, tile in zip(size, self.tile, strict=True))

    def crop(self, size: Size, seed: int, epoch: int, image: int, number: int) -> Corner:
        """Return the corner of a random tile, all corners being equally likely.

        The draw depends on the arguments alone, so it is the same in every cell and after a
        resume. Along an axis where the image is smaller than the tile, the corner is 0.

        Args:
            size: of the image.
            seed: the run's.
            epoch: counted from 0.
            image: its position in the training part.
            number: of the image's crop in this epoch.

        """
        draws = np.random.default_rng(derive(seed, CROP, epoch, image, number))
        top, left = (
            int(draws.integers(max(side - tile, 0) + 1))
            for side, tile in zip(size, self.tile, strict=True)
        )
        return top, left

    def grid(self, size: Size) -> list[Corner]:
        """Return the corners of the tiles that cover an image, row by row.

        Neighbours overlap by `overlap_pixels`; the last ones are aligned to the edge and overlap
        more. An image that is smaller than a tile is to be enlarged first, see `mirrored`.
        """
        axes = zip(size, self.tile, self.overlap_pixels, strict=True)
        rows, columns = (_starts(*axis) for axis in axes)
        return list(product(rows, columns))

    def weights(self) -> NDArray[np.float32]:
        """Return how much a tile's pixels count where tiles overlap, (height, width), up to 1.

        They fall linearly from the middle towards each edge, where a network knows least of the
        surroundings, and are never 0.
        """
        rows, columns = (_ramp(side) for side in self.tile)
        return np.outer(rows, columns).astype(np.float32)


def mirrored(length: int, tile: int) -> NDArray[np.int64]:
    """Return the indices that enlarge an axis of *length* pixels to at least *tile* by mirroring.

    The pixels at the end are repeated in reverse order, the last one included.
    """
    return np.pad(np.arange(length), (0, max(tile - length, 0)), "symmetric")


def _starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return where tiles begin along an axis."""
    last, step = max(length - tile, 0), tile - overlap
    return [*range(0, last, step), last]


def _ramp(side: int) -> NDArray[np.float64]:
    inward = np.minimum(np.arange(side), np.arange(side)[::-1]) + 1
    return inward / inward.max()
