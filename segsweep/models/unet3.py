"""U-Net that learns its way down and up."""

import torch
from torch import Tensor, nn

from segsweep.models.blocks import check_channels, check_size, conv, decoder, encoder, halve


class UNet3(nn.Module):
    """U-Net, Ronneberger et al. 2015, figure 1, https://arxiv.org/abs/1505.04597, no pooling.

    Down by 2x2 convolutions of stride 2, up by transposed ones, with skips.
    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W divide by `size_multiple`.
    """

    def __init__(self, in_channels: int = 3, channels: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        check_channels(in_channels, channels)
        self.size_multiple = 2 ** len(channels)
        self.encoder = encoder(in_channels, channels)
        self.downs = nn.ModuleList(halve(count) for count in channels)
        self.bottleneck = conv(channels[-1], channels[-1])
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(count, count, 2, stride=2) for count in reversed(channels)
        )
        self.decoder = decoder(channels, skips=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        check_size(x, self.size_multiple)
        skips = []
        for stage, down in zip(self.encoder, self.downs, strict=True):
            skips.append(stage(x))
            x = down(skips[-1])
        x = self.bottleneck(x)
        for up, stage in zip(self.ups, self.decoder, strict=True):
            x = stage(torch.cat([up(x), skips.pop()], dim=1))
        return x
