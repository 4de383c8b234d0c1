"""From the cached arrays to batches of tensors on a device."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from segsweep.seeding import AUGMENT, derive, drawing_from, epoch_order

Augment = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(C, H, W) image in [0, 1] and (1, H, W) mask -> the same, changed together."""


@dataclass(frozen=True)
class Batches:
    """One part of a data set; images (B, C, H, W) in [0, 1], masks (B, 1, H, W) in {0, 1}."""

    images: NDArray[np.float32]
    masks: NDArray[np.uint8]
    indices: list[int]
    """Which rows of the arrays belong to this part, sorted."""
    batch: int
    device: torch.device
    memory_format: torch.memory_format = torch.contiguous_format
    dtype: torch.dtype = torch.float32

    def steps(self) -> int:
        """Return the number of whole batches: all cells get equal steps, no batch of one image."""
        return len(self.indices) // self.batch

    def in_order(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield all images in their fixed order; the last batch may be smaller."""
        starts = range(0, len(self.indices), self.batch)
        return self._ahead(partial(self._read, self.indices[s : s + self.batch]) for s in starts)

    def shuffled(
        self, seed: int, epoch: int, augment: Augment | None, start: int = 0
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the whole batches of *epoch* from step *start* on, augmented.

        Order and draws depend on seed, epoch and image alone: the same in every cell, and
        after a resume.
        """
        order = epoch_order(seed, epoch, len(self.indices))[: self.steps() * self.batch]
        groups = order.reshape(-1, self.batch)[start:]
        return self._ahead(partial(self._augmented, g, seed, epoch, augment) for g in groups)

    def _read(self, rows: list[int]) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.images[rows]), torch.from_numpy(self.masks[rows])

    def _augmented(
        self, positions: NDArray[np.int64], seed: int, epoch: int, augment: Augment | None
    ) -> tuple[Tensor, Tensor]:
        images, masks = self._read([self.indices[position] for position in positions])
        if augment is not None:
            for slot, position in enumerate(positions):
                with drawing_from(derive(seed, AUGMENT, epoch, int(position))):
                    images[slot], masks[slot] = augment(images[slot], masks[slot])
        return images, masks

    def _ahead(
        self, makers: Iterable[Callable[[], tuple[Tensor, Tensor]]]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Put batches on the device; with a GPU, make the next one while it computes.

        On the CPU that gains nothing, and the network (dropout) may be using the global
        generator that augmentation borrows. At most two batches wait in memory.
        """
        if self.device.type == "cpu":
            for make in makers:
                yield self._placed(*make())
            return
        with ThreadPoolExecutor(1) as pool:
            waiting = None
            for make in makers:
                following = pool.submit(make)
                if waiting is not None:
                    yield self._placed(*waiting.result())
                waiting = following
            if waiting is not None:
                yield self._placed(*waiting.result())

    def _placed(self, images: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
        images = images.to(self.device, self.dtype, memory_format=self.memory_format)
        return images, masks.to(self.device, self.dtype)
