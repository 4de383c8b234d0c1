"""Every metric: its formula, from four counts per image, and its entry in METRICS.

The counts are true and false positives and negatives. What an image with two empty masks is worth
is decided only here. numpy is imported on first use: configs need no arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segsweep.metrics.metric import Counts, Metric, PerImage

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SCORE_PERCENT = range(50, 100, 5)
BOUNDARY = ("hd95", "assd", "nsd")
"""The stored metrics of a run with `evaluate.boundary=true`, by the names of their columns."""


def ratio(numerator: ArrayLike, denominator: ArrayLike, otherwise: float) -> PerImage:
    """Return numerator / denominator as float64, *otherwise* where the denominator is 0."""
    import numpy as np

    over, under = np.broadcast_arrays(
        np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    )
    return np.divide(over, under, out=np.full(over.shape, otherwise), where=under != 0)


def iou(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
    """Return tp / (tp + fp + fn), the Jaccard index, in [0, 1]; both masks empty is 1."""
    return ratio(tp, tp + fp + fn, 1.0)


def dice(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
    """Return 2 tp / (2 tp + fp + fn), in [0, 1]; both masks empty is 1."""
    return ratio(2 * tp, 2 * tp + fp + fn, 1.0)


def score(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
    """Return the share of t in {.50, .55, ..., .95} with iou > t, in integers.

    Floating point gives the wrong answer where the IoU is exactly a threshold.
    """
    import numpy as np

    hit, union = np.asarray(tp, np.int64), np.asarray(tp + fp + fn, np.int64)
    beats = 100 * hit[..., None] > np.asarray(SCORE_PERCENT) * union[..., None]
    return np.where(union == 0, 1.0, beats.mean(-1))


def precision(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
    """Return tp / (tp + fp); nothing predicted is 1 where nothing was there, else 0."""
    import numpy as np

    return np.where(tp + fp == 0, np.where(fn == 0, 1.0, 0.0), ratio(tp, tp + fp, 0.0))


def recall(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
    """Return tp / (tp + fn), the sensitivity; nothing there is 1."""
    return ratio(tp, tp + fn, 1.0)


def specificity(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
    """Return tn / (tn + fp); no background is 1."""
    return ratio(tn, tn + fp, 1.0)


def accuracy(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
    """Return the share of pixels that are right."""
    return ratio(tp + tn, tp + fp + fn + tn, 1.0)


def mcc(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
    """Return Matthews' correlation in [-1, 1]; 0 where a row or column of the table is empty."""
    import numpy as np

    a, b, c, d = (np.asarray(x, np.float64) for x in (tp, fp, fn, tn))
    under = np.sqrt(a + b) * np.sqrt(a + c) * np.sqrt(d + b) * np.sqrt(d + c)
    return ratio(a * d - b * c, under, 0.0)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="iou",
            label="IoU",
            description="tp / (tp + fp + fn), the Jaccard index",
            function=iou,
            column=True,
            validated=True,
        ),
        Metric(
            name="dice",
            label="Dice",
            description="2 tp / (2 tp + fp + fn), the F1 score of pixels",
            function=dice,
            column=True,
            validated=True,
        ),
        Metric(
            name="score",
            label="score",
            description="share of the thresholds .50, .55, ..., .95 that the IoU exceeds",
            function=score,
            column=True,
            validated=True,
        ),
        Metric(
            name="precision",
            label="precision",
            description="tp / (tp + fp); nothing predicted is 0 unless nothing is there",
            function=precision,
        ),
        Metric(
            name="recall",
            label="recall",
            description="tp / (tp + fn), the sensitivity",
            function=recall,
        ),
        Metric(
            name="specificity",
            label="specificity",
            description="tn / (tn + fp)",
            function=specificity,
        ),
        Metric(
            name="accuracy",
            label="accuracy",
            description="share of pixels that are right",
            function=accuracy,
        ),
        Metric(
            name="mcc",
            label="MCC",
            description="Matthews' correlation; 0 where a row or column of the table is empty",
            function=mcc,
            limits=(-1.0, 1.0),
            both_empty=0.0,
        ),
        Metric(
            name="hd95",
            label="HD95",
            description="the larger one, of both directions, of the 95th percentiles of the "
            "distances from one outline to the other; one empty mask: the image's diagonal",
            stored="hd95",
            higher_is_better=False,
            unit="px",
            at="native",
            limits=(0.0, float("inf")),
            margin=1.0,
            both_empty=0.0,
            column=True,
        ),
        Metric(
            name="assd",
            label="ASSD",
            description="mean distance from each pixel of either outline to the other outline; "
            "one empty mask: the image's diagonal",
            stored="assd",
            higher_is_better=False,
            unit="px",
            at="native",
            limits=(0.0, float("inf")),
            margin=1.0,
            both_empty=0.0,
            column=True,
        ),
        Metric(
            name="nsd",
            label="NSD",
            description="share of the pixels of both outlines that are within "
            "`evaluate.tolerance` of the other one; one empty mask: 0",
            stored="nsd",
            at="native",
            column=True,
        ),
    )
}
"""Every metric by name. To add one: a function above, an entry here (CONTRIBUTING.md)."""
