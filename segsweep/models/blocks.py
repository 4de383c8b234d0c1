"""What the four networks share: the convolution block, the way down and up, the checks.

Shapes: B images, C channels, H rows, W columns.
"""

from collections.abc import Callable
from itertools import pairwise

from torch import Tensor, nn

from segsweep.models.lean.recompute import Pool, has_hooks, passed_on
from segsweep.models.lean.reflect_conv import ReflectConv2d


class EncoderDecoder(nn.Module):
    """A network that halves its image stage by stage, and doubles it again.

    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W divide by `size_multiple`.

    Args:
        in_channels: of the image, >= 1.
        channels: of each stage, from the image down, each >= 1.
        down: channels -> what halves; it may return what `up` needs beside its output.
        up: channels -> what doubles, given what `down` returned at that size.
        skips: whether a stage on the way up also sees the encoder's output of its size.

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
            x, *beside = _as_tuple(down(skip))
            passed.append((skip, beside))
        x = self.bottleneck(x)
        for up, stage in zip(self.ups, self.decoder, strict=True):
            skip, beside = passed.pop()
            x = up(x, *beside)
            x = stage(x, skip) if self.skips else stage(x)
        return x


def pool(count: int) -> nn.Module:
    """Return 2x2 max-pooling; the number of channels does not matter."""
    return Pool(2)


def pool_keeping_indices(count: int) -> nn.Module:
    """Return 2x2 max-pooling that also gives where each maximum stood."""
    return nn.MaxPool2d(2, return_indices=True)


def unpool(count: int) -> nn.Module:
    """Return its inverse: each value goes where the maximum stood, the rest is 0."""
    return nn.MaxUnpool2d(2)


def repeat(count: int) -> nn.Module:
    """Return what leaves nearest upsampling to the convolution that joins it with the skip."""
    return nn.Identity()


def double(count: int) -> nn.Module:
    """Return a learned step up: transposed 2x2 convolution, stride 2, same channels."""
    return nn.ConvTranspose2d(count, count, 2, stride=2)


class Joining(nn.Sequential):
    """A sequence whose first module takes several tensors, side by side in their channels."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Return what comes out at the end."""
        first, *rest = self
        x = first(*parts)
        for module in rest:
            x = module(x)
        return x


class Stage(Joining):
    """Two modules, the first from `conv`; what it hands to the second is not kept if large."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Return what comes out at the end."""
        first = self[0]
        if len(self) != 2 or type(first) is not Joining or len(first) != 3 or has_hooks(first):
            return super().forward(*parts)  # somebody changed it
        convolution, norm, activation = first
        return passed_on(convolution(*parts), norm, activation, self[1])


def conv(inputs: int, outputs: int) -> nn.Sequential:
    """Return 3x3 convolution, BatchNorm, ReLU: (B, inputs, H, W) to (B, outputs, H, W)."""
    return Joining(conv3x3(inputs, outputs), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def conv3x3(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a bare 3x3 convolution that keeps the size; the border is reflected."""
    return ReflectConv2d(inputs, outputs)


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
    """Return the stages from the deepest up; the last one ends in the bare logit.

    With *skips* each stage takes twice its channels: its own and the encoder's of that size.
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

    There the border is reflected, which takes two rows and columns: hence twice the multiple.
    """
    height, width = image.shape[-2:]
    if height % multiple or width % multiple or min(height, width) < 2 * multiple:
        raise ValueError(
            f"height and width must be multiples of {multiple}, at least {2 * multiple};"
            f" got {height}x{width}"
        )


def _as_tuple(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)
