"""Ignored pixels in every loss: without influence, without gradient, as if they were cut out."""

import math

import monai.losses
import numpy as np
import pytest
import segmentation_models_pytorch.losses as smp
import torch

from loss_cases import (
    BY_IMAGE,
    LOSSES,
    OTHER_SETTINGS,
    random_case,
    structural_loop,
    value_and_gradient,
)
from segsweep import losses

ALL = LOSSES | OTHER_SETTINGS
BY_BLOCK = ("ss", "bce_ss", "ssl")
"""Losses that look at a pixel's block: scattered pixels cannot be cut out of them."""
each_loss = pytest.mark.parametrize("loss", ALL.values(), ids=ALL.keys())
SHAPE = (3, 1, 11, 14)


def scattered(shape=SHAPE, share=0.6, seed=3):
    """Return which pixels count: equally many in each image, at random."""
    generator = torch.Generator().manual_seed(seed)
    pixels = math.prod(shape[1:])
    rows = [torch.randperm(pixels, generator=generator) < share * pixels for _ in range(shape[0])]
    return torch.stack(rows).reshape(shape)


def with_valid(loss, valid):
    """Return *loss* as a function of logits and target over the pixels of *valid*."""
    return lambda logits, target: loss(logits, target, valid=valid)


@each_loss
@pytest.mark.parametrize("garbage", [100.0, -100.0, math.inf, math.nan])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_ignored_has_no_influence_and_no_gradient(loss, garbage, dtype):
    """Other labels and other logits there: the same value and gradient bit for bit, 0 there."""
    logits, target = random_case(SHAPE)
    valid = scattered()
    loss_fn = with_valid(loss, valid)
    value, gradient = value_and_gradient(loss_fn, logits.to(dtype), target.float())
    other = torch.where(valid, target, 1 - target).float()
    changed = torch.where(valid, logits, garbage).to(dtype)

    assert value > 0
    assert gradient[valid].any()
    assert not gradient[~valid].any()
    for one in (logits.to(dtype), changed):
        again = value_and_gradient(loss_fn, one, other)
        assert torch.equal(value, again[0])
        assert torch.equal(gradient, again[1])


@each_loss
def test_if_all_pixels_count_it_is_the_same_loss(loss):
    """An all-True *valid* equals none, in value and gradient."""
    logits, target = random_case(SHAPE)
    plain = value_and_gradient(loss, logits, target)
    everywhere = torch.ones(SHAPE, dtype=torch.bool)
    full = value_and_gradient(with_valid(loss, everywhere), logits, target)

    for one, two in zip(plain, full, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-13, atol=1e-17)


@each_loss
@pytest.mark.parametrize("size", [100.0, 1.0])
def test_without_any_pixel_it_is_zero(loss, size):
    """And so is its gradient: no 0/0."""
    logits, target = random_case(SHAPE)
    nowhere = torch.zeros(SHAPE, dtype=torch.bool)
    value, gradient = value_and_gradient(with_valid(loss, nowhere), size * logits, target)

    assert value == 0
    assert not gradient.any()


