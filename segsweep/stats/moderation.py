"""Moderated seed variances: empirical Bayes shrinkage towards a common variance (Smyth 2004).

G. K. Smyth, Linear models and empirical Bayes methods for assessing differential expression,
2004, https://doi.org/10.2202/1544-6115.1027. The prior is estimated from moments of the
logarithms of the variances.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from segsweep.stats.values import Array

MOST = 10.0
"""Upper limit of the prior degrees of freedom."""
FEWEST_CELLS = 3
"""With fewer cells the prior cannot be estimated."""
LEAST = 1e-5
"""Variances below this share of the median are raised to it, so that logarithms are finite."""
MIN_EXCESS = 1e-4
"""With less variation beyond sampling error the true variances are taken as equal."""


@dataclass(frozen=True)
class Moderated:
    """Moderated variances; every field may have a last axis of draws."""

    variance: Array
    """(C, ...) NaN for a cell with one seed if there is no prior."""
    weight: Array
    """(...) d0: prior degrees of freedom."""
    common: Array
    """(...) s0^2: the common (prior) variance."""


def moderate(variance: Array, freedom: NDArray[np.int64], most: float = MOST) -> Moderated:
    """Return moderated variances.

    Args:
        variance: (C,) or (C, draws); entries with 0 degrees of freedom are not read.
        freedom: (C,) degrees of freedom: seeds - 1.
        most: upper limit of d0.

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
    """Return Smyth's moment estimates of d0 and s0^2; d0 = 0 with fewer than three cells.

    *variance* is (C,) or (C, draws); all *freedom* are at least 1.
    """
    shape = variance.shape[1:]
    if len(variance) < FEWEST_CELLS:
        return np.zeros(shape), np.zeros(shape)
    half = (freedom / 2).reshape(-1, *[1] * (variance.ndim - 1))
    floor = np.maximum(LEAST * np.median(variance, axis=0), np.finfo(float).tiny)
    logs = np.log(np.maximum(variance, floor)) - digamma(half) + np.log(half)
    middle = logs.mean(0)
    excess = logs.var(0, ddof=1) - polygamma(1, half).mean()
    half_weight = trigamma_inverse(np.maximum(excess, MIN_EXCESS))
    correction = np.where(excess > MIN_EXCESS, digamma(half_weight) - np.log(half_weight), 0.0)
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
    """Return log x for x from .001 to 100,000, and log trigamma(x)."""
    grid = np.linspace(np.log(1e-3), np.log(1e5), 400)
    return grid, np.log(polygamma(1, np.exp(grid)))
