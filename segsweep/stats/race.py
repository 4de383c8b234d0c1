"""Racing: further seeds only for cells that may still be the best, judged at a few looks.

At each look the set of the best is found among the cells that are left, with an error of its own;
those ruled out get no further seeds. The errors of all looks add up to the level, so the claim
"the true best is in the set" holds however the race ends.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from segsweep.stats.advice import UNLIMITED
from segsweep.stats.best import Best, null_maxima, square
from segsweep.stats.contrasts import CELLS, Family, pairs
from segsweep.stats.engine import Analysis, Tested, analyse_families
from segsweep.stats.looks import End, Judged, Look
from segsweep.stats.null import Settings, critical_value, null_draws, seed_part
from segsweep.stats.values import Values


def take_look(
    values: Values,
    error: float,
    final: float | None = None,
    again: bool = True,
    settings: Settings | None = None,
) -> Look:
    """Return what a look finds about the cells of *values*, those that are left.

    A cell with one seed is not ruled out. Endless seeds are thought of from the second look on: a
    variance from the few seeds of the first one says little about them.

    Args:
        values: each cell with the seeds of this look.
        error: that of the look.
        final: that of the last look; None: this is the last one.
        again: whether it is not the first look.
        settings: margin, draws.

    """
    settings = replace(settings or Settings(margin=values.margin), level=error)
    analysis = analyse_families(values, _all_pairs, settings, advise=False)
    cells = _judged(analysis)
    return Look(cells, _end(analysis, cells, final, again))


def _end(analysis: Analysis, cells: list[Judged], final: float | None, again: bool) -> End | None:
    best, tested = analysis.best, analysis.tested.get(CELLS)
    if sum(not one.out for one in cells) == 1:
        return End.ONE
    if best is not None and tested is not None and len(best.names) == len(cells):
        if best.as_good(analysis.settings.margin)[best.may].all():
            return End.GOOD
        level = analysis.settings.level if final is None else final
        if again and not separable(analysis, tested, best, level):
            return End.IMAGES
    return End.SEEDS if final is None else None


def separable(analysis: Analysis, tested: Tested, best: Best, level: float) -> bool:
    """Whether endless seeds could rule out, at *level*, a cell that may be the best.

    Then only the images make the means uncertain. The difference that endless seeds would show on
    these images lies, as far as the seeds tell, below the upper end of an interval; if even that
    would not be enough for any cell, the images are too few.
    """
    parts, count = analysis.claimed_parts, len(best.names)
    endless = null_draws(
        parts, analysis.moderated, analysis.settings, np.full(parts.seeds.shape, UNLIMITED)
    )
    _, against = null_maxima(tested.family, parts, endless, count)
    assert against is not None, "there are at least two cells"
    critical = np.array([critical_value(row, level) for row in against])
    by_images = np.maximum(tested.family.quadratic(parts.sigma), 0.0)
    by_seeds = tested.family.squares(seed_part(analysis.moderated, parts.seeds))
    images, seeds = square(by_images, by_images, count), square(by_seeds, by_seeds, count)
    behind = parts.mean[:, None] - parts.mean[None, :]  # how far the column is behind the row
    reached = behind + critical * np.sqrt(seeds) > critical * np.sqrt(images)
    both = best.may[:, None] & best.may[None, :]
    return bool((reached & both & ~np.eye(count, dtype=bool)).any())


def _all_pairs(names: Sequence[str]) -> list[Family]:
    return [pairs(names)]


def _judged(analysis: Analysis) -> list[Judged]:
    """Return what is known of each cell; numbers are NaN for one about which nothing is claimed."""
    count = len(analysis.values.cells)
    numbers, out = np.full((4, count), np.nan), np.zeros(count, bool)
    if (best := analysis.best) is not None:
        ends = best.natural(analysis.values.sign)
        numbers[:, analysis.claimed] = best.statistic, best.p, *ends
        out[analysis.claimed] = ~best.may
    statistic, p, low, high = numbers.tolist()
    return [
        Judged(
            cell=name,
            seeds=int(analysis.parts.seeds[cell]),
            mean=analysis.mean(cell)[0],
            statistic=statistic[cell],
            p=p[cell],
            low=low[cell],
            high=high[cell],
            out=bool(out[cell]),
        )
        for cell, name in enumerate(analysis.values.cells)
    ]
