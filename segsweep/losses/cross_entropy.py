"""Cross-entropy and its focal variants: a value per pixel, averaged over the pixels that count.

Probabilities are never logged: log p = logsigmoid(z) and log(1 - p) = logsigmoid(-z) stay
accurate where p rounds to 0 or 1.
"""

from torch import Tensor, nn
from torch.nn import functional as F

from segsweep.losses.arguments import not_negative, share
from segsweep.losses.tensors import pixel_mean, prepared, true_class_logit


def bce(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return binary cross-entropy, averaged over the pixels; scalar >= 0, nats per pixel.

    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.90.
    """
    log_prob = F.logsigmoid(true_class_logit(*prepared(logits, target, valid)))
    return -pixel_mean(log_prob, valid)


class BceLoss(nn.Module):
    """Binary cross-entropy; definition, shapes, range and source: `bce`."""

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return bce(logits, target, valid)


def focal(
    logits: Tensor, target: Tensor, gamma: float = 2.0, valid: Tensor | None = None
) -> Tensor:
    """Return the experiment's focal loss: only foreground is down-weighted where it is easy.

    -mean of (1 - p)^gamma y log p + (1 - y) log(1 - p); scalar >= 0, nats per pixel.
    `focal_lin` is the published form, which down-weights easy pixels of both classes.
    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: the PH2 experiment, after Lin et al. 2017, eq. 4, https://arxiv.org/abs/1708.02002.
    """
    logits, target = prepared(logits, target, valid)
    return pixel_mean(_down_weighted(true_class_logit(logits, target), gamma * target), valid)


class FocalLoss(nn.Module):
    """The experiment's focal loss; definition, shapes, range and source: `focal`."""

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = not_negative("gamma", gamma)

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return focal(logits, target, self.gamma, valid)


def focal_lin(
    logits: Tensor,
    target: Tensor,
    gamma: float = 2.0,
    alpha: float | None = None,
    valid: Tensor | None = None,
) -> Tensor:
    """Return the published focal loss, averaged over the pixels; scalar >= 0, nats per pixel.

    -mean of alpha_t (1 - p_t)^gamma log p_t. p_t is the probability of the true class; alpha_t
    is alpha on foreground and 1 - alpha on background, or 1 on both if alpha is None.
    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: Lin et al. 2017, eq. 5, without alpha eq. 4, https://arxiv.org/abs/1708.02002.
    """
    logits, target = prepared(logits, target, valid)
    loss = _down_weighted(true_class_logit(logits, target), gamma)
    if alpha is not None:
        loss = loss * (alpha * target + (1 - alpha) * (1 - target))
    return pixel_mean(loss, valid)


class FocalLinLoss(nn.Module):
    """The focal loss of Lin et al.; definition, shapes, range and source: `focal_lin`."""

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        super().__init__()
        self.gamma = not_negative("gamma", gamma)
        self.alpha = None if alpha is None else share("alpha", alpha)

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return focal_lin(logits, target, self.gamma, self.alpha, valid)


def _down_weighted(logit: Tensor, gamma: float | Tensor) -> Tensor:
    """Return -(1 - q)^gamma log q, elementwise, for q = sigmoid(logit).

    The power is computed as exp(gamma log(1 - q)): its gradient stays finite where 1 - q
    rounds to 0.
    """
    return (gamma * F.logsigmoid(-logit)).exp() * -F.logsigmoid(logit)
