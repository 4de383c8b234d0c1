"""From the cached arrays to batches of tensors on a device."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segsweep.data.source import IGNORED
from segsweep.errors import ConfigError
from segsweep.seeding import AUGMENT, derive, drawing_from, epoch_order

Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(C, H, W) image in [0, 1] and (1, H, W) mask -> the same, changed together."""


class Batch(NamedTuple):
    """What a step of training or validation gets."""

    images: Tensor
    """(B, C, H, W) in [0, 1]."""
    masks: Tensor
    """(B, 1, H, W) in {0, 1}; 0 where a pixel is ignored."""
    valid: Tensor | None = None
    """(B, 1, H, W) bool: which pixels count; None: all of them do."""


@dataclass(frozen=True)
class Batches:
    """One part of a data set."""

    images: NDArray[np.float32]
    """(N, C, H, W) in [0, 1]."""
    masks: NDArray[np.uint8]
    """(N, 1, H, W) in {0, 1}, or IGNORED where *ignores*."""
    indices: list[int]
    """Which rows of the arrays belong to this part, sorted."""
    batch: int
    device: torch.device
    memory_format: torch.memory_format = torch.contiguous_format
    dtype: torch.dtype = torch.float32
    ignores: bool = False
    """Whether masks may hold IGNORED; what an augmentation shows beyond an image then is too."""

    def steps(self) -> int:
        """Return the number of whole batches: all cells get equal steps, no batch of one image."""
        return len(self.indices) // self.batch

    def in_order(self) -> Iterator[Batch]:
        """Yield all images in their fixed order; the last batch may be smaller."""
        starts = range(0, len(self.indices), self.batch)
        return self._ahead(partial(self._read, self.indices[s : s + self.batch]) for s in starts)

    def shuffled(
        self, seed: int, epoch: int, augment: Augment | None, start: int = 0
    ) -> Iterator[Batch]:
        """Yield the whole batches of *epoch* from step *start* on, augmented.

        Order and draws depend on seed, epoch and image alone: the same in every cell, and
        after a resume.
        """
        order = epoch_order(seed, epoch, len(self.indices))[: self.steps() * self.batch]
        groups = order.reshape(-1, self.batch)[start:]
        return self._ahead(partial(self._augmented, g, seed, epoch, augment) for g in groups)

    def _read(self, rows: list[int]) -> Batch:
        return self._split(torch.from_numpy(self.images[rows]), torch.from_numpy(self.masks[rows]))

    def _augmented(
        self, positions: NDArray[np.int64], seed: int, epoch: int, augment: Augment | None
    ) -> Batch:
        rows = [self.indices[position] for position in positions]
        images, masks = torch.from_numpy(self.images[rows]), torch.from_numpy(self.masks[rows])
        if augment is not None:
            change = carrying(augment) if self.ignores else drawing(augment)
            for slot, position in enumerate(positions):
                draw = derive(seed, AUGMENT, epoch, int(position))
                images[slot], masks[slot] = change(images[slot], masks[slot], draw)
        return self._split(images, masks)

    def _split(self, images: Tensor, labels: Tensor) -> Batch:
        """Separate what is foreground from what counts."""
        return labelled(images, labels) if self.ignores else Batch(images, labels)

    def _ahead(self, makers: Iterable[Callable[[], Batch]]) -> Iterator[Batch]:
        """Put batches on the device; with a GPU, make the next one while it computes.

        On the CPU that gains nothing, and the network (dropout) may be using the global
        generator that augmentation borrows. At most two batches wait in memory.
        """
        if self.device.type == "cpu":
            for make in makers:
                yield self._placed(make())
            return
        with ThreadPoolExecutor(1) as pool:
            waiting = None
            for make in makers:
                following = pool.submit(make)
                if waiting is not None:
                    yield self._placed(waiting.result())
                waiting = following
            if waiting is not None:
                yield self._placed(waiting.result())

    def _placed(self, batch: Batch) -> Batch:
        images = batch.images.to(self.device, self.dtype, memory_format=self.memory_format)
        valid = None if batch.valid is None else batch.valid.to(self.device)
        return Batch(images, batch.masks.to(self.device, self.dtype), valid)


def labelled(images: Tensor, labels: Tensor) -> Batch:
    """Return a batch from images and labels (B, 1, H, W): 0, 1 or IGNORED."""
    valid = labels != IGNORED
    if bool(valid.all()):
        return Batch(images, labels)
    return Batch(images, labels * valid, valid)


Change = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
"""Image, mask and the seed of the draws -> the image and mask, changed together."""


def drawing(augment: Augment) -> Change:
    """Return *augment* with draws from a seed."""

    def change(image: Tensor, mask: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        with drawing_from(seed):
            return augment(image, mask)

    return change


def carrying(augment: Augment) -> Change:
    """Return *augment* for masks that may hold IGNORED; it is called twice with the same draws.

    It gets masks of 0 and 1: where the foreground is, then which pixels count. What it fills with
    0 beyond the image therefore counts for nothing. Raises ConfigError if the two calls differ.
    """
    drawn = drawing(augment)

    def change(image: Tensor, mask: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        counted = (mask != IGNORED).to(mask.dtype)
        moved, foreground = drawn(image.clone(), mask * counted, seed)
        again, counted = drawn(image.clone(), counted, seed)
        if not torch.equal(moved, again):
            raise ConfigError(
                "augment: changes an image differently in a second call with the same draws and "
                "another mask; with data.ignore it must draw from torch's generator only and not "
                "depend on the mask"
            )
        foreground, counted = foreground.to(mask.dtype), counted.to(mask.dtype)
        return moved, torch.where(counted == 1, foreground, IGNORED)

    return change
