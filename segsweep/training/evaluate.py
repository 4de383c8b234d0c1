"""Score images with a network: four pixel counts per image."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from segsweep.data.batches import Batch, Batches

NativeMask = Callable[[int], NDArray[np.bool_]]
"""Row of the data set -> its mask, or what of it is ignored, at the image's own size, (H, W)."""
OnPrediction = Callable[[int, NDArray[np.bool_]], None]
"""Called for each image with its row of the data set and its predicted mask, (H, W)."""
OnNative = Callable[[NDArray[np.bool_], NDArray[np.bool_]], None]
"""Called for each image with its predicted and its true mask at its own size, (H, W).

Ignored pixels are background in both."""


@dataclass(frozen=True)
class Scored:
    """The scores of one part of the data."""

    counts: NDArray[np.int64]
    """(N, 4): tp, fp, fn, tn of each image at the training size; their sum is what counts."""
    native: NDArray[np.int64] | None
    """The same at each image's own size, if requested."""
    loss: float
    """Mean over images; NaN without a loss."""
    shown: NDArray[np.float32]
    """(K, H, W) probabilities of the first K images, as they are drawn."""


@torch.inference_mode()
def score_images(
    model: nn.Module,
    batches: Batches,
    *,
    threshold: float = 0.5,
    loss_fn: nn.Module | None = None,
    native_mask: NativeMask | None = None,
    native_ignored: NativeMask | None = None,
    show: int = 0,
    on_prediction: OnPrediction | None = None,
    on_native: OnNative | None = None,
    autocast: AbstractContextManager[object] | None = None,
) -> Scored:
    """Score every image of *batches* once, in order; masks are not kept.

    Args:
        model: the network; it is put into evaluation mode.
        batches: the images.
        threshold: a pixel is foreground where its probability is above this.
        loss_fn: computed in float32, independent of *autocast*.
        native_mask: returns masks at the images' own sizes, to score there too.
        native_ignored: returns which of their pixels count for nothing; None: all count.
        show: the number of images whose probabilities are kept.
        on_prediction: called with each predicted mask at the training size.
        on_native: called with both masks of each image at its own size; needs *native_mask*.
        autocast: the context in which the network runs.

    """
    model.eval()
    counts, native, shown = [], [], []
    loss = torch.zeros((), dtype=torch.float64)
    done = 0
    for batch in batches.in_order():
        images = batch.images
        with autocast or nullcontext():
            logits = batches.logits(model, images)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        if loss_fn is not None:
            loss += loss_of(loss_fn, logits, batch).cpu().double() * len(images)
        probability = logits.sigmoid()
        predicted = probability > threshold
        counts.append(count(predicted, batch.masks > 0.5, batch.valid).cpu())
        rows = batches.indices[done : done + len(images)]
        if on_prediction is not None:
            for row, mask in zip(rows, predicted[:, 0].cpu().numpy(), strict=True):
                on_prediction(row, mask)
        if native_mask is not None:
            truths = [native_mask(row) for row in rows]
            ignored = [native_ignored(row) for row in rows] if native_ignored else None
            native += count_native(probability, truths, threshold, on_native, ignored)
        if done < show:
            first = probability[: show - done, 0].float().cpu().numpy()
            shown += [batches.drawn(one) for one in first]
        done += len(images)
    return Scored(
        counts=torch.cat(counts).numpy(),
        native=np.array(native, np.int64) if native_mask is not None else None,
        loss=float(loss) / done if loss_fn is not None else float("nan"),
        shown=np.stack(shown) if shown else np.empty((0, 0, 0), np.float32),
    )


def loss_of(loss_fn: nn.Module, logits: Tensor, batch: Batch) -> Tensor:
    """Return the loss of a batch over the pixels that count.

    A loss that knows nothing of ignored pixels is called as ever while all of them count.
    """
    if batch.valid is None:
        loss: Tensor = loss_fn(logits, batch.masks)
    else:
        loss = loss_fn(logits, batch.masks, valid=batch.valid)
    return loss


def count(predicted: Tensor, truth: Tensor, valid: Tensor | None = None) -> Tensor:
    """Return tp, fp, fn, tn per image, (B, 4) int64, from bool masks (B, 1, H, W).

    With *valid*, of the same shape, only its pixels count.
    """
    masks = [predicted & truth, predicted & ~truth, ~predicted & truth]
    if valid is not None:
        masks = [mask & valid for mask in masks]
    tp, fp, fn = (mask.flatten(1).sum(1) for mask in masks)
    pixels = truth[0].numel() if valid is None else valid.flatten(1).sum(1)
    return torch.stack([tp, fp, fn, pixels - tp - fp - fn], 1)


def count_native(
    probability: Tensor,
    truths: Sequence[NDArray[np.bool_]],
    threshold: float,
    on_native: OnNative | None = None,
    ignored: Sequence[NDArray[np.bool_]] | None = None,
) -> list[list[int]]:
    """Return counts after resizing probabilities (B, 1, H, W) to each image's own size.

    Pixels of *ignored*, one mask for each image, do not count.
    """
    rows = []
    for place, (one, truth) in enumerate(zip(probability, truths, strict=True)):
        size = truth.shape
        restored = one[None]
        if one.shape[-2:] != size:
            restored = interpolate(restored, size, mode="bilinear", antialias=True)
        predicted, valid = restored > threshold, None
        if ignored is not None:
            truth = truth & ~ignored[place]
            valid = torch.from_numpy(~ignored[place]).to(one.device)[None, None]
            predicted = predicted & valid
        target = torch.from_numpy(truth).to(one.device)[None, None]
        rows.append(count(predicted, target, valid)[0].tolist())
        if on_native is not None:
            on_native(predicted[0, 0].cpu().numpy(), truth)
    return rows
