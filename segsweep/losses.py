"""Losses: pure functions of (logits, target), both (B, 1, H, W), then thin modules.

Every loss is a scalar in at least float32, whatever the logits' precision, and finite with its
gradients for logits in +-100. Probabilities are never logged: log p = log_sigmoid(z) and
log(1 - p) = log_sigmoid(-z) keep what a rounded p has lost.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SS_BLOCK = 3  # side of a block, pixels
SS_STABLE = 0.01  # added to the deviation from the mean and to the standard deviation
SS_HARD = 0.1  # share of the largest error above which a pixel is hard


# Per pixel


def bce(logits: Tensor, target: Tensor) -> Tensor:
    """Return binary cross-entropy, the mean over all pixels; scalar >= 0, nats per pixel.

    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: Bishop 2006, Pattern Recognition and Machine Learning, eq. 4.90.
    """
    return -F.logsigmoid(_margin(*_prepared(logits, target))).mean()


def dice(logits: Tensor, target: Tensor, smooth: float = 0.01) -> Tensor:
    """Return the experiment's Dice loss: a ratio per pixel, then the mean; scalar in [0, 1].

    1 - mean of (2 p y + smooth) / (p + y + smooth). It is not the set overlap: see `soft_dice`.
    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: the PH2 experiment; Milletari et al. 2016, section 3, have the ratio of sums,
    https://arxiv.org/abs/1606.04797.
    """
    logits, target = _prepared(logits, target)
    prob = logits.sigmoid()
    return 1 - ((2 * prob * target + smooth) / (prob + target + smooth)).mean()


def focal(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Return the experiment's focal loss, only foreground modulated; scalar >= 0, nats per pixel.

    -mean of (1 - p)^gamma y log p + (1 - y) log(1 - p). Both classes modulated: `focal_lin`.
    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: the PH2 experiment, after Lin et al. 2017, eq. 4, https://arxiv.org/abs/1708.02002.
    """
    logits, target = _prepared(logits, target)
    return _modulated(_margin(logits, target), gamma * target).mean()


def focal_lin(
    logits: Tensor, target: Tensor, gamma: float = 2.0, alpha: float | None = None
) -> Tensor:
    """Return the focal loss, the mean over all pixels; scalar >= 0, nats per pixel.

    -mean of alpha_t (1 - p_t)^gamma log p_t, where p_t is the probability of the true class and
    alpha_t is alpha on foreground and 1 - alpha on background (1 on both where alpha is None).
    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: Lin et al. 2017, eq. 5, without alpha eq. 4, https://arxiv.org/abs/1708.02002.
    """
    logits, target = _prepared(logits, target)
    loss = _modulated(_margin(logits, target), gamma)
    if alpha is not None:
        loss = loss * (alpha * target + (1 - alpha) * (1 - target))
    return loss.mean()


def _modulated(margin: Tensor, gamma: float | Tensor) -> Tensor:
    """Return -(1 - q)^gamma log q, elementwise, for q = sigmoid(margin).

    The power goes through the logarithm: its gradient stays finite where 1 - q rounds to 0.
    """
    return (gamma * F.logsigmoid(-margin)).exp() * -F.logsigmoid(margin)


# Structural similarity


def ss(logits: Tensor, target: Tensor) -> Tensor:
    """Return cross-entropy over the pixels whose surroundings look least like the target's.

    Error e: absolute difference of the locally normalised target and probability (which carries
    no gradient there). Hard pixels: e > 0.1 max(e) over the batch. Loss: sum of e times the
    binary cross-entropy over the hard pixels, by their number; 0 where there is none.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; scalar >= 0, nats per hard pixel.
    Source: the PH2 experiment, after Zhao et al. 2019, section 3,
    https://arxiv.org/abs/1910.08711, with blocks of 3x3 in place of a sliding window.
    """
    logits, target = _prepared(logits, target)
    cross_entropy = -F.logsigmoid(_margin(logits, target))
    with torch.no_grad():
        error = _structural_error(logits.sigmoid(), target)
        hard = error > SS_HARD * error.max()
    return (error * hard * cross_entropy).sum() / hard.sum().clamp_min(1)


