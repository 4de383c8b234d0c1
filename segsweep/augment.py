"""Change an image and its mask together; what is drawn is torchvision's.

Each function returns something that takes an image (C, H, W) in [0, 1] and a mask
(1, H, W) in {0, 1} and returns both, drawing from torch's CPU generator.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Pair = tuple[Tensor, Tensor]


def none() -> None:
    """Leave images as they are."""


def flips(probability: float = 0.5) -> Callable[[Tensor, Tensor], Pair]:
    """Flip left-right and upside down, each with *probability*."""
    from torchvision.transforms import v2

    _within("probability", probability, 0, 1)
    return together(v2.RandomHorizontalFlip(probability), v2.RandomVerticalFlip(probability))


def dermoscopy(
    degrees: float = 20.0,
    scale: float = 0.2,
    shift: float = 0.1,
    brightness: float = 0.1,
    contrast: float = 0.2,
    saturation: float = 0.1,
) -> Callable[[Tensor, Tensor], Pair]:
    """Flips, right-angle rotations, a small affine map with reflected border, colour.

    Args:
        degrees: rotation in +- this, [0, 180].
        scale: size in 1 +- this, [0, 1).
        shift: in +- this share of each side, [0, 1).
        brightness: factor in 1 +- this, [0, 1]; the same for contrast and saturation.
        contrast: see brightness.
        saturation: see brightness.

    """
    from torchvision.transforms import v2

    _within("degrees", degrees, 0, 180)
    for name, value in {"scale": scale, "shift": shift}.items():
        _within(name, value, 0, 0.99)
    for name, value in {"brightness": brightness, "contrast": contrast}.items():
        _within(name, value, 0, 1)
    _within("saturation", saturation, 0, 1)
    affine = v2.RandomAffine(degrees, (shift, shift), (1 - scale, 1 + scale))
    quarter_turn = v2.RandomApply([v2.RandomRotation((90, 90))], p=0.5)
    colour = v2.ColorJitter(brightness, contrast, saturation)
    return together(
        v2.RandomHorizontalFlip(0.5),
        v2.RandomVerticalFlip(0.5),
        quarter_turn,
        with_reflected_border(affine),
        colour,
    )


def together(*steps: Any) -> Callable[[Tensor, Tensor], Pair]:
    """Return a function that applies v2 transforms to an image and its mask alike.

    A quarter turn of an oblong image would change its sides; v2 then turns within the
    frame, which is why square sizes are the better choice with it.
    """
    from torchvision import tv_tensors
    from torchvision.transforms import v2

    chain = v2.Compose(list(steps))

    def apply(image: Tensor, mask: Tensor) -> Pair:
        changed, moved = chain(tv_tensors.Image(image), tv_tensors.Mask(mask))
        return changed.as_subclass(Tensor), moved.as_subclass(Tensor)

    return apply


def with_reflected_border(affine: Any) -> Any:
    """Return v2's *affine*, shear aside, on the image continued by mirrors without end.

    The image is padded by what each draw reaches beyond it, moved, and cut back; shifts
    stay shares of the image's own sides.
    """
    from torchvision.transforms.v2 import functional

    def moved(x: Any, params: dict[str, Any], reach: tuple[int, int], mode: Any) -> Any:
        height, width = x.shape[-2:]
        right, down = reach
        while right > 0 or down > 0:  # a mirror is at most as wide as what it shows
            side = min(right, x.shape[-1] - 1), min(down, x.shape[-2] - 1)
            x = functional.pad(x, list(side), padding_mode="reflect")
            right, down = right - side[0], down - side[1]
        x = functional.affine(x, **{"shear": [0.0, 0.0], **params}, interpolation=mode)
        return functional.center_crop(x, [height, width])

    class Reflected(torch.nn.Module):
        def forward(self, image: Any, mask: Any) -> tuple[Any, Any]:
            params = affine.make_params([image])
            reach = _reach(image.shape[-2:], params)
            bilinear = functional.InterpolationMode.BILINEAR
            nearest = functional.InterpolationMode.NEAREST
            return moved(image, params, reach, bilinear), moved(mask, params, reach, nearest)

    return Reflected()


def _reach(size: tuple[int, int], params: dict[str, Any]) -> tuple[int, int]:
    """Return how many columns and rows beyond the image the moved frame shows."""
    height, width = size
    turn, (x, y) = math.radians(params["angle"]), map(abs, params["translate"])
    cos, sin = abs(math.cos(turn)), abs(math.sin(turn))
    right = (cos * (width / 2 + x) + sin * (height / 2 + y)) / params["scale"] - width / 2
    down = (cos * (height / 2 + y) + sin * (width / 2 + x)) / params["scale"] - height / 2
    return max(0, math.ceil(right) + 1), max(0, math.ceil(down) + 1)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}; got {value}")
