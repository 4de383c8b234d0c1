"""What the four networks share: the convolution block, the two ladders, the checks.

Shapes: B images, C channels, H rows, W columns.
"""

from itertools import pairwise

from torch import Tensor, nn


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
    return nn.ModuleList(nn.Sequential(conv(a, b), conv(b, b)) for a, b in stages)


def decoder(channels: tuple[int, ...], *, skips: bool) -> nn.ModuleList:
    """Return the stages from the deepest up; the last one ends in the bare logit.

    With *skips* each stage takes twice its channels: its own and the encoder's of that size.
    """
    sources = 2 if skips else 1
    first = channels[0]
    stages = [nn.Sequential(conv(sources * b, b), conv(b, a)) for a, b in pairwise(channels)]
    last = nn.Sequential(conv(sources * first, first), conv3x3(first, 1))
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
