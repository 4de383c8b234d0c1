"""Variances of few seeds, drawn towards what all cells have in common (Smyth 2004).

G. K. Smyth, Linear models and empirical Bayes methods for assessing differential expression,
2004, https://doi.org/10.2202/1544-6115.1027: moment estimates from the logarithms.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from segsweep.stats.values import Array

MOST = 10.0
"""The common variance counts as at most this many degrees of freedom."""
FEWEST_CELLS = 3
"""Below this nothing can be learnt of how variances differ."""
LEAST = 1e-5
"""A variance counts as at least this share of the median one: the logarithm of 0 is no number."""
SMALLEST = 1e-4
"""Variances that differ less than this beyond chance are taken as one."""


@dataclass(frozen=True)
class Moderated:
    """Variances after moderation; every field may carry a last axis of draws."""

    variance: Array
    """(C, ...) NaN for a cell with one seed where nothing was learnt from the others."""
    weight: Array
    """(...) d0: degrees of freedom that the common variance is worth."""
    common: Array
    """(...) s0^2: the common variance."""


def moderate(variance: Array, freedom: NDArray[np.int64], most: float = MOST) -> Moderated:
    """Return moderated variances.

    Args:
        variance: (C,) or (C, draws); entries with no freedom are not read.
        freedom: (C,) degrees of freedom of each: seeds - 1.
        most: limit of d0.

    """
    weight, common = prior_of(variance[freedom > 0], freedom[freedom > 0], most)
    own = freedom.reshape(-1, *[1] * (variance.ndim - 1))
    known = np.where(own > 0, variance, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mixed = (weight * common + own * known) / (weight + own)
    return Moderated(mixed, weight, common)


def prior_of(
    variance: Array, freedom: NDArray[np.int64], most: float = MOST
) -> tuple[Array, Array]:
    """Return d0 and s0^2 by Smyth's moment estimates; d0 = 0 with fewer than three cells.

    *variance* is (C,) or (C, draws), every entry with a freedom of at least 1.
    """
    shape = variance.shape[1:]
    if len(variance) < FEWEST_CELLS:
        return np.zeros(shape), np.zeros(shape)
    half = (freedom / 2).reshape(-1, *[1] * (variance.ndim - 1))
    floor = np.maximum(LEAST * np.median(variance, axis=0), np.finfo(float).tiny)
    logs = np.log(np.maximum(variance, floor)) - digamma(half) + np.log(half)
    middle = logs.mean(0)
    excess = logs.var(0, ddof=1) - polygamma(1, half).mean()
    half_weight = trigamma_inverse(np.maximum(excess, SMALLEST))
    correction = np.where(excess > SMALLEST, digamma(half_weight) - np.log(half_weight), 0.0)
    return np.minimum(2 * half_weight, most), np.exp(middle + correction)


def trigamma_inverse(target: Array) -> Array:
    """Return x > 0 with trigamma(x) = *target*: a table, then Newton steps on 1 / trigamma."""
    grid, values = _table()
    x = np.exp(np.interp(np.log(target), values[::-1], grid[::-1]))
    for _ in range(2):
        value = polygamma(1, x)
        x = x + value * (1 - value / target) / polygamma(2, x)
    return x


@cache
def _table() -> tuple[Array, Array]:
    """Return logarithms of x from .001 to 100,000 and of trigamma there."""
    grid = np.linspace(np.log(1e-3), np.log(1e5), 400)
    return grid, np.log(polygamma(1, np.exp(grid)))
