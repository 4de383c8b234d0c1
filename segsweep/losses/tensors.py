"""What every loss does with its tensors before and after its formula."""

import torch
from torch import Tensor


def prepared(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return both in the logits' type, or in float32 if that is half precision (autocast).

    Where *valid* is False both are 0: what is there has no influence, and no gradient.
    Raises ValueError if the shapes differ: broadcasting would give a wrong loss silently.
    """
    for name, tensor in (("target", target), ("valid", valid)):
        if tensor is not None and tensor.shape != logits.shape:
            given = tuple(tensor.shape)
            raise ValueError(
                f"{name} must have the logits' shape {tuple(logits.shape)}; got {given}"
            )
    dtype = torch.promote_types(logits.dtype, torch.float32)
    logits, target = logits.to(dtype), target.to(dtype)
    return (logits, target) if valid is None else (logits.where(valid, 0), target.where(valid, 0))


def pixel_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Return the mean of a value per pixel over the valid ones; 0 if there is none."""
    if valid is None:
        return values.mean()
    return values.where(valid, 0).sum() / valid.sum().clamp_min(1)


def row_mean(values: Tensor, valid: Tensor | None) -> Tensor:
    """Return the mean of a value per row, (rows,), over the rows with valid pixels.

    *valid* is (B, 1, H, W) or (rows, pixels); without any valid pixel the mean is 0.
    """
    if valid is None:
        return values.mean()
    return pixel_mean(values, valid.reshape(len(values), -1).any(1))


def true_class_logit(logits: Tensor, target: Tensor) -> Tensor:
    """Return the logit of the true class: z on foreground, -z on background.

    Its -logsigmoid is the cross-entropy, accurate for confident pixels of both classes.
    torch's binary_cross_entropy_with_logits subtracts z from z on background and loses digits.
    """
    return torch.where(target > 0.5, logits, -logits)


def pixel_rows(logits: Tensor, target: Tensor, batch: bool) -> tuple[Tensor, Tensor]:
    """Return both as (rows, pixels): one row per image, or one row for the whole batch."""
    rows = 1 if batch else len(logits)
    return logits.reshape(rows, -1), target.reshape(rows, -1)
