"""The published structural similarity loss against a loop over the pixels."""

import numpy as np
import pytest
import torch

from loss_cases import LOSSES, assert_same, random_case, value_and_gradient
from segsweep.losses.sliding_structure import SslLoss

OFFSETS = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
GAUSS = {(r, c): np.exp(-(r * r + c * c) / (2 * 1.5**2)) for r, c in OFFSETS}


def error_by_hand(prob, target, valid=None):
    """Return the structural error of one image, pixel by pixel, as it is defined."""
    height, width = prob.shape
    valid = np.ones((height, width), bool) if valid is None else valid
    error = np.zeros((height, width))
    for row, column in np.argwhere(valid):
        places = [
            (row + r, column + c, GAUSS[r, c])
            for r, c in OFFSETS
            if 0 <= row + r < height and 0 <= column + c < width and valid[row + r, column + c]
        ]
        weights = np.array([weight for _, _, weight in places])
        weights /= weights.sum()
        both = []
        for image in (target, prob):
            values = np.array([image[r, c] for r, c, _ in places])
            mean = (weights * values).sum()
            deviation = np.sqrt((weights * (values - mean) ** 2).sum())
            both.append((image[row, column] - mean + 0.01) / (deviation + 0.01))
        error[row, column] = abs(both[0] - both[1])
    return error


def by_hand(logits, target, bce_weight=0.5, hard_share=0.1):
    """Return the loss, with gradients through the cross-entropy alone."""
    prob = logits.detach().sigmoid().numpy()
    maps = [error_by_hand(p[0], y[0]) for p, y in zip(prob, target.numpy(), strict=True)]
    error = torch.from_numpy(np.stack(maps))[:, None]
    hard = error > hard_share * error.amax((1, 2, 3), keepdim=True)
    entropy = -(target * logits.sigmoid().log() + (1 - target) * (-logits).sigmoid().log())
    structure = (error * hard * entropy).sum() / hard.sum()
    return bce_weight * entropy.mean() + (1 - bce_weight) * structure


@pytest.mark.parametrize("shape", [(2, 1, 7, 9), (3, 1, 1, 5), (1, 1, 12, 2)])
@pytest.mark.parametrize("arguments", [{}, {"bce_weight": 0.0}, {"hard_share": 0.6}])
def test_equals_a_loop_over_pixels(shape, arguments):
    """Value and gradient, also where windows reach beyond the image."""
    logits, target = random_case(shape, seed=sum(shape))

    assert_same(SslLoss(**arguments), lambda z, y: by_hand(z, y, **arguments), logits, target, 1e-7)


def test_largest_error_is_that_of_the_image():
    """An image with small errors keeps its hard pixels beside one with large errors."""
    logits, target = random_case((2, 1, 8, 8))
    easy = torch.where(target > 0.5, 2.0, -2.0).double()[:1]
    mixed = torch.cat([easy, logits[1:]])
    loss = SslLoss(bce_weight=0.0)
    _, gradient = value_and_gradient(loss, mixed, target)

    assert gradient[0].abs().max() > 0


def test_pure_cross_entropy_is_bce():
    """With all of the weight on it."""
    logits, target = random_case()

    assert_same(SslLoss(bce_weight=1.0), LOSSES["bce"], logits, target, 1e-9)


@pytest.mark.parametrize(("name", "value"), [("bce_weight", 1.5), ("hard_share", -0.1)])
def test_arguments_out_of_range(name, value):
    """Named with their range."""
    with pytest.raises(ValueError, match=f"{name} must be between 0 and 1; got {value}"):
        SslLoss(**{name: value})
