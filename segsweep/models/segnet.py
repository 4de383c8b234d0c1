"""SegNet: the decoder knows only where each maximum stood."""

from torch import Tensor, nn

from segsweep.models.blocks import check_channels, check_size, conv, decoder, encoder


class SegNet(nn.Module):
    """SegNet, Badrinarayanan et al. 2017, section 3, https://arxiv.org/abs/1511.00561.

    Down by max-pooling that keeps the indices, up by max-unpooling with them, no skips.
    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W divide by `size_multiple`.
    """

    def __init__(self, in_channels: int = 3, channels: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__()
        check_channels(in_channels, channels)
        self.size_multiple = 2 ** len(channels)
        self.encoder = encoder(in_channels, channels)
        self.bottleneck = conv(channels[-1], channels[-1])
        self.decoder = decoder(channels, skips=False)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.unpool = nn.MaxUnpool2d(2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        check_size(x, self.size_multiple)
        indices = []
        for stage in self.encoder:
            x, index = self.pool(stage(x))
            indices.append(index)
        x = self.bottleneck(x)
        for stage in self.decoder:
            x = stage(self.unpool(x, indices.pop()))
        return x
