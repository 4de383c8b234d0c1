"""U-Net that goes up by repeating pixels."""

import torch
from torch import Tensor, nn

from segsweep.models.blocks import check_channels, check_size, conv, decoder, encoder


class UNet2(nn.Module):
    """U-Net, Ronneberger et al. 2015, figure 1, https://arxiv.org/abs/1505.04597.

    Down by max-pooling, up by nearest upsampling, with skips.
    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W divide by `size_multiple`.
    """

    def __init__(self, in_channels: int = 3, channels: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        check_channels(in_channels, channels)
        self.size_multiple = 2 ** len(channels)
        self.encoder = encoder(in_channels, channels)
        self.bottleneck = conv(channels[-1], channels[-1])
        self.decoder = decoder(channels, skips=True)
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        check_size(x, self.size_multiple)
        skips = []
        for stage in self.encoder:
            skips.append(stage(x))
            x = self.pool(skips[-1])
        x = self.bottleneck(x)
        for stage in self.decoder:
            x = stage(torch.cat([self.upsample(x), skips.pop()], dim=1))
        return x
