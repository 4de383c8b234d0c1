"""From pixel counts to metrics; numpy only, so that statistics needs no torch.

Everything is computed from four integers per image: true and false positives and
negatives. What an image with two empty masks is worth is decided here and nowhere else.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Counts = NDArray[np.int64]
Values = NDArray[np.float64]
Empty = Literal["one", "skip"]

SCORE_PERCENT = np.arange(50, 100, 5)


def ratio(numerator: ArrayLike, denominator: ArrayLike, empty: float) -> Values:
    """Return numerator / denominator as float64, *empty* where the denominator is 0."""
    over, under = np.broadcast_arrays(
        np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    )
    return np.divide(over, under, out=np.full(over.shape, empty), where=under != 0)


def iou(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return tp / (tp + fp + fn), the Jaccard index, in [0, 1]; both masks empty is 1."""
    return ratio(tp, tp + fp + fn, 1.0)


def dice(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return 2 tp / (2 tp + fp + fn), in [0, 1]; both masks empty is 1."""
    return ratio(2 * tp, 2 * tp + fp + fn, 1.0)


def score(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return the share of t in {.50, .55, ..., .95} with iou > t, in integers.

    Floating point gives the wrong answer where the IoU is exactly a threshold.
    """
    hit, union = np.asarray(tp, np.int64), np.asarray(tp + fp + fn, np.int64)
    beats = 100 * hit[..., None] > SCORE_PERCENT * union[..., None]
    return np.where(union == 0, 1.0, beats.mean(-1))


def precision(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return tp / (tp + fp); nothing predicted is 1 where nothing was there, else 0."""
    return np.where(tp + fp == 0, np.where(fn == 0, 1.0, 0.0), ratio(tp, tp + fp, 0.0))


def recall(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return tp / (tp + fn), the sensitivity; nothing there is 1."""
    return ratio(tp, tp + fn, 1.0)


def specificity(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return tn / (tn + fp); no background is 1."""
    return ratio(tn, tn + fp, 1.0)


def accuracy(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return the share of pixels that are right."""
    return ratio(tp + tn, tp + fp + fn + tn, 1.0)


def mcc(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return Matthews' correlation in [-1, 1]; 0 where a row or column of the table is empty."""
    a, b, c, d = (np.asarray(x, np.float64) for x in (tp, fp, fn, tn))
    under = np.sqrt(a + b) * np.sqrt(a + c) * np.sqrt(d + b) * np.sqrt(d + c)
    return ratio(a * d - b * c, under, 0.0)


METRICS: dict[str, Callable[[Counts, Counts, Counts, Counts], Values]] = {
    function.__name__: function
    for function in (iou, dice, score, precision, recall, specificity, accuracy, mcc)
}
RANGES = {name: (-1.0 if name == "mcc" else 0.0, 1.0) for name in METRICS}
"""The lowest and the highest value that each can have."""


def per_image(
    metric: str, tp: Counts, fp: Counts, fn: Counts, tn: Counts, empty: Empty = "one"
) -> Values:
    """Return *metric* for each image, from counts of equal shape.

    With ``empty="skip"`` an image whose truth and prediction are both empty is NaN,
    so that a mean leaves it out; with ``"one"`` the metric's own value stands.
    """
    tp, fp, fn, tn = (np.asarray(x, np.int64) for x in (tp, fp, fn, tn))
    values = METRICS[metric](tp, fp, fn, tn)
    return np.where(tp + fp + fn == 0, np.nan, values) if empty == "skip" else values


def mean_over_images(
    metric: str, tp: Counts, fp: Counts, fn: Counts, tn: Counts, empty: Empty = "one"
) -> float:
    """Return the headline: the mean of *metric* over images, NaN where none is left."""
    values = per_image(metric, tp, fp, fn, tn, empty)
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


def over_all_pixels(metric: str, tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> float:
    """Return *metric* of the summed counts: the data set's, dominated by large objects."""
    sums = [np.asarray(x, np.int64).sum() for x in (tp, fp, fn, tn)]
    return float(METRICS[metric](*sums))
