"""Structural similarity as published: windows slide, and the largest error is an image's own."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsweep.losses.arguments import share
from segsweep.losses.tensors import pixel_mean, prepared, true_class_logit

WINDOW, SIGMA = 3, 1.5  # side of the window and the Gaussian's standard deviation, pixels
STABILISER = 0.01  # added to the deviation from the mean and to the standard deviation


def ssl(
    logits: Tensor,
    target: Tensor,
    bce_weight: float = 0.5,
    hard_share: float = 0.1,
    valid: Tensor | None = None,
) -> Tensor:
    """Return w * bce + (1 - w) * structure; scalar >= 0, nats.

    Error e of a pixel: absolute difference between target and probability, each less its mean and
    over its deviation in the 3x3 Gaussian window around the pixel; e carries no gradient. Hard
    pixels: e > *hard_share* times the image's largest. Structure: sum of e times the
    cross-entropy over the hard pixels, divided by their number; 0 without any. Beyond the image,
    and where a pixel does not count, a window has no weight.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; w is *bce_weight*, in [0, 1].
    Source: Zhao et al. 2019, eq. 5 to 8, https://arxiv.org/abs/1910.08711.
    """
    logits, target = prepared(logits, target, valid)
    cross_entropy = -F.logsigmoid(true_class_logit(logits, target))
    with torch.no_grad():
        error = _structural_error(logits.sigmoid(), target, valid)
        hard = error > hard_share * error.amax((1, 2, 3), keepdim=True)
    structure = (error * hard * cross_entropy).sum() / hard.sum().clamp_min(1)
    return bce_weight * pixel_mean(cross_entropy, valid) + (1 - bce_weight) * structure


class SslLoss(nn.Module):
    """Sliding structural similarity; definition, shapes, range and source: `ssl`."""

    def __init__(self, bce_weight: float = 0.5, hard_share: float = 0.1) -> None:
        super().__init__()
        self.bce_weight = share("bce_weight", bce_weight)
        self.hard_share = share("hard_share", hard_share)

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return ssl(logits, target, self.bce_weight, self.hard_share, valid)


def _structural_error(prob: Tensor, target: Tensor, valid: Tensor | None) -> Tensor:
    """Return the absolute difference of both after normalising each window, (B, 1, H, W)."""
    counted = torch.ones_like(prob) if valid is None else valid.to(prob.dtype)
    both = [_normalised(image.double(), counted.double()) for image in (target, prob)]
    return ((both[0] - both[1]).abs() * counted).to(prob.dtype)


def _normalised(image: Tensor, counted: Tensor) -> Tensor:
    """Return (v - mean + .01) / (deviation + .01) of each pixel in the window around it."""
    weight = _window_sums(counted).clamp_min(1e-12)
    mean = _window_sums(image * counted) / weight
    square = _window_sums(image.square() * counted) / weight
    deviation = (square - mean.square()).clamp_min(0).sqrt()
    return (image - mean + STABILISER) / (deviation + STABILISER)


def _window_sums(image: Tensor) -> Tensor:
    """Return the sums of (B, 1, H, W) in the window around each pixel, weighted by the Gaussian."""
    places = torch.arange(WINDOW, dtype=image.dtype, device=image.device) - WINDOW // 2
    line = torch.exp(-0.5 * (places / SIGMA).square())
    kernel = torch.outer(line, line)
    return F.conv2d(image, (kernel / kernel.sum())[None, None], padding=WINDOW // 2)
