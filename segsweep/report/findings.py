"""What was found out about a sweep, in the form in which a page shows it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pandas import DataFrame, Index


@dataclass(frozen=True)
class Statistics:
    """What was found out about a sweep, as frames and sentences."""

    headline: str
    """Which cells may be the best."""
    cells: DataFrame
    """As comparison.csv."""
    pairs: DataFrame
    """As pairs.csv."""
    settled: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    """What it would take."""
    notes: tuple[str, ...] = ()
    """What was left out."""
    metric: str = "iou"
    """What was compared; its column is test_<metric>."""
    rank_shares: DataFrame | None = None
    """Chance of each cell (row) to have each rank (columns 1, 2, ...)."""
    kendall: float | None = None
    """Median of Kendall's tau between the shown order and the orders that may be true."""
    optimism: float | None = None
    """What choosing the highest adds to its mean by luck."""
    claims: bool = True
    """False where nothing can be said about methods: one seed per cell."""
    margin: float = 0.01
    level: float = 0.05


def statistics_of(
    analysis: Any, answer: Any, cells: DataFrame, pairs: DataFrame, metric: str = "iou"
) -> Statistics:
    """Return what the page needs of an analysis.

    Args:
        analysis: from `segsweep.stats.engine.analyse`; None where nothing can be compared.
        answer: from `segsweep.stats.answer.answer`.
        cells: as comparison.csv.
        pairs: as pairs.csv.
        metric: what was compared.

    """
    said = Statistics(
        answer.headline,
        cells,
        pairs,
        tuple(answer.settled),
        tuple(answer.unsettled),
        tuple(answer.next),
        tuple(answer.notes),
        metric,
    )
    if analysis is None or len(analysis.claimed) < 2:
        return said if analysis is None else replace(said, claims=bool(analysis.claims))
    names = [analysis.values.cells[cell] for cell in analysis.claimed]
    shares = DataFrame(analysis.ranks.share, names, Index(range(1, len(names) + 1)))
    return replace(
        said,
        rank_shares=shares if analysis.claims else None,
        kendall=float(np.median(analysis.ranks.kendall)) if analysis.claims else None,
        optimism=float(analysis.optimism.gap),
        claims=bool(analysis.claims),
        margin=analysis.settings.margin,
        level=analysis.settings.level,
    )
