"""Structural similarity: cross-entropy on the pixels whose 3x3 block differs most."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsweep.losses.cross_entropy import bce
from segsweep.losses.tensors import prepared, true_class_logit

BLOCK = 3  # side of a block, pixels
STABILISER = 0.01  # added to the deviation from the mean and to the standard deviation
HARD_SHARE = 0.1  # a pixel is hard if its error exceeds this share of the largest


def ss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return cross-entropy over the pixels whose block looks least like the target's.

    Error e: absolute difference between target and probability, each normalised within its
    3x3 block; e carries no gradient. Hard pixels: e > 0.1 max(e) over the batch. Loss: sum of
    e times the cross-entropy over the hard pixels, divided by their number; 0 without any. With
    *valid* a block is normalised over its pixels that count, and no other pixel is hard.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; scalar >= 0, nats per hard pixel.
    Source: the PH2 experiment, after Zhao et al. 2019, section 3,
    https://arxiv.org/abs/1910.08711, with blocks of 3x3 instead of a sliding window.
    """
    logits, target = prepared(logits, target, valid)
    cross_entropy = -F.logsigmoid(true_class_logit(logits, target))
    with torch.no_grad():
        error = _structural_error(logits.sigmoid(), target, valid)
        hard = error > HARD_SHARE * error.max()
    return (error * hard * cross_entropy).sum() / hard.sum().clamp_min(1)


class SsLoss(nn.Module):
    """The experiment's structural similarity; definition, shapes, range and source: `ss`."""

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return ss(logits, target, valid)


def bce_ss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return half `ss` plus half `bce`; scalar >= 0, nats per pixel.

    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: the PH2 experiment, after Zhao et al. 2019, section 3, https://arxiv.org/abs/1910.08711.
    """
    return 0.5 * ss(logits, target, valid) + 0.5 * bce(logits, target, valid)


class BceSsLoss(nn.Module):
    """Half `bce`, half `ss`; definition, shapes, range and source: `bce_ss`."""

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return bce_ss(logits, target, valid)


def _structural_error(prob: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    """Return the absolute difference of both after normalising each block, (B, 1, H, W).

    The first block starts one pixel outside the image, on zeros. Pixels beyond the last whole
    block, and those that do not count, have error 0.
    """
    height, width = prob.shape[-2:]
    border = [1, _end_padding(width), 1, _end_padding(height)]
    counted = None if valid is None else F.pad(valid.to(prob.dtype), border, value=1)
    both = _normalise_blocks(F.pad(torch.cat([prob, target], dim=1), border), counted)
    error = (both[:, :1] - both[:, 1:]).abs()
    error = error if counted is None else error * counted
    return F.pad(error, [-pixels for pixels in border])


def _end_padding(side: int) -> int:
    """Return the padding after *side* pixels, with 1 before, that gives whole blocks: 1, 0, -1."""
    return (side + 2) // BLOCK * BLOCK - 1 - side


def _normalise_blocks(x: Tensor, counted: Tensor | None) -> Tensor:
    """Return (v - mean + .01) / (std + .01) within each 3x3 block; sides divide by 3.

    Pixels where *counted* is 0 are left out of mean and deviation.
    """
    deviation = x - _block_means(x, counted)
    if counted is not None:
        deviation = deviation * counted
    std = _block_means(deviation.square(), counted).sqrt()
    return (deviation + STABILISER) / (std + STABILISER)


def _block_means(x: Tensor, counted: Tensor | None) -> Tensor:
    """Return for every pixel the mean of its block over the pixels that count."""
    if counted is None:
        means = F.avg_pool2d(x, BLOCK)
    else:
        least = 0.5 / BLOCK**2  # below the share of one pixel; a block without any has mean 0
        means = F.avg_pool2d(x * counted, BLOCK) / F.avg_pool2d(counted, BLOCK).clamp_min(least)
    return means.repeat_interleave(BLOCK, dim=2).repeat_interleave(BLOCK, dim=3)
