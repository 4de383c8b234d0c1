"""The whole analysis of a sweep's values: parts of variance, families, cells, ranks, advice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.advice import Advice, seeds_needed
from segsweep.stats.contrasts import CELLS, INTERACTION, Family, against, families
from segsweep.stats.moderation import Moderated, moderate
from segsweep.stats.null import (
    Draws,
    Settings,
    adjusted_p,
    critical_value,
    largest,
    null_draws,
    over,
    standard_errors,
)
from segsweep.stats.optimism import Optimism, optimism
from segsweep.stats.parts import Parts, parts_of
from segsweep.stats.posterior import (
    Chances,
    Ranks,
    cell_intervals,
    chances,
    posterior_means,
    ranks,
)
from segsweep.stats.values import Array, Values, factors_of
from segsweep.stats.verdicts import leading, may_be_best, verdict

Choose = Callable[[Sequence[str]], list[Family]]
"""From the names of the claimed cells to what is compared."""


@dataclass(frozen=True)
class Tested:
    """A family's K contrasts with what is known of them; arrays are (K,)."""

    family: Family
    difference: Array
    error: Array
    t: Array
    low: Array
    """Of the simultaneous interval, as is *high*."""
    high: Array
    p: Array
    """Adjusted over the family; NaN where no claim is possible."""
    chances: Chances
    verdicts: list[str]
    advice: dict[int, Advice]
    """For the leading undecided contrasts."""
    sign: int = 1
    """-1 where lower is better: differences here have their sign turned (`Values.sign`)."""

    def size(self, k: int) -> tuple[float, float, float]:
        """Return the difference of contrast *k* and its interval as the metric has them."""
        low, high, size = float(self.low[k]), float(self.high[k]), float(self.difference[k])
        return (size, low, high) if self.sign > 0 else (-size, -high, -low)

    @property
    def omnibus(self) -> float:
        """Adjusted p of "nothing in this family differs"."""
        return float(self.p.min())


@dataclass(frozen=True)
class Analysis:
    """Everything that is computed; cells in the order of *values*."""

    values: Values
    settings: Settings
    parts: Parts
    claims: bool
    """False where nothing can be claimed about methods: intervals are for these networks only."""
    claimed: NDArray[np.int64]
    """Positions of the cells about which anything can be claimed; all where nothing can."""
    tested: dict[str, Tested]
    """By family."""
    low: Array
    """(C,) of each cell's own interval, as is *high*; NaN for cells left out of claims."""
    high: Array
    may_be_best: NDArray[np.bool_]
    """(C,) True also for a cell about which nothing can be claimed: it is not ruled out."""
    p_best: Array
    """(C,) among the claimed cells; NaN for others, and where there is nothing to compare."""
    ranks: Ranks
    """Of the claimed cells."""
    claimed_parts: Parts
    """Of the claimed cells, in the order of *claimed*, as are the next two."""
    moderated: Moderated
    """Seed variances of the claimed cells after moderation."""
    means: Array
    """(claimed, draws) of the true means, given what was seen."""

    def mean(self, cell: int) -> tuple[float, float, float]:
        """Return the mean of cell number *cell* and its interval as the metric has them."""
        low, high = self.values.natural(self.low, self.high)
        return float(self.values.sign * self.parts.mean[cell]), float(low[cell]), float(high[cell])

    @property
    def depends(self) -> float | None:
        """P of the interaction where it is real: no loss or architecture is then best by itself."""
        together = self.tested.get(INTERACTION)
        if together is None or not together.omnibus <= self.settings.level:
            return None
        return together.omnibus

    @cached_property
    def optimism(self) -> Optimism:
        """How much of the highest cell's lead is luck with the images."""
        return optimism(self.values, self.settings.seed)


@dataclass(frozen=True)
class _Known:
    """What every family is tested with; of the claimed cells."""

    claimed: NDArray[np.int64]
    parts: Parts
    moderated: Moderated
    drawn: Draws
    means: Array
    settings: Settings
    claims: bool
    advise: bool
    sign: int


def analyse(
    values: Values,
    settings: Settings | None = None,
    advise: bool = True,
    baseline: str | None = None,
) -> Analysis:
    """Return the analysis of *values*.

    Args:
        values: what can be compared; at least one cell.
        settings: level, margin, draws.
        advise: reckon seeds for what is undecided.
        baseline: a cell with which every other is compared in a family of its own.

    Raises:
        ValueError: there is no cell.
        KeyError: *baseline* is not compared, or nothing can be claimed about it; names it.

    """

    def chosen(names: Sequence[str]) -> list[Family]:
        found = families(names, [factors_of(name) for name in names])
        return found if baseline is None else [*found, against(baseline, names)]

    return analyse_families(values, chosen, settings, advise)


