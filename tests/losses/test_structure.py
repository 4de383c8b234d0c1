"""Structural similarity against a loop over the blocks."""

import numpy as np
import pytest
import torch

from loss_cases import LOSSES, random_case, value_and_gradient


def structural_loop(prob: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the structural error of one image, block by block, as it is defined."""
    height, width = prob.shape
    error = np.zeros((height, width))
    for top in range(-1, height + 1 - 2, 3):
        for left in range(-1, width + 1 - 2, 3):
            cells = [(r, c) for r in range(top, top + 3) for c in range(left, left + 3)]
            inside = [0 <= r < height and 0 <= c < width for r, c in cells]
            blocks = []
            for image in (target, prob):
                pairs = zip(cells, inside, strict=True)
                block = np.array([image[cell] if there else 0.0 for cell, there in pairs])
                blocks.append((block - block.mean() + 0.01) / (block.std() + 0.01))
            for cell, there, difference in zip(cells, inside, blocks[0] - blocks[1], strict=True):
                if there:
                    error[cell] = abs(difference)
    return error


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
