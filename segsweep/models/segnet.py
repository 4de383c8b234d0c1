"""SegNet: the decoder gets only the positions of the maxima."""

from segsweep.models.blocks import EncoderDecoder, pool_keeping_indices, unpool


class SegNet(EncoderDecoder):
    """SegNet, Badrinarayanan et al. 2017, section 3, https://arxiv.org/abs/1511.00561.

    Halves by max-pooling that keeps the indices, doubles by max-unpooling with them, no skips.

    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W are multiples of `size_multiple`.
    """

    def __init__(self, in_channels: int = 3, channels: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__(in_channels, channels, down=pool_keeping_indices, up=unpool, skips=False)