@each_loss
def test_an_image_without_any_pixel_leaves_the_others_alone(loss):
    """The loss of a batch is that of its images with pixels that count."""
    logits, target = random_case(SHAPE)
    valid = scattered()
    valid[1] = False
    kept = [0, 2]
    value, gradient = value_and_gradient(with_valid(loss, valid), logits, target)
    alone = value_and_gradient(with_valid(loss, valid[kept]), logits[kept], target[kept])

    torch.testing.assert_close(value, alone[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient[kept], alone[1], rtol=1e-12, atol=1e-17)
    assert not gradient[1].any()


@each_loss
def test_a_region_that_counts_equals_the_image_cut_to_it(loss):
    """The region ends with a 3x3 block of `ss`, whose first block starts outside the image."""
    logits, target = random_case(SHAPE)
    valid = torch.zeros(SHAPE, dtype=torch.bool)
    valid[..., :8, :11] = True
    value, gradient = value_and_gradient(with_valid(loss, valid), logits, target)
    cut = value_and_gradient(loss, logits[..., :8, :11], target[..., :8, :11])

    torch.testing.assert_close(value, cut[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient[..., :8, :11], cut[1], rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("name", [name for name in ALL if name not in BY_BLOCK])
def test_scattered_pixels_equal_images_of_these_pixels_alone(name):
    """The pixels that count, in one row for each image; there are equally many in each."""
    logits, target = random_case(SHAPE)
    valid = scattered()
    rows = [x[valid].reshape(SHAPE[0], 1, 1, -1) for x in (logits, target)]
    value, gradient = value_and_gradient(with_valid(ALL[name], valid), logits, target)
    cut = value_and_gradient(ALL[name], *rows)

    torch.testing.assert_close(value, cut[0], rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient[valid], cut[1].flatten(), rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("seed", range(4))
def test_ss_normalises_a_block_over_its_pixels_that_count(seed):
    """Against the loop over the blocks, in which a block's ignored pixels are left out."""
    logits, target = random_case((2, 1, 8, 10), seed)
    valid = scattered((2, 1, 8, 10), 0.7, seed)
    valid[0, 0, 2:5, 2:5] = False  # a whole block
    planes = zip(logits.sigmoid().numpy(), target.numpy(), valid.numpy(), strict=True)
    maps = [structural_loop(p[0], y[0], v[0]) for p, y, v in planes]
    error = torch.from_numpy(np.stack(maps))[:, None]
    hard = error > 0.1 * error.max()
    share = torch.where(hard, error, 0.0) / hard.sum()
    prob = logits.sigmoid()
    cross_entropy = -(target * prob.log() + (1 - target) * (-logits).sigmoid().log())
    value, gradient = value_and_gradient(with_valid(LOSSES["ss"], valid), logits, target)

    torch.testing.assert_close(value, (share * cross_entropy).sum(), rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient, share * (prob - target), rtol=1e-9, atol=1e-12)


def test_other_libraries_agree():
    """Smp has an ignored label in cross-entropy, Dice and focal loss, MONAI a masked Dice."""
    logits, target = random_case(SHAPE)
    valid = scattered()
    marked = torch.where(valid, target, -100.0)
    counted = valid.sum()
    soft = smp.SoftBCEWithLogitsLoss(ignore_index=-100, reduction="sum")
    focal = smp.FocalLoss("binary", alpha=None, ignore_index=-100, reduction="sum")
    dice = smp.DiceLoss("binary", smooth=0.5, ignore_index=-100)
    masked = monai.losses.MaskedDiceLoss(sigmoid=False, smooth_nr=1.0, smooth_dr=1.0)
    whole = losses.SoftDiceLoss(smooth=1.0, batch=True)
    by_image = losses.SoftDiceLoss(smooth=1.0)

    def of(loss):
        return loss(logits, target, valid=valid)

    torch.testing.assert_close(of(LOSSES["bce"]), soft(logits, marked) / counted)
    torch.testing.assert_close(of(LOSSES["focal_lin"]), focal(logits, marked) / counted)
    torch.testing.assert_close(of(whole), dice(logits, marked).double(), rtol=1e-6, atol=0)
    theirs = masked(logits.sigmoid(), target, mask=valid.double())
    torch.testing.assert_close(of(by_image), theirs)


@pytest.mark.parametrize("name", BY_IMAGE)
def test_batch_option_takes_all_counted_pixels_as_one_image(name):
    """Also where images have unequally many pixels that count."""
    logits, target = random_case(SHAPE)
    valid = torch.rand(SHAPE, generator=torch.Generator().manual_seed(5)) < 0.5
    together = type(LOSSES[name])(batch=True)
    row = [x[valid].reshape(1, 1, 1, -1) for x in (logits, target)]

    torch.testing.assert_close(together(logits, target, valid=valid), LOSSES[name](*row))


@pytest.mark.parametrize("name", LOSSES)
def test_shape_of_valid_must_agree(name):
    """It would broadcast silently."""
    logits, target = random_case(SHAPE)

    with pytest.raises(ValueError, match=r"valid must have the logits' shape \(3, 1, 11, 14\)"):
        LOSSES[name](logits, target, valid=scattered()[:, 0])
