"""Augmentation: one random change applied to an image and its mask together, by torchvision.

Each option returns a function (image, mask) -> (image, mask). The image is (C, H, W) in
[0, 1], the mask (1, H, W) in {0, 1}; random numbers come from torch's CPU generator. With
`data.ignore` it is called twice with the same draws: the second mask is 1 where pixels count.
torchvision is imported at the first image, because that takes more than a second: a plan builds
every option, to check its values.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypedDict

from torch import Tensor, nn

if TYPE_CHECKING:
    from torchvision.transforms.v2.functional import InterpolationMode

Pair: TypeAlias = tuple[Tensor, Tensor]
Change: TypeAlias = Callable[[Tensor, Tensor], Pair]


class AffineDraw(TypedDict):
    """One random affine map, as torchvision's RandomAffine draws it."""

    angle: float
    """Degrees."""
    translate: tuple[float, float]
    """Right and down, pixels."""
    scale: float


class RandomAffine(Protocol):
    """The part of v2.RandomAffine used here."""

    def make_params(self, flat_inputs: list[Tensor]) -> AffineDraw:
        """Draw one map for these images."""
        ...


def none() -> None:
    """Leave images as they are."""


def flips(probability: float = 0.5) -> Change:
    """Flip left-right and upside down, each with *probability*."""
    _check_range("probability", probability, 0, 1)

    def steps() -> Change:
        from torchvision.transforms import v2

        return together(v2.RandomHorizontalFlip(probability), v2.RandomVerticalFlip(probability))

    return _at_first_use(steps)


def dermoscopy(
    degrees: float = 20.0,
    scale: float = 0.2,
    shift: float = 0.1,
    brightness: float = 0.1,
    contrast: float = 0.2,
    saturation: float = 0.1,
) -> Change:
    """Flip, turn by 90 degrees, apply a small affine map with reflected border, change colour.

    Args:
        degrees: rotation between -degrees and +degrees, [0, 180].
        scale: size factor between 1 - scale and 1 + scale, [0, 0.99].
        shift: translation by up to this share of each side, [0, 0.99].
        brightness: factor between 1 - brightness and 1 + brightness, [0, 1].
        contrast: factor, as for brightness.
        saturation: factor, as for brightness.

    """
    _check_range("degrees", degrees, 0, 180)
    for name, value in {"scale": scale, "shift": shift}.items():
        _check_range(name, value, 0, 0.99)
    for name, value in {"brightness": brightness, "contrast": contrast}.items():
        _check_range(name, value, 0, 1)
    _check_range("saturation", saturation, 0, 1)

    def steps() -> Change:
        from torchvision.transforms import v2

        return together(
            v2.RandomHorizontalFlip(0.5),
            v2.RandomVerticalFlip(0.5),
            v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5),
            ReflectedBorder(v2.RandomAffine(degrees, (shift, shift), (1 - scale, 1 + scale))),
            v2.ColorJitter(brightness, contrast, saturation),
        )

    return _at_first_use(steps)


def _at_first_use(make: Callable[[], Change]) -> Change:
    """Return the change that *make* returns; it is called once, at the first image."""
    made = cache(make)
    return lambda image, mask: made()(image, mask)


def together(*steps: nn.Module) -> Change:
    """Return a function that applies v2 transforms identically to an image and its mask.

    A quarter turn keeps the image's sides: in an oblong image v2 turns within the frame and
    cuts off the ends, so square sizes suit it better.
    """
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    chain = v2.Compose(list(steps))

    def apply(image: Tensor, mask: Tensor) -> Pair:
        changed, moved = chain(tv_tensors.Image(image), tv_tensors.Mask(mask))
        return changed.as_subclass(Tensor), moved.as_subclass(Tensor)

    return apply


class ReflectedBorder(nn.Module):
    """A random affine map without shear that fills the area beyond the border by reflection.

    torchvision fills it with a constant. Here image and mask are first padded by reflection,
    as far as the map reaches beyond them, then mapped and cropped. Shifts stay shares of the
    image's own sides.
    """

    def __init__(self, affine: RandomAffine) -> None:
        super().__init__()
        self.affine = affine

    def forward(self, image: Tensor, mask: Tensor) -> Pair:
        """Return both, mapped by the same draw."""
        from torchvision.transforms.v2.functional import InterpolationMode

        draw = self.affine.make_params([image])
        return (
            _mapped(image, draw, InterpolationMode.BILINEAR),
            _mapped(mask, draw, InterpolationMode.NEAREST),
        )


def _mapped(x: Tensor, draw: AffineDraw, interpolation: "InterpolationMode") -> Tensor:
    from torchvision.transforms.v2 import functional

    height, width = x.shape[-2:]
    right, down = _padding(height, width, draw)
    while right > 0 or down > 0:  # one reflection pads by less than the side of its input
        step_right, step_down = min(right, x.shape[-1] - 1), min(down, x.shape[-2] - 1)
        x = functional.pad(x, [step_right, step_down], padding_mode="reflect")
        right, down = right - step_right, down - step_down
    x = functional.affine(
        x,
        angle=draw["angle"],
        translate=draw["translate"],
        scale=draw["scale"],
        shear=[0.0, 0.0],
        interpolation=interpolation,
    )
    return functional.center_crop(x, [height, width])


def _padding(height: int, width: int, draw: AffineDraw) -> tuple[int, int]:
    """Return how many columns and rows beyond the image the map can reach, on each side."""
    turn, (x, y) = math.radians(draw["angle"]), map(abs, draw["translate"])
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    right = (cos * (width / 2 + x) + sin * (height / 2 + y)) / draw["scale"] - width / 2
    down = (cos * (height / 2 + y) + sin * (width / 2 + x)) / draw["scale"] - height / 2
    return max(0, math.ceil(right) + 1), max(0, math.ceil(down) + 1)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}; got {value}")
