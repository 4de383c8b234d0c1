"""Batches of tiles: random crops in training, whole images put together in evaluation."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segsweep.data.batches import Batch, Batches
from segsweep.data.native import NativeImages, NativeMasks, Window
from segsweep.data.shrunk import block_side, framed, shrunk, shrunk_labels, shrunk_size
from segsweep.data.source import Raw
from segsweep.data.tiles import Corner, Size, Tiling, mirrored


@dataclass(frozen=True)
class TiledBatches(Batches):
    """One part of a data set whose images keep their own sizes.

    In training a batch holds random crops of the size of a tile; an image gives several in an
    epoch. In evaluation a batch holds one whole image, and the network sees it in tiles.
    """

    images: NativeImages
    masks: NativeMasks
    tiling: Tiling = field(kw_only=True)

    @classmethod
    def of(cls, part: Batches, tiling: Tiling) -> "TiledBatches":
        """Return *part*, whose images keep their own sizes, as batches of tiles."""
        assert isinstance(part.images, NativeImages)
        assert isinstance(part.masks, NativeMasks)
        return cls(
            part.images,
            part.masks,
            part.indices,
            part.batch,
            part.device,
            part.memory_format,
            part.dtype,
            part.ignores,
            tiling=tiling,
        )

    @cached_property
    def _crops(self) -> list[tuple[int, int]]:
        """The image, as a position in `indices`, and the number of each crop of an epoch."""
        return [
            (position, number)
            for position, row in enumerate(self.indices)
            for number in range(self.tiling.crops_of(self._size(row)))
        ]

    @property
    def count(self) -> int:
        """The number of crops in an epoch."""
        return len(self._crops)

    def in_order(self) -> Iterator[Batch]:
        """Yield all images in their fixed order, each in a batch of its own."""
        return self._ahead(partial(self._whole, row) for row in self.indices)

    def logits(self, model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Return the logits (1, 1, H, W) of one image, averaged over tiles.

        The network sees at most `batch` tiles at a time.
        """
        return whole_logits(model, images, self.tiling, self.batch, self.memory_format)

    def seen_first(self) -> Tensor:
        """Return what the network sees first in evaluation, (1, C, height, width) of a tile."""
        height, width = self.tiling.tile
        images = next(self.in_order()).images
        return _enlarged(images, self.tiling.tile)[..., :height, :width]

    def few(self) -> tuple[Batches, float]:
        """Return the largest image, which needs most memory, and how many mean ones it is worth."""
        pixels = {row: math.prod(self._size(row)) for row in self.indices}
        largest = max(pixels, key=lambda row: pixels[row])
        worth = pixels[largest] * len(pixels) / sum(pixels.values())
        return replace(self, indices=[largest]), worth

    def drawn(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an image, or its probabilities, (..., H, W): small, in the middle of a frame."""
        side = block_side((values.shape[-2], values.shape[-1]))
        return framed(shrunk(values, side), self._frame)

    def drawn_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the labels of an image, (..., H, W), likewise; no thin line is lost."""
        side = block_side((labels.shape[-2], labels.shape[-1]))
        return framed(shrunk_labels(labels, side), self._frame)

    @cached_property
    def _frame(self) -> Size:
        sizes = [shrunk_size(size, block_side(size)) for size in map(self._size, self.indices)]
        height, width = map(max, zip(*sizes, strict=True))
        return height, width

    def _whole(self, row: int) -> Batch:
        images, masks = (torch.from_numpy(one[row][None]) for one in (self.images, self.masks))
        return self._split(images, masks)

    def _cut(self, positions: NDArray[np.int64], seed: int, epoch: int) -> tuple[Tensor, Tensor]:
        images, masks = [], []
        for place in positions:
            position, number = self._crops[place]
            row = self.indices[position]
            corner = self.tiling.crop(self._size(row), seed, epoch, position, number)
            window = self._window(corner)
            images.append(self._filled(self.images.file.image(row, window)))
            masks.append(self._filled(self.masks.file.mask(row, window)))
        return torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(masks))

    def _size(self, row: int) -> Size:
        return self.images.file.sizes[row]

    def _window(self, corner: Corner) -> Window:
        (top, left), (height, width) = corner, self.tiling.tile
        return slice(top, top + height), slice(left, left + width)

    def _filled(self, values: Raw) -> Raw:
        """Return a crop (C, H, W) mirrored to a whole tile, where the image is smaller."""
        height, width = self.tiling.tile
        if values.shape[1:] == (height, width):  # np.pad would copy it all the same
            return values
        missing = (0, height - values.shape[1]), (0, width - values.shape[2])
        return np.pad(values, ((0, 0), *missing), "symmetric")


def whole_logits(
    model: Callable[[Tensor], Tensor],
    images: Tensor,
    tiling: Tiling,
    batch: int,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Return the logits (1, 1, H, W) of one image (1, C, H, W) of any size; see `tiled_logits`."""
    height, width = images.shape[-2:]
    enlarged = _enlarged(images, tiling.tile)

    def cut(rows: slice, columns: slice) -> Tensor:
        return enlarged[0, :, rows, columns]

    size = enlarged.shape[-2], enlarged.shape[-1]
    found = tiled_logits(model, cut, size, tiling, batch, memory_format)
    return found[..., :height, :width]


Cut = Callable[[slice, slice], Tensor]
"""Rows and columns of a tile -> the tile, (C, height, width), on the device of the network."""


def tiled_logits(
    model: Callable[[Tensor], Tensor],
    cut: Cut,
    size: Size,
    tiling: Tiling,
    batch: int,
    memory_format: torch.memory_format = torch.contiguous_format,
) -> Tensor:
    """Return the logits (1, 1, H, W) of an image of at least a tile's *size*, averaged over tiles.

    The network sees at most *batch* tiles at a time.
    """
    corners, (height, width) = tiling.grid(size), tiling.tile
    total = covered = weights = torch.empty(0)
    for start in range(0, len(corners), batch):
        windows = [
            (slice(top, top + height), slice(left, left + width))
            for top, left in corners[start : start + batch]
        ]
        tiles = torch.stack([cut(rows, columns) for rows, columns in windows])
        found = model(tiles.contiguous(memory_format=memory_format))
        found = found if found.dtype == torch.float64 else found.float()
        if not start:
            weights = torch.from_numpy(tiling.weights()).to(found.device)
            total = found.new_zeros((1, 1, *size))
            covered = weights.new_zeros((1, 1, *size))
        for (rows, columns), one in zip(windows, found, strict=True):
            total[..., rows, columns] += weights * one
            covered[..., rows, columns] += weights
    return total.div_(covered) if total.dtype == covered.dtype else total / covered


def _enlarged(images: Tensor, tile: Size) -> Tensor:
    """Return images (B, C, H, W) mirrored at the bottom and at the right to at least a tile."""
    for axis, side in zip((2, 3), tile, strict=True):
        if images.shape[axis] < side:
            indices = torch.from_numpy(mirrored(images.shape[axis], side)).to(images.device)
            images = images.index_select(axis, indices)
    return images
