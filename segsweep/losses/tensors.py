"""What every loss does with its two tensors before the formula starts."""

import torch
from torch import Tensor


def prepared(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in the logits' type, or in float32 if that is half precision (autocast).

    Raises ValueError if the shapes differ: broadcasting would give a wrong loss silently.
    """
    if logits.shape != target.shape:
        raise ValueError(
            f"target must have the logits' shape {tuple(logits.shape)}; got {tuple(target.shape)}"
        )
    dtype = torch.promote_types(logits.dtype, torch.float32)
    return logits.to(dtype), target.to(dtype)


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
