"""From the cached arrays to batches of tensors on a device."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segsweep.data.native import Images, Masks
from segsweep.data.source import IGNORED, Raw
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

    images: Images
    """(N, C, H, W) in [0, 1]."""
    masks: Masks
    """(N, 1, H, W) in {0, 1}, or IGNORED where *ignores*."""
    indices: list[int]
    """Which rows of the arrays belong to this part, sorted."""
    batch: int
    device: torch.device
    memory_format: torch.memory_format = torch.contiguous_format
    dtype: torch.dtype = torch.float32
    ignores: bool = False
    """Whether masks may hold IGNORED; what an augmentation shows beyond an image then is too."""

    @property
    def count(self) -> int:
        """What the network is trained on in an epoch: the number of images."""
        return len(self.indices)

    def steps(self) -> int:
        """Return the number of whole batches: all cells get equal steps, no batch of one image."""
        return self.count // self.batch

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
        order = epoch_order(seed, epoch, self.count)[: self.steps() * self.batch]
        groups = order.reshape(-1, self.batch)[start:]
        return self._ahead(partial(self._augmented, g, seed, epoch, augment) for g in groups)

    def logits(self, model: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Return what *model* says of the images of a batch of `in_order`, (B, 1, H, W)."""
        return model(images)

    def seen_first(self) -> Tensor:
        """Return what the network sees first in evaluation, (1, C, H, W)."""
        return next(self.in_order()).images[:1]

    def few(self) -> tuple["Batches", float]:
        """Return some images to measure evaluation with, and how many usual ones they are worth."""
        few = replace(self, indices=self.indices[: self.batch])
        return few, len(few.indices)

    def drawn(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return an image, or its probabilities, (..., H, W), as it is drawn: all of one size."""
        return values

    def drawn_labels(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the labels of an image, (..., H, W), as they are drawn."""
        return labels

    def _read(self, rows: list[int]) -> Batch:
        return self._split(*self._rows(rows))

    def _cut(self, positions: NDArray[np.int64], seed: int, epoch: int) -> tuple[Tensor, Tensor]:
        """Return images and labels for training, before they are augmented."""
        return self._rows([self.indices[position] for position in positions])

    def _rows(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        images, masks = cast("Raw", self.images), cast("Raw", self.masks)
        return torch.from_numpy(images[rows]), torch.from_numpy(masks[rows])

    def _augmented(
        self, positions: NDArray[np.int64], seed: int, epoch: int, augment: Augment | None
    ) -> Batch:
        images, masks = self._cut(positions, seed, epoch)
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
