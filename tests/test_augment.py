"""Augmentation: image and mask change together, and the seed determines how."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn.functional import max_pool2d
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from segsweep import augment
from segsweep.seeding import drawing_from

QUICK = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = range(60)
BILINEAR = v2.InterpolationMode.BILINEAR
NO_COLOUR = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0}
NO_MOTION = {"degrees": 0.0, "scale": 0.0, "shift": 0.0}
LARGE_MOTION = {"degrees": 180.0, "scale": 0.5, "shift": 0.5}


def asymmetric_mask(height=32, width=32):
    """Return a mask (1, H, W) of an uneven L, which every flip and turn changes."""
    mask = torch.zeros(1, height, width, dtype=torch.uint8)
    mask[:, height // 4 : height // 4 * 3, width // 4 : width // 2] = 1
    mask[:, height // 2 : height // 4 * 3, width // 4 : width // 8 * 7] = 1
    return mask


def changed(change, image, mask, seed):
    """Return image and mask after *change*, with random numbers from *seed*."""
    with drawing_from(seed):
        return change(image, mask)


def away_from_outline(mask):
    """Return where a pixel equals all its neighbours, (1, H, W)."""
    value = mask.float()[None]
    return (max_pool2d(value, 3, 1, 1) == -max_pool2d(-value, 3, 1, 1))[0]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("make", "size"),
    [
        (augment.flips, (32, 32)),
        (augment.flips, (21, 40)),
        (lambda: augment.dermoscopy(**NO_COLOUR), (32, 32)),
        (lambda: augment.dermoscopy(**NO_COLOUR), (33, 33)),
        (lambda: augment.dermoscopy(**NO_COLOUR), (24, 40)),
        (lambda: augment.dermoscopy(**NO_COLOUR, **LARGE_MOTION), (32, 32)),
    ],
)
def test_image_and_mask_stay_together(make, size, channels):
    """An image equal to its mask stays equal to it, except along the mask's outline."""
    mask, change = asymmetric_mask(*size), make()
    image = mask.float().repeat(channels, 1, 1)
    for seed in SEEDS:
        moved_image, moved_mask = changed(change, image, mask, seed)
        inner = away_from_outline(moved_mask)

        assert moved_image.shape == image.shape
        assert moved_mask.shape == mask.shape
        assert ((moved_image > 0.5) == (moved_mask > 0))[inner.expand_as(image)].all()
        assert inner.float().mean() > 0.5


@pytest.mark.parametrize("make", [augment.flips, augment.dermoscopy])
def test_types_and_values_stay(make):
    """Plain tensors: float32 in [0, 1] and uint8 in {0, 1}."""
    image, mask = (
        torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)),
        asymmetric_mask(),
    )
    change = make()
    for seed in SEEDS:
        moved_image, moved_mask = changed(change, image, mask, seed)

        assert (type(moved_image), moved_image.dtype) == (torch.Tensor, torch.float32)
        assert (type(moved_mask), moved_mask.dtype) == (torch.Tensor, torch.uint8)
        assert 0 <= moved_image.min() <= moved_image.max() <= 1
        assert set(moved_mask.unique().tolist()) == {0, 1}


@QUICK
@given(*[st.floats(0, 1)] * 3, st.integers(0, 2**62))
def test_colour_stays_in_range(brightness, contrast, saturation, seed):
    """Values stay in [0, 1] at all allowed settings, for black, white and random pixels."""
    change = augment.dermoscopy(
        **NO_MOTION, brightness=brightness, contrast=contrast, saturation=saturation
    )
    image = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(seed % 1000)).round(
        decimals=1
    )
    moved, _ = changed(change, image, asymmetric_mask(8, 8), seed)

    assert 0 <= moved.min() <= moved.max() <= 1


def test_flips_by_hand():
    """Probability 0 changes nothing; probability 1 flips both ways, a turn by 180 degrees."""
    image, mask = torch.arange(6.0).reshape(1, 2, 3) / 5, torch.eye(2, 3, dtype=torch.uint8)[None]
    same = augment.flips(0)(image, mask)
    turned = augment.flips(1)(image, mask)

    assert same[0].tolist() == image.tolist()
    assert same[1].tolist() == mask.tolist()
    assert (5 * turned[0]).round().tolist() == [[[5, 4, 3], [2, 1, 0]]]
    assert turned[1].tolist() == [[[0, 1, 0], [0, 0, 1]]]


def test_half_of_the_images_are_flipped_each_way():
    """Each of the four results comes 100 times in 400 draws, within 5 standard deviations."""
    image, change, seen = asymmetric_mask(8, 8).float(), augment.flips(), Counter()
    for seed in range(400):
        moved, _ = changed(change, image, asymmetric_mask(8, 8), seed)
        seen[tuple(moved.flatten().tolist())] += 1

    assert len(seen) == 4
    assert all(abs(times - 100) < 5 * math.sqrt(400 * 1 / 4 * 3 / 4) for times in seen.values())


def test_dermoscopy_with_all_ranges_zero_gives_eight_positions():
    """Only flips and quarter turns remain: all eight positions occur, and nothing else."""
    change, mask = augment.dermoscopy(**NO_MOTION, **NO_COLOUR), asymmetric_mask(16, 16)
    turned = [torch.rot90(mask, quarter, (1, 2)) for quarter in range(4)]
    positions = {tuple(t.flatten().tolist()) for m in turned for t in (m, m.flip(2))}
    seen = set()
    for seed in SEEDS:
        image, moved = changed(change, mask.float(), mask, seed)
        seen.add(tuple(moved.flatten().tolist()))

        assert (image - moved).abs().max() < 1e-4

    assert len(positions) == 8
    assert seen == positions


