"""Parts that the four networks share, made of plain torch layers: blocks, stages, encoder-decoder.

`segsweep/models/lean` may replace some of these parts with versions that need less memory
and time. Nothing here depends on it.

Shapes: B images, C channels, H rows, W columns.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn


class EncoderDecoder(nn.Module):
    """A network that halves its image stage by stage and doubles it again.

    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W are multiples of `size_multiple`.

    Args:
        in_channels: channels of the image, >= 1.
        channels: channels of each stage, from the image down, each >= 1.
        down: channels -> the layer that halves; it may also return what `up` needs.
        up: channels -> the layer that doubles, given what `down` returned at that size.
        skips: whether a decoder stage also sees the encoder's output of its size.

    """

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, ...],
        *,
        down: Callable[[int], nn.Module],
        up: Callable[[int], nn.Module],
        skips: bool,
    ) -> None:
        super().__init__()
        check_channels(in_channels, channels)
        self.size_multiple = 2 ** len(channels)
        self.skips = skips
        self.encoder = encoder(in_channels, channels)
        self.downs = nn.ModuleList(down(count) for count in channels)
        self.bottleneck = conv(channels[-1], channels[-1])
        self.ups = nn.ModuleList(up(count) for count in reversed(channels))
        self.decoder = decoder(channels, skips=skips)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        check_size(x, self.size_multiple)
        passed = []
        for stage, down in zip(self.encoder, self.downs, strict=True):
            skip = stage(x)
            x, *indices = _as_tuple(down(skip))
            passed.append((skip, indices))
        x = self.bottleneck(x)
        for up, stage in zip(self.ups, self.decoder, strict=True):
            skip, indices = passed.pop()
            x = up(x, *indices)
            x = stage(x, skip) if self.skips else stage(x)
        return x


class Stage(nn.Sequential):
    """Two modules at one size, the first from `conv`; several inputs are joined by channel."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Return the output of the last module for *parts* (B, C, H, W), joined by channel."""
        output: Tensor = super().forward(parts[0] if len(parts) == 1 else torch.cat(parts, 1))
        return output


def pool(count: int) -> nn.Module:
    """Return 2x2 max-pooling; the number of channels does not matter."""
    return nn.MaxPool2d(2)


def pool_keeping_indices(count: int) -> nn.Module:
    """Return 2x2 max-pooling that also returns the position of each maximum."""
    return nn.MaxPool2d(2, return_indices=True)


def unpool(count: int) -> nn.Module:
    """Return 2x2 max-unpooling: each value goes to the position of its maximum, the rest is 0."""
    return nn.MaxUnpool2d(2)


def repeat(count: int) -> nn.Module:
    """Return nearest upsampling: each pixel becomes a 2x2 window."""
    return nn.Upsample(scale_factor=2, mode="nearest")


def double(count: int) -> nn.Module:
    """Return a learned step up: transposed 2x2 convolution, stride 2, same channels."""
    return nn.ConvTranspose2d(count, count, 2, stride=2)


def conv(inputs: int, outputs: int) -> nn.Sequential:
    """Return 3x3 convolution, BatchNorm, ReLU: (B, inputs, H, W) to (B, outputs, H, W)."""
    return nn.Sequential(conv3x3(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a bare 3x3 convolution that keeps the size; the border is reflected."""
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")


def halve(count: int) -> nn.Sequential:
    """Return a learned step down, (B, count, H, W) to half the size: 2x2 convolution, stride 2."""
    return nn.Sequential(
        nn.Conv2d(count, count, 2, stride=2), nn.BatchNorm2d(count), nn.ReLU(inplace=True)
    )


def encoder(in_channels: int, channels: tuple[int, ...]) -> nn.ModuleList:
    """Return the stages from the image down, two convolutions each, at one size each."""
    inputs = (in_channels, *channels[:-1])
    stages = zip(inputs, channels, strict=True)
    return nn.ModuleList(Stage(conv(a, b), conv(b, b)) for a, b in stages)


def decoder(channels: tuple[int, ...], *, skips: bool) -> nn.ModuleList:
    """Return the stages from the deepest up; the last one ends in the logit.

    With *skips* each stage takes its own channels and those of the encoder stage of its size.
    """
    sources = 2 if skips else 1
    first = channels[0]
    stages = [Stage(conv(sources * b, b), conv(b, a)) for a, b in pairwise(channels)]
    last = Stage(conv(sources * first, first), conv3x3(first, 1))
    return nn.ModuleList([*reversed(stages), last])


def check_channels(in_channels: int, channels: tuple[int, ...]) -> None:
    """Raise ValueError unless every stage has at least one channel, and there is a stage."""
    if in_channels < 1:
        raise ValueError(f"in_channels must be >= 1; got {in_channels}")
    if not channels or min(channels) < 1:
        raise ValueError(f"channels must be one or more numbers >= 1; got {list(channels)}")


def check_size(image: Tensor, multiple: int) -> None:
    """Raise ValueError unless the sides of (B, C, H, W) can be halved down to the bottleneck.

    The bottleneck reflects its border, which needs two rows and columns: hence the smallest
    side is twice the multiple.
    """
    height, width = image.shape[-2:]
    if height % multiple or width % multiple or min(height, width) < 2 * multiple:
        raise ValueError(
            f"height and width must be multiples of {multiple}, at least {2 * multiple};"
            f" got {height}x{width}"
        )


def _as_tuple(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)
