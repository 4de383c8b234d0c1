"""Structural similarity: cross-entropy on the pixels whose 3x3 block differs most."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsweep.losses.cross_entropy import bce
from segsweep.losses.tensors import prepared, true_class_logit

BLOCK = 3  # side of a block, pixels
STABILISER = 0.01  # added to the deviation from the mean and to the standard deviation
HARD_SHARE = 0.1  # a pixel is hard if its error exceeds this share of the largest


def ss(logits: Tensor, target: Tensor) -> Tensor:
    """Return cross-entropy over the pixels whose block looks least like the target's.

    Error e: absolute difference between target and probability, each normalised within its
    3x3 block; e carries no gradient. Hard pixels: e > 0.1 max(e) over the batch. Loss: sum of
    e times the cross-entropy over the hard pixels, divided by their number; 0 without any.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; scalar >= 0, nats per hard pixel.
    Source: the PH2 experiment, after Zhao et al. 2019, section 3,
    https://arxiv.org/abs/1910.08711, with blocks of 3x3 instead of a sliding window.
    """
    logits, target = prepared(logits, target)
    cross_entropy = -F.logsigmoid(true_class_logit(logits, target))
    with torch.no_grad():
        error = _structural_error(logits.sigmoid(), target)
        hard = error > HARD_SHARE * error.max()
    return (error * hard * cross_entropy).sum() / hard.sum().clamp_min(1)


class SsLoss(nn.Module):
    """The experiment's structural similarity; definition, shapes, range and source: `ss`."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return ss(logits, target)


def bce_ss(logits: Tensor, target: Tensor) -> Tensor:
    """Return half `ss` plus half `bce`; scalar >= 0, nats per pixel.

    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: the PH2 experiment, after Zhao et al. 2019, section 3, https://arxiv.org/abs/1910.08711.
    """
    return 0.5 * ss(logits, target) + 0.5 * bce(logits, target)


class BceSsLoss(nn.Module):
    """Half `bce`, half `ss`; definition, shapes, range and source: `bce_ss`."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return bce_ss(logits, target)


def _structural_error(prob: Tensor, target: Tensor) -> Tensor:
    """Return the absolute difference of both after normalising each block, (B, 1, H, W).

    The first block starts one pixel outside the image, on zeros. Pixels beyond the last whole
    block have error 0.
    """
    height, width = prob.shape[-2:]
    border = [1, _end_padding(width), 1, _end_padding(height)]
    both = _normalise_blocks(F.pad(torch.cat([prob, target], dim=1), border))
    error = (both[:, :1] - both[:, 1:]).abs()
    return F.pad(error, [-pixels for pixels in border])


def _end_padding(side: int) -> int:
    """Return the padding after *side* pixels, with 1 before, that gives whole blocks: 1, 0, -1."""
    return (side + 2) // BLOCK * BLOCK - 1 - side


def _normalise_blocks(x: Tensor) -> Tensor:
    """Return (v - mean + .01) / (std + .01) within each 3x3 block; sides divide by 3."""
    deviation = x - _block_means(x)
    std = _block_means(deviation.square()).sqrt()
    return (deviation + STABILISER) / (std + STABILISER)


def _block_means(x: Tensor) -> Tensor:
    """Return for every pixel the mean of its block."""
    means = F.avg_pool2d(x, BLOCK)
    return means.repeat_interleave(BLOCK, dim=2).repeat_interleave(BLOCK, dim=3)