def bce_ss(logits: Tensor, target: Tensor) -> Tensor:
    """Return half `ss` and half `bce`; scalar >= 0, nats per pixel.

    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: the PH2 experiment, after Zhao et al. 2019, section 3, https://arxiv.org/abs/1910.08711.
    """
    return 0.5 * ss(logits, target) + 0.5 * bce(logits, target)


def _structural_error(prob: Tensor, target: Tensor) -> Tensor:
    """Return the absolute difference of both after normalising each block, (B, 1, H, W).

    Blocks start one pixel outside, on zeros. Pixels beyond the last whole block have no error.
    """
    height, width = prob.shape[-2:]
    border = [1, _beyond(width), 1, _beyond(height)]
    both = _normalise_blocks(F.pad(torch.cat([prob, target], dim=1), border))
    error = (both[:, :1] - both[:, 1:]).abs()
    return F.pad(error, [-pixels for pixels in border])


def _beyond(side: int) -> int:
    """Return how far whole blocks, the first starting at -1, reach beyond *side*: 1, 0 or -1."""
    return (side + 2) // SS_BLOCK * SS_BLOCK - 1 - side


def _normalise_blocks(x: Tensor) -> Tensor:
    """Return (v - mean + .01) / (std + .01) within each 3x3 block; sides divide by 3."""
    deviation = x - _block_means(x)
    std = _block_means(deviation.square()).sqrt()
    return (deviation + SS_STABLE) / (std + SS_STABLE)


def _block_means(x: Tensor) -> Tensor:
    """Return for every pixel the mean of its block."""
    means = F.avg_pool2d(x, SS_BLOCK)
    return means.repeat_interleave(SS_BLOCK, dim=2).repeat_interleave(SS_BLOCK, dim=3)


# Set overlap


def soft_dice(logits: Tensor, target: Tensor, smooth: float = 1.0, batch: bool = False) -> Tensor:
    """Return 1 - (2 sum p y + smooth) / (sum p + sum y + smooth); scalar in [0, 1].

    The sums run over an image and the images are averaged, or over the whole batch.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Drozdzal et al. 2016, the Dice loss of section 3, https://arxiv.org/abs/1608.04117.
    """
    return _overlap_error(logits, target, 0.5, 0.5, smooth / 2, batch).mean()


def jaccard(logits: Tensor, target: Tensor, smooth: float = 1.0, batch: bool = False) -> Tensor:
    """Return 1 - (sum p y + smooth) / (sum p + sum y - sum p y + smooth); scalar in [0, 1].

    The sums run over an image and the images are averaged, or over the whole batch.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Rahman and Wang 2016, section 3, https://doi.org/10.1007/978-3-319-50835-1_22.
    """
    return _overlap_error(logits, target, 1.0, 1.0, smooth, batch).mean()


def tversky(
    logits: Tensor,
    target: Tensor,
    fp_weight: float = 0.3,
    fn_weight: float = 0.7,
    smooth: float = 1.0,
    batch: bool = False,
) -> Tensor:
    """Return 1 - (TP + smooth) / (TP + fp_weight FP + fn_weight FN + smooth); scalar in [0, 1].

    TP, FP, FN are sums of p y, p (1 - y), (1 - p) y over an image, or over the whole batch.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Salehi et al. 2017, eq. 3, https://arxiv.org/abs/1706.05721 (alpha = fp_weight).
    """
    return _overlap_error(logits, target, fp_weight, fn_weight, smooth, batch).mean()


def focal_tversky(
    logits: Tensor,
    target: Tensor,
    fp_weight: float = 0.3,
    fn_weight: float = 0.7,
    exponent: float = 0.75,
    smooth: float = 1.0,
    batch: bool = False,
) -> Tensor:
    """Return the mean over images of their Tversky loss to the power *exponent*; in [0, 1].

    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Abraham and Khan 2019, FTL, https://arxiv.org/abs/1810.07842 (exponent = 1/gamma).
    """
    error = _overlap_error(logits, target, fp_weight, fn_weight, smooth, batch)
    # At 0 the root's slope is infinite: the floor, far below anything visible, has slope 0.
    return error.clamp_min(torch.finfo(error.dtype).tiny).pow(exponent).mean()


