"""Comparisons with the best (Hsu 1996): what may be the best, and how far from it each one is.

A candidate is a cell, an architecture or a loss. It is ruled out when the largest t of the others
against it is larger than chance explains: one-sided, with a null distribution of that maximum for
each candidate. The true best is then lost in at most a share *level* of all sweeps.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.contrasts import CELLS, Family
from segsweep.stats.null import TINY, Draws, critical_value, t_draws
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array

DISTANCE = ("p_as_best", "minus_best_low", "minus_best_high")
"""Columns of tables: *p*, *low* and *high* of `Best`."""


@dataclass(frozen=True)
class Best:
    """The comparison of L candidates with the best of the others; arrays are (L,)."""

    names: tuple[str, ...]
    p: Array
    """Of the hypothesis that the candidate is the best; small: it is ruled out."""
    may: NDArray[np.bool_]
    """Whether it is in the set of the best: *p* is above the level."""
    low: Array
    """Ends of the simultaneous interval for its mean less the highest mean of the others."""
    high: Array
    difference: Array
    """Its mean less the highest mean of the others, as observed."""
    statistic: Array
    """The largest t of the others against it."""

    def natural(self, sign: int) -> tuple[Array, Array]:
        """Return the interval on the scale of the metric; *sign* is -1 if lower is better."""
        return (self.low, self.high) if sign > 0 else (-self.high, -self.low)

    def alike(self, classes: NDArray[np.int64]) -> "Best":
        """Return the same with one answer for equal candidates, the most cautious of theirs.

        *classes* has a number for each candidate, shared by equal ones, whose draws differ.
        """
        _, number = np.unique(classes, return_inverse=True)

        def highest(values: Array) -> Array:
            found = np.full(number.max() + 1, -np.inf)
            np.maximum.at(found, number, values)
            return found[number]

        may = highest(self.may.astype(float)) > 0
        low, high = -highest(-self.low), highest(self.high)
        return replace(self, p=highest(self.p), may=may, low=low, high=high)

    @property
    def highest(self) -> int:
        """The candidate with the highest mean; of several, the first."""
        return int(self.difference.argmax())

    @property
    def rivals(self) -> list[int]:
        """The candidates that may be the best and have a lower mean than the highest."""
        behind = self.difference < -TINY
        return np.flatnonzero(self.may & behind).tolist()

    def as_good(self, margin: float) -> NDArray[np.bool_]:
        """Whether each candidate is as good as the best within *margin*: none is better by more."""
        return self.low > -margin


def candidates_of(family: Family) -> tuple[str, ...]:
    """Return the candidates that *family* compares: all pairs of them, in order; () if it does not.

    Each must be one mean of cells, whatever it is compared with: architectures that share other
    losses with one than with another have no common scale.
    """
    names = tuple(dict.fromkeys([*family.a, *family.b]))
    if len(family.a) != len(names) * (len(names) - 1) // 2:
        return ()
    return names if family.name == CELLS or _has_common_scale(family) else ()


def _has_common_scale(family: Family) -> bool:
    """Whether each side of the contrasts is the mean of the same cells wherever it occurs."""
    known: dict[str, frozenset[int]] = {}
    rows = family.matrix.toarray()
    for a, b, row in zip(family.a, family.b, rows, strict=True):
        for name, inside in ((a, row > 0), (b, row < 0)):
            cells = frozenset(np.flatnonzero(inside).tolist())
            if known.setdefault(name, cells) != cells:
                return False
    return True


def largest_against(t: Array, count: int) -> Array:
    """Return (L, n): for each of *count* candidates the largest t of the others against it.

    *t* is (K, n), for all pairs in order, the first minus the second.
    """
    found = np.full((count, t.shape[1]), -np.inf)
    start = 0
    for first in range(count - 1):
        rows = t[start : start + count - 1 - first]
        found[first] = np.maximum(found[first], -rows.min(0))
        np.maximum(found[first + 1 :], rows, out=found[first + 1 :])
        start += len(rows)
    return found


def null_maxima(
    family: Family, parts: Parts, draws: Draws, count: int
) -> tuple[Array, Array | None]:
    """Return the largest |t| of the family in each draw, sorted, (D,); and those against each.

    The second is (L, D), each row sorted: the largest t against each of *count* candidates; None
    for no candidate. One pass serves both, because t values of many pairs do not fit into memory.
    """
    overall, against = [], []
    for block in t_draws(family, parts, draws):
        overall.append(np.abs(block).max(0))
        if count:
            against.append(largest_against(block, count))
    maxima = np.sort(np.concatenate(overall))
    return maxima, np.sort(np.concatenate(against, axis=1), axis=1) if count else None


def compared_with_best(
    names: Sequence[str],
    results: tuple[Array, Array, Array],
    maxima: Array,
    level: float,
    span: float = np.inf,
) -> Best:
    """Return the set of the best, and each candidate's distance from the best of the others.

    Args:
        names: the candidates.
        results: difference, standard error and t of all pairs, in order.
        maxima: (L, D) from `null_maxima`.
        level: share of sweeps in which the true best may be lost.
        span: the metric's highest value less its lowest one.

    """
    difference, error, t = results
    count, draws = len(names), maxima.shape[1]
    largest = largest_against(t[:, None], count)[:, 0]
    below = [np.searchsorted(row, value) for row, value in zip(maxima, largest, strict=True)]
    p = (draws - np.array(below) + 1) / (draws + 1)
    critical = np.array([critical_value(row, level) for row in maxima])
    may = p > level
    ahead, errors = square(difference, -difference, count), square(error, error, count)
    np.fill_diagonal(ahead, np.inf)
    high = np.maximum((ahead + critical[:, None] * errors).min(1), 0.0)
    rivals = np.where(may, ahead - critical * errors, np.inf)  # by the rival's critical value
    np.fill_diagonal(rivals, np.inf)
    low, high = np.clip(rivals.min(1), -span, 0.0), np.minimum(high, span)
    return Best(tuple(names), p, may, low, high, ahead.min(1), largest)


def square(above: Array, below: Array, count: int) -> Array:
    """Return (L, L) from the values of all pairs: *above* the diagonal, and *below* it."""
    found = np.zeros((count, count))
    first, second = np.triu_indices(count, 1)
    found[first, second], found[second, first] = above, below
    return found
