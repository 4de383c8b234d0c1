"""Structural similarity against a loop over the blocks."""

import numpy as np
import pytest
import torch

from loss_cases import LOSSES, random_case, structural_loop, value_and_gradient


@pytest.mark.parametrize("height", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("width", [1, 2, 3, 7, 10])
def test_ss_equals_loop_over_blocks(height, width):
    """At any size the value equals the loop's, and the error map carries no gradient."""
    logits, target = random_case((2, 1, height, width), seed=height * 100 + width)
    prob = logits.sigmoid().numpy()
    maps = [structural_loop(p[0], y[0]) for p, y in zip(prob, target.numpy(), strict=True)]
    error = torch.from_numpy(np.stack(maps))[:, None]
    hard = error > 0.1 * error.max()
    share = torch.where(hard, error, 0.0) / hard.sum()
    cross_entropy = -(target * logits.sigmoid().log() + (1 - target) * (-logits).sigmoid().log())
    value, gradient = value_and_gradient(LOSSES["ss"], logits, target)

    torch.testing.assert_close(value, (share * cross_entropy).sum(), rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient, share * (logits.sigmoid() - target), rtol=1e-9, atol=1e-12)


def test_ss_without_hard_pixels_is_zero():
    """If no block differs there is no hard pixel, and the loss is 0, not 0/0."""
    target = torch.ones(1, 1, 6, 6)
    value, gradient = value_and_gradient(LOSSES["ss"], 100 * target, target)

    assert value == 0
    assert not gradient.any()