def dice_bce(
    logits: Tensor,
    target: Tensor,
    dice_weight: float = 1.0,
    bce_weight: float = 1.0,
    smooth: float = 1.0,
    batch: bool = False,
) -> Tensor:
    """Return dice_weight * `soft_dice` + bce_weight * `bce`; scalar >= 0.

    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Isensee et al. 2021, methods, loss, https://doi.org/10.1038/s41592-020-01008-z.
    """
    overlap = soft_dice(logits, target, smooth, batch)
    return dice_weight * overlap + bce_weight * bce(logits, target)


def _overlap_error(
    logits: Tensor, target: Tensor, fp_weight: float, fn_weight: float, smooth: float, batch: bool
) -> Tensor:
    """Return 1 - Tversky index of each image, (B,), or of the batch, (1,).

    Written as weighted errors over everything: 1 minus a ratio near 1 would lose the digits.
    """
    logits, target = _as_sets(*_prepared(logits, target), batch)
    prob = logits.sigmoid()
    hit = (prob * target).sum(1)
    false_alarm = (prob * (1 - target)).sum(1)
    missed = ((-logits).sigmoid() * target).sum(1)
    error = fp_weight * false_alarm + fn_weight * missed
    return error / (hit + error + smooth)


# Lovasz


def lovasz(logits: Tensor, target: Tensor, batch: bool = False) -> Tensor:
    """Return the Lovasz hinge, a convex stand-in for 1 - IoU; scalar >= 0.

    Each image's hinge errors, largest first, weighted by what each adds to 1 - IoU; the images
    are averaged, or the whole batch is taken as one image.
    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: Berman et al. 2018, eq. 6, 8 and 9, https://arxiv.org/abs/1705.08790.
    """
    logits, target = _as_sets(*_prepared(logits, target), batch)
    error, order = (1 - _margin(logits, target)).sort(dim=1, descending=True, stable=True)
    weight = _jaccard_growth(target.gather(1, order))
    return (F.relu(error) * weight).sum(1).mean()


def _jaccard_growth(truth: Tensor) -> Tensor:
    """Return by how much 1 - IoU grows as the pixels (B, N), in this order, turn out wrong.

    A missed pixel takes 1 from the overlap, a false alarm adds 1 to the union. Each step is in
    closed form, since differences of neighbouring ratios would cancel in float32.
    """
    foreground = truth.sum(1, keepdim=True)
    overlap = foreground - truth.cumsum(1)
    union = foreground + (1 - truth).cumsum(1)
    alarm = overlap / (union * (union - 1)).clamp_min(1)
    growth = torch.where(truth > 0.5, 1 / union, alarm)
    growth[:, :1] += foreground == 0  # in an empty image the first false alarm is the whole error
    return growth


# Shared


