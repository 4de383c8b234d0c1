"""The Lovasz hinge: a convex surrogate of 1 - IoU."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from segsweep.losses.tensors import pixel_rows, prepared, row_mean, true_class_logit


def lovasz(
    logits: Tensor, target: Tensor, batch: bool = False, valid: Tensor | None = None
) -> Tensor:
    """Return the Lovasz hinge, a convex surrogate of 1 - IoU; scalar >= 0.

    Each image's hinge errors, largest first, are weighted by what each adds to 1 - IoU. The
    images are averaged; with *batch* the whole batch counts as one image.
    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: Berman et al. 2018, eq. 6, 8 and 9, https://arxiv.org/abs/1705.08790.
    """
    logits, target = pixel_rows(*prepared(logits, target, valid), batch)
    hinge = 1 - true_class_logit(logits, target)
    if valid is not None:  # behind all others, where they change no other weight
        hinge = hinge.where(valid.reshape(hinge.shape), -math.inf)
    error, order = hinge.sort(dim=1, descending=True, stable=True)
    weight = _jaccard_growth(target.gather(1, order))
    return row_mean((F.relu(error) * weight).sum(1), valid)


class LovaszLoss(nn.Module):
    """Lovasz hinge; definition, shapes, range and source: `lovasz`."""

    def __init__(self, batch: bool = False) -> None:
        super().__init__()
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return lovasz(logits, target, self.batch, valid)


def _jaccard_growth(truth: Tensor) -> Tensor:
    """Return how much 1 - IoU grows with each pixel of (B, N) that turns wrong, in this order.

    A missed pixel takes 1 from the intersection, a false alarm adds 1 to the union. Each step
    is in closed form: differences of neighbouring ratios would cancel in float32.
    """
    foreground = truth.sum(1, keepdim=True)
    overlap = foreground - truth.cumsum(1)
    union = foreground + (1 - truth).cumsum(1)
    alarm = overlap / (union * (union - 1)).clamp_min(1)
    growth = torch.where(truth > 0.5, 1 / union, alarm)
    growth[:, :1] += foreground == 0  # in an empty image the first false alarm is the whole error
    return growth