def analyse_families(
    values: Values, choose: Choose, settings: Settings | None = None, advise: bool = True
) -> Analysis:
    """Return the analysis of *values* with the families that *choose* makes; else as `analyse`."""
    if not values.cells:
        raise ValueError("nothing to compare: no cell has finished runs on common images")
    whole = parts_of(values)
    known = _known(whole, settings or Settings(margin=values.margin), advise, values.sign)
    names = [values.cells[cell] for cell in known.claimed]
    tested = {family.name: _tested(family, known) for family in choose(names) if family.a}
    return _gathered(values, whole, known, tested)


def claimable(parts: Parts) -> tuple[NDArray[np.int64], bool]:
    """Return the positions of the cells about which anything can be claimed, and True.

    Those with at least two seeds. Where there are fewer than two of them among several cells, or
    one group of images, nothing can be: then all cells, and False.
    """
    several = np.flatnonzero(parts.seeds > 1)
    count = len(parts.seeds)
    claims = parts.groups > 1 and len(several) >= min(count, 2)
    return (several if claims else np.arange(count)), claims


def _known(whole: Parts, settings: Settings, advise: bool, sign: int) -> _Known:
    """Return what is tested with; without claims it holds for these very networks."""
    claimed, claims = claimable(whole)
    if claims:
        parts = whole.only(claimed)
        moderated = moderate(parts.variance, parts.seeds - 1, settings.most)
    else:
        parts = whole.of_trained_networks()
        moderated = Moderated(np.zeros(len(claimed)), np.array(0.0), np.array(0.0))
    drawn = null_draws(parts, moderated, settings)
    means = posterior_means(parts, moderated, settings)
    return _Known(claimed, parts, moderated, drawn, means, settings, claims, advise, sign)


def _gathered(values: Values, whole: Parts, known: _Known, tested: dict[str, Tested]) -> Analysis:
    """Return what is known of every cell: NaN, and no reason against it, where it is nothing."""
    count, few = len(values.cells), len(known.claimed) < 2
    order = ranks(known.parts, known.means)
    own = cell_intervals(known.means, known.settings.level, known.parts.groups)
    low, high = _spread(own, known.claimed, count).clip(*values.limits)
    best = np.ones(len(known.claimed))
    if CELLS in tested:
        best = may_be_best(tested[CELLS].family, tested[CELLS].verdicts)
    chance = np.full(len(best), np.nan) if few or not known.claims else order.best
    return Analysis(
        values=values,
        settings=known.settings,
        parts=whole,
        claims=known.claims,
        claimed=known.claimed,
        tested=tested,
        low=low,
        high=high,
        may_be_best=_spread(best, known.claimed, count, 1.0) > 0,
        p_best=_spread(chance, known.claimed, count),
        ranks=order,
        claimed_parts=known.parts,
        moderated=known.moderated,
        means=known.means,
    )


def _tested(family: Family, known: _Known) -> Tested:
    parts, moderated, settings = known.parts, known.moderated, known.settings
    difference = family.of(parts.mean)
    error = standard_errors(family, parts, moderated)
    t = over(difference, error)
    maxima = largest(family, parts, known.drawn)
    half = critical_value(maxima, settings.level) * error
    if parts.groups < 2:  # how images differ is unknown
        half = np.full(len(t), np.nan)
    low, high = difference - half, difference + half
    unknown = np.full(len(t), np.nan)
    p, chance, first = unknown, Chances(unknown, unknown, unknown), list[int]()
    if known.claims:
        p, chance = adjusted_p(t, maxima), chances(family, known.means, settings.margin)
    verdicts = [verdict(*row, settings) for row in zip(difference, p, low, high, strict=True)]
    if known.claims and known.advise:
        first = leading(family, difference, verdicts, t, parts)
    advice = seeds_needed(family, parts, moderated, settings, first)
    numbered = dict(zip(first, advice, strict=True))
    return Tested(
        family, difference, error, t, low, high, p, chance, verdicts, numbered, known.sign
    )


def _spread(known: Array, claimed: NDArray[np.int64], count: int, other: float = np.nan) -> Array:
    """Return (..., count): *known* at the claimed cells, *other* elsewhere."""
    every = np.full((*known.shape[:-1], count), other)
    every[..., claimed] = known
    return every
