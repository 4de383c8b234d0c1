"""Verdicts on contrasts (better, equal within the margin, undecided) and on cells."""

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.contrasts import CELLS, Family
from segsweep.stats.null import TINY, Settings
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array

A_BETTER, B_BETTER = "a better", "b better"
BETTER = (A_BETTER, B_BETTER)
EQUAL, UNDECIDED = "equal within the margin", "undecided"
IDENTICAL = "equal on every image"
"""The networks of both sides have the same counts on every image."""
ALIKE = (EQUAL, IDENTICAL)
ADVISED = 20
"""Undecided contrasts per family with advice on seeds, in addition to those of the best cell."""


def verdict(difference: float, p: float, low: float, high: float, settings: Settings) -> str:
    """Return better if *p* is significant, equal if the interval lies inside +-margin."""
    if np.isnan(p):
        return UNDECIDED
    if p <= settings.level:
        return A_BETTER if difference > 0 else B_BETTER
    return EQUAL if -settings.margin < low and high < settings.margin else UNDECIDED


def verdicts_of(
    family: Family,
    results: tuple[Array, Array, Array, Array],
    classes: NDArray[np.int64],
    settings: Settings,
) -> list[str]:
    """Return the verdict of each contrast.

    Args:
        family: the contrasts.
        results: differences, adjusted p-values, lower and upper ends of intervals.
        classes: for each cell a number that equal cells share.
        settings: level and margin.

    """
    found = [verdict(*row, settings) for row in zip(*results, strict=True)]
    same = family.is_zero(classes).tolist()
    return [IDENTICAL if zero else word for zero, word in zip(same, found, strict=True)]


def leading(
    family: Family, difference: Array, verdicts: list[str], t: Array, parts: Parts
) -> list[int]:
    """Return undecided contrasts: those of the cell with the highest mean, then by largest |t|.

    Contrasts with a difference of 0 are left out.
    """
    order = np.argsort(-np.abs(t), kind="stable")
    differs = np.abs(difference) >= TINY
    undecided = [int(k) for k in order if verdicts[k] == UNDECIDED and differs[k]]
    if family.name != CELLS:
        return undecided[:ADVISED]
    of_highest = set(family.matrix[:, [int(parts.mean.argmax())]].nonzero()[0].tolist())
    others = [k for k in undecided if k not in of_highest]
    return [k for k in undecided if k in of_highest] + others[:ADVISED]
