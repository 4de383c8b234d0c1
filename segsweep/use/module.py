"""A trained network as an ordinary module that does its own preprocessing, of tensors of any size.

Resizing is a matrix along each axis, the same that training applied to image files; results agree
to rounding.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from segsweep.data.resize import resize_image
from segsweep.data.tiled_batches import whole_logits
from segsweep.data.tiles import Tiling
from segsweep.use.network import Network

GREY = (0.2125, 0.7154, 0.0721)
"""The weights of red, green and blue in grey, those of skimage."""
COLUMNS = 256
"""Columns of an identity matrix that are resized at once."""


class Segmenter(nn.Module):
    """Images (B, 3, H, W) in [0, 1], of any size -> probabilities (B, 1, H, W) of that size."""

    def __init__(self, network: Network) -> None:
        """Use a trained network with the preprocessing that it was trained with."""
        super().__init__()
        data = network.config.data
        self.network = network.model
        self.size, self.channels, self.way = data.height_width, data.channels, data.resize
        self.tiling = network.tiling
        self.batch = network.config.trainer.batch

    def forward(self, images: Tensor) -> Tensor:
        """Return the probabilities of each pixel to be foreground."""
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images must be (B, 3, H, W) in [0, 1]; got {tuple(images.shape)}")
        if self.tiling is not None:
            return torch.cat([self._in_tiles(one[None], self.tiling) for one in images])
        found: Tensor = self.network(self.preprocessed(images)).sigmoid()
        size = images.shape[-2:]
        if found.shape[-2:] == size:
            return found
        return interpolate(found, size, mode="bilinear", antialias=True)

    def preprocessed(self, images: Tensor) -> Tensor:
        """Return what the network sees of resized images, (B, C, height, width)."""
        images = self._grey(images) if self.channels == 1 else images
        if images.shape[-2:] == self.size:
            return images
        down, across = (
            resizing(old, new, self.way).to(images)
            for old, new in zip(images.shape[-2:], self.size, strict=True)
        )
        resized = down @ images @ across.T
        every = (1, 2, 3)  # darker at the border, as beyond it is black, but within what there is
        return resized.clamp(images.amin(every, keepdim=True), images.amax(every, keepdim=True))

    def _grey(self, images: Tensor) -> Tensor:
        weights = images.new_tensor(GREY).view(1, 3, 1, 1)
        return (images * weights).sum(1, keepdim=True)

    def _in_tiles(self, image: Tensor, tiling: Tiling) -> Tensor:
        image = self._grey(image) if self.channels == 1 else image
        return whole_logits(self.network, image, tiling, self.batch).sigmoid()


class Mean(nn.Module):
    """The mean of the probabilities of several modules."""

    def __init__(self, modules: list[nn.Module]) -> None:
        """Average the outputs of *modules*."""
        super().__init__()
        self.members = nn.ModuleList(modules)

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean of the members' probabilities."""
        return torch.stack([member(images) for member in self.members]).mean(0)


@lru_cache(maxsize=64)
def resizing(old: int, new: int, way: str) -> Tensor:
    """Return the matrix (new, old) that resizes an axis as images are resized for training.

    *way* is area or classic. Axes do not depend on each other, so that this is what resizing does
    to the columns of an identity matrix.
    """
    parts = []
    for start in range(0, old, COLUMNS):
        columns = np.eye(old, min(COLUMNS, old - start), -start, dtype=np.float32)
        image = np.stack([columns] * 3, axis=2)
        parts.append(resize_image(image, (new, columns.shape[1]), 3, way)[0])
    return torch.from_numpy(np.concatenate(parts, axis=1))
