"""Overlap of predicted and true areas: Dice, Jaccard, Tversky and what is built on them."""

import torch
from torch import Tensor, nn

from segsweep.losses.arguments import not_negative, positive
from segsweep.losses.cross_entropy import bce
from segsweep.losses.tensors import pixel_mean, pixel_rows, prepared, row_mean


def dice(
    logits: Tensor, target: Tensor, smooth: float = 0.01, valid: Tensor | None = None
) -> Tensor:
    """Return the experiment's Dice loss: a ratio per pixel, then the mean; scalar in [0, 1].

    1 - mean of (2 p y + smooth) / (p + y + smooth). `soft_dice` is the usual ratio of sums.
    Shape: logits and target (B, 1, H, W), target in {0, 1}.
    Source: the PH2 experiment; Milletari et al. 2016, section 3, use the ratio of sums,
    https://arxiv.org/abs/1606.04797.
    """
    logits, target = prepared(logits, target, valid)
    prob = logits.sigmoid()
    ratio = (2 * prob * target + smooth) / (prob + target + smooth)
    return 1 - ratio.mean() if valid is None else pixel_mean(1 - ratio, valid)


class DiceLoss(nn.Module):
    """The experiment's Dice per pixel; definition, shapes, range and source: `dice`."""

    def __init__(self, smooth: float = 0.01) -> None:
        super().__init__()
        self.smooth = positive("smooth", smooth)

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return dice(logits, target, self.smooth, valid)


