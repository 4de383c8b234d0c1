"""Losses: each is a function of (logits, target) and a small nn.Module that calls it.

Both tensors are (B, 1, H, W), the target in {0, 1}. Every loss returns a scalar of at least
float32 precision, and its value and gradients are finite for logits between -100 and 100.
An optional `valid`, bool (B, 1, H, W), says which pixels count: all others have no influence and
no gradient, whatever their logits and labels. Without any pixel that counts a loss is 0.
A new loss is a new file in this folder; only the names that configs already use are listed here.
"""

from segsweep.losses.cross_entropy import (
    BceLoss,
    FocalLinLoss,
    FocalLoss,
    bce,
    focal,
    focal_lin,
)
from segsweep.losses.lovasz_hinge import LovaszLoss, lovasz
from segsweep.losses.overlap import (
    DiceBceLoss,
    DiceLoss,
    FocalTverskyLoss,
    JaccardLoss,
    SoftDiceLoss,
    TverskyLoss,
    dice,
    dice_bce,
    focal_tversky,
    jaccard,
    soft_dice,
    tversky,
)
from segsweep.losses.structure import BceSsLoss, SsLoss, bce_ss, ss

__all__ = [
    "BceLoss",
    "BceSsLoss",
    "DiceBceLoss",
    "DiceLoss",
    "FocalLinLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "JaccardLoss",
    "LovaszLoss",
    "SoftDiceLoss",
    "SsLoss",
    "TverskyLoss",
    "bce",
    "bce_ss",
    "dice",
    "dice_bce",
    "focal",
    "focal_lin",
    "focal_tversky",
    "jaccard",
    "lovasz",
    "soft_dice",
    "ss",
    "tversky",
]
