"""Classic tests that other tools use, to compare with segsweep's statistics."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

Array = NDArray[np.float64]


def holm(p: ArrayLike) -> Array:
    """Return p values adjusted by Holm's method, in the given order."""
    values = np.asarray(p, float)
    order = np.argsort(values)
    steps = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def wilcoxon_over_images(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the two-sided p of Wilcoxon's signed-rank test along the last axis; 1 if equal.

    *a* and *b* are values on the same images. The result holds for these trained networks on
    new images, not for the methods: the test does not see how much seeds differ.
    """
    difference = np.asarray(a, float) - np.asarray(b, float)
    return np.apply_along_axis(_signed_rank, -1, difference)


def _signed_rank(difference: Array) -> float:
    return float(stats.wilcoxon(difference).pvalue) if difference.any() else 1.0
