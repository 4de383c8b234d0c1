"""A trained network as an ordinary module that does its own preprocessing, of tensors of any size.

Images are resized as training resized image files; results agree to rounding.
"""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from segsweep.data.tiled_batches import whole_logits
from segsweep.data.tiles import Tiling
from segsweep.use.network import Network
from segsweep.use.resizing import enlarging, restoring, seeing

GREY = (0.2125, 0.7154, 0.0721)
"""The weights of red, green and blue in grey, those of skimage."""


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
        down, across = (
            matrix(restoring, old, new).to(images)
            for old, new in zip(found.shape[-2:], images.shape[-2:], strict=True)
        )
        return down @ found @ across.T

    def preprocessed(self, images: Tensor) -> Tensor:
        """Return what the network sees of resized images, (B, C, height, width)."""
        images = grey(images) if self.channels == 1 else images
        down, across = (
            matrix(seeing, old, new, self.way).to(images)
            for old, new in zip(images.shape[-2:], self.size, strict=True)
        )
        resized = down @ images @ across.T
        every = (1, 2, 3)  # darker at the border, as beyond it is black, but within what there is
        return resized.clamp(images.amin(every, keepdim=True), images.amax(every, keepdim=True))

    def _in_tiles(self, image: Tensor, tiling: Tiling) -> Tensor:
        image = grey(image) if self.channels == 1 else image
        return whole_logits(self.network, image, tiling, self.batch).sigmoid()


class WholeImages(nn.Module):
    """A network for tiles that sees images (B, 3, H, W) whole, mirrored to sizes it allows."""

    def __init__(self, network: Network, divisor: int) -> None:
        """Let a trained network see heights and widths that are multiples of *divisor*."""
        super().__init__()
        self.network, self.channels = network.model, network.config.data.channels
        self.divisor = divisor

    def forward(self, images: Tensor) -> Tensor:
        """Return the probabilities of each pixel to be foreground, (B, 1, H, W)."""
        height, width = images.shape[-2:]
        rows, columns = (enlarging(side, self.divisor) for side in (height, width))
        images = grey(images) if self.channels == 1 else images
        found: Tensor = self.network(images[:, :, rows][..., columns]).sigmoid()
        return found[:, :, torch.arange(height)][..., torch.arange(width)]  # slices are not traced


class Mean(nn.Module):
    """The mean of the probabilities of several modules."""

    def __init__(self, modules: list[nn.Module]) -> None:
        """Average the outputs of *modules*."""
        super().__init__()
        self.members = nn.ModuleList(modules)

    def forward(self, images: Tensor) -> Tensor:
        """Return the mean of the members' probabilities."""
        return torch.stack([member(images) for member in self.members]).mean(0)


def grey(images: Tensor) -> Tensor:
    """Return images (B, 3, H, W) without colours, (B, 1, H, W)."""
    weights = images.new_tensor(GREY).view(1, 3, 1, 1)
    return (images * weights).sum(1, keepdim=True)


def matrix(make: Callable[..., Tensor], *sizes: int | str) -> Tensor:
    """Return what *make* makes of sizes: once for each, but anew where a program is traced."""
    return make(*sizes) if torch.compiler.is_exporting() else _known(make, *sizes)


@lru_cache(maxsize=64)
def _known(make: Callable[..., Tensor], *sizes: int | str) -> Tensor:
    with torch.inference_mode(False):  # for gradients too, whoever asks first
        return make(*sizes)
