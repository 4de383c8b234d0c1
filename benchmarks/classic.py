"""Tests that other tools use, to stand beside ours; what each speaks about is part of its name."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]
NETWORKS_ONLY = "these trained networks on new images, not the methods"
"""What a test over images speaks about: it never sees how much seeds differ."""


def holm(p: ArrayLike) -> Array:
    """Return p values adjusted by Holm's steps, in the order given."""
    values = np.asarray(p, float)
    order = np.argsort(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def wilcoxon_over_images(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the two-sided p of Wilcoxon's signed-rank test along the last axis; equal is 1.

    Says something about NETWORKS_ONLY. *a* and *b* are values on the same images.
    """
    difference = np.asarray(a, float) - np.asarray(b, float)
    return np.apply_along_axis(_signed_rank, -1, difference)


def _signed_rank(difference: Array) -> float:
    return float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