def _prepared(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in the logits' type, float32 at least (autocast hands over half precision)."""
    if logits.shape != target.shape:
        raise ValueError(
            f"target must have the logits' shape {tuple(logits.shape)}; got {tuple(target.shape)}"
        )
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return logits.to(dtype), target.to(dtype)


def _margin(logits: Tensor, target: Tensor) -> Tensor:
    """Return the logit of the true class: z on foreground, -z on background.

    -log_sigmoid of it is the cross-entropy, exact for sure pixels of both classes; torch's own
    subtracts z from z on background.
    """
    return torch.where(target > 0.5, logits, -logits)


def _as_sets(logits: Tensor, target: Tensor, batch: bool) -> tuple[Tensor, Tensor]:
    """Return both as rows of pixels, one row an image, or one row for the whole batch."""
    rows = 1 if batch else len(logits)
    return logits.reshape(rows, -1), target.reshape(rows, -1)


# Modules: each holds its arguments, checked, and calls its function


class BceLoss(nn.Module):
    """Binary cross-entropy; definition, shapes, range and source: `bce`."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return bce(logits, target)


class DiceLoss(nn.Module):
    """The experiment's Dice per pixel; definition, shapes, range and source: `dice`."""

    def __init__(self, smooth: float = 0.01) -> None:
        super().__init__()
        self.smooth = _positive("smooth", smooth)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return dice(logits, target, self.smooth)


class FocalLoss(nn.Module):
    """The experiment's focal loss; definition, shapes, range and source: `focal`."""

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.gamma = _not_negative("gamma", gamma)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return focal(logits, target, self.gamma)


class FocalLinLoss(nn.Module):
    """The focal loss of Lin et al.; definition, shapes, range and source: `focal_lin`."""

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        super().__init__()
        self.gamma = _not_negative("gamma", gamma)
        self.alpha = None if alpha is None else _share("alpha", alpha)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return focal_lin(logits, target, self.gamma, self.alpha)


class SsLoss(nn.Module):
    """The experiment's structural similarity; definition, shapes, range and source: `ss`."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return ss(logits, target)


class BceSsLoss(nn.Module):
    """Half `bce`, half `ss`; definition, shapes, range and source: `bce_ss`."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return bce_ss(logits, target)


class SoftDiceLoss(nn.Module):
    """Dice over sets of pixels; definition, shapes, range and source: `soft_dice`."""

    def __init__(self, smooth: float = 1.0, batch: bool = False) -> None:
        super().__init__()
        self.smooth = _positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return soft_dice(logits, target, self.smooth, self.batch)


class JaccardLoss(nn.Module):
    """Intersection over union; definition, shapes, range and source: `jaccard`."""

    def __init__(self, smooth: float = 1.0, batch: bool = False) -> None:
        super().__init__()
        self.smooth = _positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return jaccard(logits, target, self.smooth, self.batch)


class TverskyLoss(nn.Module):
    """Overlap with weighted errors; definition, shapes, range and source: `tversky`."""

    def __init__(
        self,
        fp_weight: float = 0.3,
        fn_weight: float = 0.7,
        smooth: float = 1.0,
        batch: bool = False,
    ) -> None:
        super().__init__()
        self.fp_weight = _positive("fp_weight", fp_weight)
        self.fn_weight = _positive("fn_weight", fn_weight)
        self.smooth = _positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return tversky(logits, target, self.fp_weight, self.fn_weight, self.smooth, self.batch)


class FocalTverskyLoss(nn.Module):
    """Tversky to a power; definition, shapes, range and source: `focal_tversky`."""

    def __init__(
        self,
        fp_weight: float = 0.3,
        fn_weight: float = 0.7,
        exponent: float = 0.75,
        smooth: float = 1.0,
        batch: bool = False,
    ) -> None:
        super().__init__()
        self.fp_weight = _positive("fp_weight", fp_weight)
        self.fn_weight = _positive("fn_weight", fn_weight)
        self.exponent = _positive("exponent", exponent)
        self.smooth = _positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        weights = self.fp_weight, self.fn_weight
        return focal_tversky(logits, target, *weights, self.exponent, self.smooth, self.batch)


class DiceBceLoss(nn.Module):
    """Dice over sets plus cross-entropy; definition, shapes, range and source: `dice_bce`."""

    def __init__(
        self,
        dice_weight: float = 1.0,
        bce_weight: float = 1.0,
        smooth: float = 1.0,
        batch: bool = False,
    ) -> None:
        super().__init__()
        self.dice_weight = _not_negative("dice_weight", dice_weight)
        self.bce_weight = _not_negative("bce_weight", bce_weight)
        if dice_weight == bce_weight == 0:
            raise ValueError("dice_weight or bce_weight must be > 0; got 0 for both")
        self.smooth = _positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        weights = self.dice_weight, self.bce_weight
        return dice_bce(logits, target, *weights, self.smooth, self.batch)


class LovaszLoss(nn.Module):
    """Lovasz hinge; definition, shapes, range and source: `lovasz`."""

    def __init__(self, batch: bool = False) -> None:
        super().__init__()
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss."""
        return lovasz(logits, target, self.batch)


def _positive(name: str, value: float) -> float:
    """Return *value* if it is finite and > 0, else raise ValueError."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be > 0; got {value}")
    return value


def _not_negative(name: str, value: float) -> float:
    """Return *value* if it is finite and >= 0, else raise ValueError."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be >= 0; got {value}")
    return value


def _share(name: str, value: float) -> float:
    """Return *value* if it is in [0, 1], else raise ValueError."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1; got {value}")
    return value
