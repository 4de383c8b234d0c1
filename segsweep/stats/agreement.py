"""Whether the order of cells on one data set is that on another."""

from dataclasses import dataclass

import numpy as np

from segsweep.stats.engine import Analysis
from segsweep.stats.posterior import kendall

FEWEST = 3
"""Two cells have two orders only: a correlation says nothing."""


@dataclass(frozen=True)
class Agreement:
    """The rank correlation of the cells that two comparisons share."""

    a: int
    """The number of the comparison; so is *b*."""
    b: int
    cells: int
    """How many cells both have."""
    kendall: float
    """Kendall's tau between the two orders by mean: 1 = the same, -1 = reversed."""
    low: float
    """Ends of the 95 % interval: tau between orders that may be true on the one data set and
    orders that may be true on the other."""
    high: float


def agreements(analyses: list[Analysis | None]) -> list[Agreement]:
    """Return the rank correlation of each two comparisons with enough cells in common."""
    found = []
    for b, second in enumerate(analyses):
        for a, first in enumerate(analyses[:b]):
            if first is not None and second is not None and first.claims and second.claims:
                found.append(_agreement(a, b, first, second))
    return [one for one in found if one.cells >= FEWEST]


def best_on_all(analyses: list[Analysis | None]) -> list[str] | None:
    """Return the cells that may be the best in every comparison.

    None where that says nothing: a comparison makes no claim, has one cell, or other cells than
    the others.
    """
    claimed = [one for one in analyses if one is not None and one.claims]
    cells = [{*_rows(one)} for one in claimed]
    if len(claimed) < len(analyses) or len(cells[0]) < 2 or any(one != cells[0] for one in cells):
        return None
    first, *_ = claimed
    sets = [{one.values.cells[cell] for cell in np.flatnonzero(one.may_be_best)} for one in claimed]
    return [name for name in first.values.cells if all(name in one for one in sets)]


def _agreement(a: int, b: int, first: Analysis, second: Analysis) -> Agreement:
    rows = [_rows(one) for one in (first, second)]
    shared = [name for name in rows[0] if name in rows[1]]
    if len(shared) < FEWEST:
        return Agreement(a, b, len(shared), np.nan, np.nan, np.nan)
    means, draws = [], []
    for one, row in zip((first, second), rows, strict=True):
        kept = [row[name] for name in shared]
        means.append(one.claimed_parts.mean[kept][:, None])
        draws.append(one.means[kept])
    # both were drawn with the same numbers: shuffled, the two are independent
    other = np.random.default_rng(second.settings.seed + 2).permutation(draws[1].shape[1])
    count = min(one.shape[1] for one in draws)
    drawn = kendall(draws[0][:, :count], draws[1][:, other[:count]])
    low, high = np.quantile(drawn, [0.025, 0.975])
    tau = float(kendall(means[0], means[1])[0])
    return Agreement(a, b, len(shared), tau, float(low), float(high))


def _rows(analysis: Analysis) -> dict[str, int]:
    """Return the row in `means` of each cell about which claims are possible."""
    return {analysis.values.cells[cell]: row for row, cell in enumerate(analysis.claimed)}
