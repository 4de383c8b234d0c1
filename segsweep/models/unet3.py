"""U-Net with learned downsampling and upsampling."""

from segsweep.models.blocks import EncoderDecoder, double, halve


class UNet3(EncoderDecoder):
    """U-Net, Ronneberger et al. 2015, figure 1, https://arxiv.org/abs/1505.04597, no pooling.

    Halves by 2x2 convolutions of stride 2, doubles by transposed ones, with skips.

    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W are multiples of `size_multiple`.
    """

    def __init__(self, in_channels: int = 3, channels: tuple[int, ...] = (16, 32, 64, 128)) -> None:
        super().__init__(in_channels, channels, down=halve, up=double, skips=True)
