"""Overlap losses against two other libraries and a count made by hand."""

import monai.losses
import pytest
import segmentation_models_pytorch.losses as smp
import torch

from loss_cases import LOSSES, assert_same, image_by_image, random_case
from segsweep import losses


@pytest.mark.parametrize("smooth", [0.5, 1.0])
@pytest.mark.parametrize("batch", [False, True])
def test_overlap_losses_equal_monai(smooth, batch):
    """Soft Dice, Jaccard, Tversky and Dice + cross-entropy agree with MONAI."""
    case = random_case()
    both = {"sigmoid": True, "batch": batch}
    same = {**both, "smooth_nr": smooth, "smooth_dr": smooth}
    twice = {**both, "smooth_nr": 2 * smooth, "smooth_dr": 2 * smooth}
    weighted = monai.losses.TverskyLoss(alpha=0.2, beta=0.9, **same)
    mixed = monai.losses.DiceCELoss(lambda_dice=0.4, lambda_ce=1.5, **same)

    assert_same(losses.SoftDiceLoss(smooth, batch), monai.losses.DiceLoss(**same), *case)
    jaccard = monai.losses.DiceLoss(
        jaccard=True, **twice
    )  # theirs doubles numerator and denominator
    assert_same(losses.JaccardLoss(smooth, batch), jaccard, *case)
    assert_same(losses.TverskyLoss(0.2, 0.9, smooth, batch), weighted, *case)
    assert_same(losses.DiceBceLoss(0.4, 1.5, smooth, batch), mixed, *case)


def test_overlap_losses_equal_smp():
    """Soft Dice, Jaccard, Tversky and focal Tversky agree with smp, per image and per batch."""
    case = random_case(seed=1)
    power = smp.TverskyLoss("binary", smooth=1.0, alpha=0.3, beta=0.7, gamma=0.75)
    pairs = [
        (
            losses.SoftDiceLoss,
            smp.DiceLoss("binary", smooth=0.5),
        ),  # theirs is the same ratio divided by 2
        (losses.JaccardLoss, smp.JaccardLoss("binary", smooth=1.0)),
        (losses.TverskyLoss, smp.TverskyLoss("binary", smooth=1.0, alpha=0.3, beta=0.7)),
        (losses.FocalTverskyLoss, power),
    ]

    for ours, theirs in pairs:
        assert_same(ours(batch=True), theirs, *case)
        assert_same(ours(batch=False), image_by_image(theirs), *case)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("soft_dice", 1 - 3 / 5),
        ("jaccard", 1 - 2 / 4),
        ("tversky", 1 - 2 / 3),
        ("focal_tversky", (1 / 3) ** 0.75),
    ],
)
def test_overlap_losses_equal_hand_count(name, expected):
    """One hit, one false alarm, one miss, smooth 1: the ratio counted by hand."""
    logits = torch.tensor([[100.0, 100.0], [-100.0, -100.0]])[None, None]
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0]])[None, None]

    assert expected == pytest.approx(LOSSES[name](logits, target).item(), rel=1e-6)
