"""Cross-entropy in which pixels near an outline weigh more."""

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, max_pool2d


class EdgeBceLoss(nn.Module):
    """Weighted mean of cross-entropy: 1 + *boost* within *reach* pixels of the outline, else 1.

    Shape: logits and target (B, 1, H, W), target in {0, 1}; scalar >= 0. Pixels where *valid* is
    False count for nothing, so that the loss works with `data.ignore` too.
    """

    def __init__(self, boost: float = 4.0, reach: int = 2) -> None:
        super().__init__()
        if not boost >= 0 or reach < 1:
            raise ValueError(f"boost must be >= 0 and reach >= 1; got {boost} and {reach}")
        self.boost, self.reach = boost, reach

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        target = target.to(logits.dtype)
        counts = torch.ones_like(logits) if valid is None else valid.to(logits.dtype)
        side = 2 * self.reach + 1
        grown = max_pool2d(target * counts, side, 1, self.reach)
        shrunk = 1 - max_pool2d((1 - target) * counts, side, 1, self.reach)
        weight = counts * (1 + self.boost * (grown - shrunk))
        error = binary_cross_entropy_with_logits(
            logits.where(counts > 0, 0), target, reduction="none"
        )
        return (weight * error).sum() / weight.sum().clamp_min(1)
