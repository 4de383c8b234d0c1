"""U-Net that goes up by max-unpooling."""

import torch
from torch import Tensor, nn

from segsweep.models.blocks import check_channels, check_size, conv, decoder, encoder


class UNet(nn.Module):
    """U-Net, Ronneberger et al. 2015, figure 1, https://arxiv.org/abs/1505.04597, SegNet's way up.

    Down by max-pooling that keeps the indices, up by max-unpooling with them, with skips.
    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W divide by `size_multiple`.
    """

    def __init__(self, in_channels: int = 3, channels: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        check_channels(in_channels, channels)
        self.size_multiple = 2 ** len(channels)
        self.encoder = encoder(in_channels, channels)
        self.bottleneck = conv(channels[-1], channels[-1])
        self.decoder = decoder(channels, skips=True)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        check_size(x, self.size_multiple)
        skips, indices = [], []
        for stage in self.encoder:
            skips.append(stage(x))
            x, index = self.pool(skips[-1])
            indices.append(index)
        x = self.bottleneck(x)
        for stage in self.decoder:
            x = stage(torch.cat([self.unpool(x, indices.pop()), skips.pop()], dim=1))
        return x
