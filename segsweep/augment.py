"""Change an image and its mask together; what is drawn is torchvision's.

Each function returns something that takes an image (C, H, W) in [0, 1] and a mask
(1, H, W) in {0, 1} and returns both, drawing from torch's CPU generator.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

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

    Padding before it would need more the farther the image moves, and would count shifts in
    shares of the padded side; sampling a mirrored plane has neither trouble.
    """
    from torchvision import tv_tensors

    def sampled(x: Tensor, grid: Tensor, mode: str) -> Tensor:
        moved = grid_sample(x.as_subclass(Tensor).float()[None], grid, mode, "reflection", False)
        return tv_tensors.wrap(moved[0].to(x.dtype), like=x)

    class Reflected(torch.nn.Module):
        def forward(self, image: Any, mask: Any) -> tuple[Any, Any]:
            grid = _sources(image.shape[-2:], affine.make_params([image]))
            return sampled(image, grid, "bilinear"), sampled(mask, grid, "nearest")

    return Reflected()


def _sources(size: tuple[int, int], params: dict[str, Any]) -> Tensor:
    """Return where each pixel comes from, (1, H, W, 2), in torch's units of half a side."""
    height, width = size
    turn, (x, y) = math.radians(params["angle"]), params["translate"]
    cos, sin = math.cos(turn) / params["scale"], math.sin(turn) / params["scale"]
    rows = [
        [cos, sin * height / width, -2 * (cos * x + sin * y) / width],
        [-sin * width / height, cos, -2 * (cos * y - sin * x) / height],
    ]
    return affine_grid(torch.tensor([rows]), [1, 1, height, width], align_corners=False)


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}; got {value}")