@pytest.mark.parametrize(
    "ranges", [{}, {"degrees": 180.0}, {"scale": 0.6, "shift": 0.4}, {**LARGE_MOTION, "scale": 0.9}]
)
def test_border_is_reflected(ranges):
    """A white image and a full mask stay so up to the corners, however far they move."""
    change = augment.dermoscopy(**NO_COLOUR, **ranges)
    white, full = torch.ones(3, 32, 32), torch.ones(1, 32, 32, dtype=torch.uint8)
    for seed in range(200):
        image, mask = changed(change, white, full, seed)

        assert image.min() > 1 - 1e-5
        assert mask.min() == 1


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
@pytest.mark.parametrize("channels", [1, 3])
def test_inside_the_border_it_equals_torchvisions_affine(size, channels):
    """Where torchvision's map stays inside the image, ours gives the same image and mask."""
    affine = v2.RandomAffine(180, (0.3, 0.3), (0.5, 2.0))
    change = augment.together(augment.ReflectedBorder(affine))
    image = torch.rand(channels, *size, generator=torch.Generator().manual_seed(0))
    mask = asymmetric_mask(*size)
    for seed in range(30):
        with drawing_from(seed):
            draws = {**affine.make_params([image]), "interpolation": BILINEAR}
        inside = functional.affine(tv_tensors.Image(torch.ones(1, *size)), **draws)[0] > 1 - 1e-4
        moved_image, moved_mask = changed(change, image, mask, seed)
        expected = functional.affine(tv_tensors.Image(image), **draws)
        expected_mask = functional.affine(tv_tensors.Mask(mask), **draws)
        differing = (moved_mask != expected_mask)[0] & inside

        assert (moved_image - expected)[:, inside].abs().max() < 1e-3
        assert differing.sum() <= 2  # a point halfway between two pixels may be rounded either way


def test_beyond_the_border_it_is_a_reflection():
    """After a shift right by 3, the first three columns mirror columns 1 to 3."""
    affine = v2.RandomAffine(0)
    affine.make_params = lambda _: {"angle": 0.0, "scale": 1.0, "translate": (3, 0)}
    change = augment.together(augment.ReflectedBorder(affine))
    image = torch.arange(8.0).expand(1, 6, 8) / 8
    moved, mask = change(image, (image > 0.2).to(torch.uint8))

    assert moved[0, 0].mul(8).tolist() == pytest.approx([3, 2, 1, 0, 1, 2, 3, 4], abs=1e-5)
    assert mask[0, 0].tolist() == [1, 1, 0, 0, 0, 1, 1, 1]


def test_shift_is_a_share_of_the_side():
    """With shift .25 a dot in a 32 px image moves by up to 8 px each way, and by 7 at times."""
    change = augment.dermoscopy(**{**NO_MOTION, "shift": 0.25}, **NO_COLOUR)
    mask = torch.zeros(1, 32, 32, dtype=torch.uint8)
    mask[:, 15:17, 15:17] = 1  # in the centre, where flips and turns leave it
    far = []
    for seed in range(200):
        _, moved = changed(change, mask.float(), mask, seed)
        far.append((moved[0].nonzero().float().mean(0) - 15.5).abs().max().item())

    assert 7 <= max(far) <= 8


def test_scale_is_a_factor_of_the_size():
    """With scale .5 a square of 16 px gets sides from about 8 to about 24."""
    change = augment.dermoscopy(**{**NO_MOTION, "scale": 0.5}, **NO_COLOUR)
    mask = torch.zeros(1, 48, 48, dtype=torch.uint8)
    mask[:, 16:32, 16:32] = 1
    areas = [changed(change, mask.float(), mask, s)[1].sum().item() for s in range(100)]

    assert 7**2 <= min(areas) <= 10**2
    assert 22**2 <= max(areas) <= 25**2


def test_same_seed_same_draws():
    """The same seed gives the same pair, another seed a different one."""
    change = augment.dermoscopy()
    image, mask = (
        torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0)),
        asymmetric_mask(),
    )
    pairs = [changed(change, image, mask, seed) for seed in (1, 1, 2)]

    assert torch.equal(pairs[0][0], pairs[1][0])
    assert torch.equal(pairs[0][1], pairs[1][1])
    assert not torch.equal(pairs[0][0], pairs[2][0])


def test_input_is_not_changed():
    """Image and mask are not modified in place: other readers may share them."""
    image, mask = (
        torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0)),
        asymmetric_mask(16, 16),
    )
    before = image.clone(), mask.clone()
    for make in (augment.flips, augment.dermoscopy):
        for seed in range(10):
            changed(make(), image, mask, seed)

    assert torch.equal(before[0], image)
    assert torch.equal(before[1], mask)


def test_none_gives_no_function():
    """The option `none` has no function to apply."""
    assert augment.none() is None


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (augment.flips, "probability", -0.1),
        (augment.flips, "probability", 1.01),
        (augment.flips, "probability", math.nan),
        (augment.dermoscopy, "degrees", -1),
        (augment.dermoscopy, "degrees", 181),
        (augment.dermoscopy, "scale", 1),
        (augment.dermoscopy, "scale", -0.1),
        (augment.dermoscopy, "shift", 1),
        (augment.dermoscopy, "brightness", 1.1),
        (augment.dermoscopy, "contrast", -0.1),
        (augment.dermoscopy, "saturation", 2),
    ],
)
def test_values_out_of_range_are_refused(make, name, value):
    """The message has the name, the allowed range and the value."""
    with pytest.raises(ValueError, match=rf"{name} must be 0 to .*; got {value}"):
        make(**{name: value})
