"""The Lovasz hinge against another library and against its algorithm in float64."""

import numpy as np
import pytest
import segmentation_models_pytorch.losses as smp
import torch

from loss_cases import assert_same, random_case, value_and_gradient
from segsweep import losses


@pytest.mark.parametrize("per_image", [False, True])
def test_lovasz_equals_smp(per_image):
    """The Lovasz hinge agrees with smp (float32 only), also for an image without foreground."""
    logits, target = (x.float() for x in random_case(seed=4))
    target[1] = 0
    theirs = smp.LovaszLoss("binary", per_image=per_image)

    assert_same(losses.LovaszLoss(batch=not per_image), theirs, logits, target, rtol=1e-4)


def test_lovasz_float32_gradients_keep_their_digits():
    """On 262,144 pixels, float32 gradients equal the paper's algorithm 1 in float64."""
    generator = torch.Generator().manual_seed(5)
    count = 2**18
    # distinct and exact in float32: the errors have the same order in both types
    logits = (1 + torch.randperm(count, generator=generator)).double() / 2**16
    target = (torch.rand(count, generator=generator) < 0.3).double()
    errors = np.where(target > 0.5, 1 - logits, 1 + logits)
    order = np.argsort(-errors)
    truth = target.numpy()[order]
    jaccard = 1 - (truth.sum() - truth.cumsum()) / (truth.sum() + (1 - truth).cumsum())
    expected = np.empty(count)
    expected[order] = np.diff(jaccard, prepend=0) * np.where(truth > 0.5, -1, 1)
    expected[errors < 0] = 0
    images = [x.float().reshape(4, 1, 256, 256) for x in (logits, target)]
    _, gradient = value_and_gradient(losses.LovaszLoss(batch=True), *images)

    np.testing.assert_allclose(gradient.flatten().double(), expected, rtol=2e-6, atol=1e-15)
