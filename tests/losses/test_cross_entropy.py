"""Cross-entropy and focal losses against another library and against each other."""

import pytest
import segmentation_models_pytorch.losses as smp
import torch

from loss_cases import assert_same, random_case
from segsweep import losses


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 3.7])
@pytest.mark.parametrize("alpha", [None, 0.25, 0.8])
def test_focal_lin_equals_smp(gamma, alpha):
    """The published focal loss agrees with smp, with and without class weights."""
    theirs = smp.FocalLoss("binary", alpha=alpha, gamma=gamma)

    assert_same(losses.FocalLinLoss(gamma, alpha), theirs, *random_case(seed=2))


def test_experiment_focal_modulates_foreground_only():
    """On foreground it equals `focal_lin`, on background plain cross-entropy."""
    logits, target = random_case(seed=3)
    for labels, reference in (
        (torch.ones_like(target), losses.FocalLinLoss(2.0)),
        (torch.zeros_like(target), losses.BceLoss()),
    ):
        assert_same(losses.FocalLoss(2.0), reference, logits, labels)