def soft_dice(
    logits: Tensor,
    target: Tensor,
    smooth: float = 1.0,
    batch: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Return 1 - (2 sum p y + smooth) / (sum p + sum y + smooth); scalar in [0, 1].

    The sums run over each image and the images are averaged; with *batch* they run over the batch.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Drozdzal et al. 2016, the Dice loss of section 3, https://arxiv.org/abs/1608.04117.
    """
    error = _overlap_error(logits, target, 0.5, 0.5, smooth / 2, batch, valid)
    return row_mean(error, valid)


class SoftDiceLoss(nn.Module):
    """Dice of whole masks; definition, shapes, range and source: `soft_dice`."""

    def __init__(self, smooth: float = 1.0, batch: bool = False) -> None:
        super().__init__()
        self.smooth = positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return soft_dice(logits, target, self.smooth, self.batch, valid)


def jaccard(
    logits: Tensor,
    target: Tensor,
    smooth: float = 1.0,
    batch: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Return 1 - (sum p y + smooth) / (sum p + sum y - sum p y + smooth); scalar in [0, 1].

    The sums run over each image and the images are averaged; with *batch* they run over the batch.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Rahman and Wang 2016, section 3, https://doi.org/10.1007/978-3-319-50835-1_22.
    """
    error = _overlap_error(logits, target, 1.0, 1.0, smooth, batch, valid)
    return row_mean(error, valid)


class JaccardLoss(nn.Module):
    """Intersection over union; definition, shapes, range and source: `jaccard`."""

    def __init__(self, smooth: float = 1.0, batch: bool = False) -> None:
        super().__init__()
        self.smooth = positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        return jaccard(logits, target, self.smooth, self.batch, valid)


def tversky(
    logits: Tensor,
    target: Tensor,
    fp_weight: float = 0.3,
    fn_weight: float = 0.7,
    smooth: float = 1.0,
    batch: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Return 1 - (TP + smooth) / (TP + fp_weight FP + fn_weight FN + smooth); scalar in [0, 1].

    TP, FP, FN are the sums of p y, p (1 - y), (1 - p) y over each image, or over the batch.
    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Salehi et al. 2017, eq. 3, https://arxiv.org/abs/1706.05721 (alpha = fp_weight).
    """
    error = _overlap_error(logits, target, fp_weight, fn_weight, smooth, batch, valid)
    return row_mean(error, valid)


class TverskyLoss(nn.Module):
    """Overlap with a cost per kind of error; definition, shapes, range and source: `tversky`."""

    def __init__(
        self,
        fp_weight: float = 0.3,
        fn_weight: float = 0.7,
        smooth: float = 1.0,
        batch: bool = False,
    ) -> None:
        super().__init__()
        self.fp_weight = positive("fp_weight", fp_weight)
        self.fn_weight = positive("fn_weight", fn_weight)
        self.smooth = positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        weights = self.fp_weight, self.fn_weight
        return tversky(logits, target, *weights, self.smooth, self.batch, valid)


def focal_tversky(
    logits: Tensor,
    target: Tensor,
    fp_weight: float = 0.3,
    fn_weight: float = 0.7,
    exponent: float = 0.75,
    smooth: float = 1.0,
    batch: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Return each image's Tversky loss to the power *exponent*, averaged; scalar in [0, 1].

    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Abraham and Khan 2019, FTL, https://arxiv.org/abs/1810.07842 (exponent = 1/gamma).
    """
    error = _overlap_error(logits, target, fp_weight, fn_weight, smooth, batch, valid)
    # x ** exponent has an infinite slope at 0 for exponents below 1; clamped there, slope 0
    return row_mean(error.clamp_min(torch.finfo(error.dtype).tiny).pow(exponent), valid)


class FocalTverskyLoss(nn.Module):
    """Tversky loss to a power; definition, shapes, range and source: `focal_tversky`."""

    def __init__(
        self,
        fp_weight: float = 0.3,
        fn_weight: float = 0.7,
        exponent: float = 0.75,
        smooth: float = 1.0,
        batch: bool = False,
    ) -> None:
        super().__init__()
        self.fp_weight = positive("fp_weight", fp_weight)
        self.fn_weight = positive("fn_weight", fn_weight)
        self.exponent = positive("exponent", exponent)
        self.smooth = positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        weights = self.fp_weight, self.fn_weight
        numbers = *weights, self.exponent, self.smooth
        return focal_tversky(logits, target, *numbers, self.batch, valid)


def dice_bce(
    logits: Tensor,
    target: Tensor,
    dice_weight: float = 1.0,
    bce_weight: float = 1.0,
    smooth: float = 1.0,
    batch: bool = False,
    valid: Tensor | None = None,
) -> Tensor:
    """Return dice_weight * `soft_dice` + bce_weight * `bce`; scalar >= 0.

    Shape: logits and target (B, 1, H, W), target in {0, 1}; smooth in pixels.
    Source: Isensee et al. 2021, methods, loss, https://doi.org/10.1038/s41592-020-01008-z.
    """
    overlap = soft_dice(logits, target, smooth, batch, valid)
    return dice_weight * overlap + bce_weight * bce(logits, target, valid)


class DiceBceLoss(nn.Module):
    """Dice of whole masks plus cross-entropy; definition, shapes, range and source: `dice_bce`."""

    def __init__(
        self,
        dice_weight: float = 1.0,
        bce_weight: float = 1.0,
        smooth: float = 1.0,
        batch: bool = False,
    ) -> None:
        super().__init__()
        self.dice_weight = not_negative("dice_weight", dice_weight)
        self.bce_weight = not_negative("bce_weight", bce_weight)
        if dice_weight == bce_weight == 0:
            raise ValueError("dice_weight or bce_weight must be > 0; got 0 for both")
        self.smooth = positive("smooth", smooth)
        self.batch = batch

    def forward(self, logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss."""
        weights = self.dice_weight, self.bce_weight
        return dice_bce(logits, target, *weights, self.smooth, self.batch, valid)


def _overlap_error(
    logits: Tensor,
    target: Tensor,
    fp_weight: float,
    fn_weight: float,
    smooth: float,
    batch: bool,
    valid: Tensor | None,
) -> Tensor:
    """Return 1 - Tversky index of each image, (B,), or of the batch, (1,).

    The numerator holds only the errors: 1 minus a ratio near 1 would lose digits.
    """
    logits, target = pixel_rows(*prepared(logits, target, valid), batch)
    background = 1 - target
    if valid is not None:
        background = background * valid.reshape(target.shape)
    prob = logits.sigmoid()
    hit = (prob * target).sum(1)
    false_alarm = (prob * background).sum(1)
    missed = ((-logits).sigmoid() * target).sum(1)
    error = fp_weight * false_alarm + fn_weight * missed
    return error / (hit + error + smooth)
