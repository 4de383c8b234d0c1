"""What was found out about a sweep, in the form in which a page shows it."""

from dataclasses import dataclass, field, replace

import numpy as np
from pandas import DataFrame, Index

from segsweep.report.analysis import Compared


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
    images: DataFrame = field(default_factory=DataFrame)
    """Mean over seeds of each compared cell (row) on each common test image (column)."""
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


def statistics_of(compared: Compared) -> Statistics:
    """Return what the page needs of a comparison."""
    answer, analysis = compared.answer, compared.analysis
    said = Statistics(
        answer.headline,
        compared.cells,
        compared.pairs,
        tuple(answer.settled),
        tuple(answer.unsettled),
        tuple(answer.next),
        tuple(answer.notes),
        compared.asked.metric,
        claims=analysis is not None and bool(analysis.claims),
    )
    if analysis is None:
        return said
    values = analysis.values
    said = replace(said, images=DataFrame(values.means, values.cells, values.images))
    if len(analysis.claimed) < 2:
        return said
    names = [values.cells[cell] for cell in analysis.claimed]
    shares = DataFrame(analysis.ranks.share, names, Index(range(1, len(names) + 1)))
    return replace(
        said,
        rank_shares=shares if analysis.claims else None,
        kendall=float(np.median(analysis.ranks.kendall)) if analysis.claims else None,
        optimism=float(analysis.optimism.gap),
        margin=analysis.settings.margin,
        level=analysis.settings.level,
    )
