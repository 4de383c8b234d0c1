"""What is said of a contrast, and of a cell: better, equal within the margin, undecided."""

from collections.abc import Sequence

import numpy as np

from segsweep.stats.contrasts import CELLS, Family
from segsweep.stats.null import TINY, Settings
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array

A_BETTER, B_BETTER = "a better", "b better"
BETTER = (A_BETTER, B_BETTER)
EQUAL, UNDECIDED = "equal within the margin", "undecided"
ADVISED = 20
"""Undecided contrasts of each family for which seeds are reckoned, beside the highest cell's."""


def verdict(difference: float, p: float, low: float, high: float, settings: Settings) -> str:
    """Return better where the adjusted p says so, equal where the interval lies in the margin."""
    if np.isnan(p):
        return UNDECIDED
    if p <= settings.level:
        return A_BETTER if difference > 0 else B_BETTER
    return EQUAL if -settings.margin < low and high < settings.margin else UNDECIDED


def leading(
    family: Family, difference: Array, verdicts: list[str], t: Array, parts: Parts
) -> list[int]:
    """Return undecided contrasts: the highest cell against the others, then the largest |t|.

    A difference of 0 leads nowhere.
    """
    order = np.argsort(-np.abs(t), kind="stable")
    seen = np.abs(difference) >= TINY
    undecided = [int(k) for k in order if verdicts[k] == UNDECIDED and seen[k]]
    if family.name != CELLS:
        return undecided[:ADVISED]
    of_top = set(family.matrix[:, [int(parts.mean.argmax())]].nonzero()[0].tolist())
    others = [k for k in undecided if k not in of_top]
    return [k for k in undecided if k in of_top] + others[:ADVISED]


def may_be_best(family: Family, verdicts: Sequence[str]) -> Array:
    """Return 1 for each cell that no other beats, else 0, (C,); *family* holds their pairs."""
    sign = np.array([{A_BETTER: 1.0, B_BETTER: -1.0}.get(said, 0.0) for said in verdicts])
    beaten = family.matrix.multiply(sign[:, None]).min(axis=0).toarray().ravel() < 0
    return np.where(beaten, 0.0, 1.0)
