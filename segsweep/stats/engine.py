"""The whole analysis of a sweep's values: parts of variance, families, cells, ranks, advice."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.advice import Advice, seeds_needed
from segsweep.stats.contrasts import CELLS, Family, families
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
from segsweep.stats.values import Array, Values

A_BETTER, B_BETTER = "a better", "b better"
EQUAL, UNDECIDED = "equal within the margin", "undecided"
ADVISED = 20
"""Leading undecided contrasts of each family for which seeds are reckoned."""


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


@dataclass(frozen=True)
class Analysis:
    """Everything that is computed; cells in the order of *values*."""

    values: Values
    settings: Settings
    parts: Parts
    claims: bool
    """False where every cell has one seed: then intervals hold for these networks only."""
    claimed: NDArray[np.int64]
    """Positions of the cells about which anything can be claimed."""
    tested: dict[str, Tested]
    """By family."""
    low: Array
    """(C,) of each cell's own interval, as is *high*; NaN for cells left out of claims."""
    high: Array
    may_be_best: NDArray[np.bool_]
    p_best: Array
    """(C,)"""
    ranks: Ranks
    """Of the claimed cells."""
    optimism: Optimism


def analyse(values: Values, settings: Settings | None = None, advise: bool = True) -> Analysis:
    """Return the analysis of *values*.

    Args:
        values: what can be compared; at least one cell.
        settings: levels, margin, draws.
        advise: reckon seeds for what is undecided.

    """
    settings = settings or Settings()
    whole = parts_of(values)
    claims = bool((whole.seeds > 1).any()) and whole.groups > 1
    claimed, parts, moderated = _claimable(whole, settings, claims)
    means = posterior_means(parts, moderated, settings)
    drawn = null_draws(parts, moderated, settings)
    names = [values.cells[cell] for cell in claimed]
    factors = [values.factors[cell] for cell in claimed]
    found = families(names, factors)
    tested = {
        family.name: _tested(family, parts, moderated, drawn, means, settings, claims, advise)
        for family in found
    }
    order = ranks(parts, means)
    low, high = _spread(cell_intervals(means, settings.level), claimed, len(values.cells))
    return Analysis(
        values,
        settings,
        whole,
        claims,
        claimed,
        tested,
        low,
        high,
        _spread(_may_be_best(tested.get(CELLS), len(names)), claimed, len(values.cells), 1) > 0,
        _spread(order.best if claims else np.full(len(names), np.nan), claimed, len(values.cells)),
        order,
        optimism(values, settings.seed),
    )


def _claimable(
    whole: Parts, settings: Settings, claims: bool
) -> tuple[NDArray[np.int64], Parts, Moderated]:
    """Return the cells whose seed variance is known, or learnt from others; all if none has.

    Without claims the seeds' share is taken as none: what is left holds for these networks.
    """
    if not claims:
        nothing = np.zeros(len(whole.mean))
        return np.arange(len(nothing)), whole, Moderated(nothing, np.array(0.0), np.array(0.0))
    moderated = moderate(whole.variance, whole.seeds - 1, settings.most)
    claimed = np.flatnonzero(~np.isnan(moderated.variance))
    parts = replace(
        whole,
        mean=whole.mean[claimed],
        seeds=whole.seeds[claimed],
        variance=whole.variance[claimed],
        sigma=whole.sigma[np.ix_(claimed, claimed)],
    )
    return claimed, parts, replace(moderated, variance=moderated.variance[claimed])


def _tested(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    drawn: Draws,
    means: Array,
    settings: Settings,
    claims: bool,
    advise: bool,
) -> Tested:
    difference = family.of(parts.mean)
    error = standard_errors(family, parts, moderated)
    t = over(difference, error)
    maxima = largest(family, parts, drawn)
    half = critical_value(maxima, settings.level) * error
    low, high = difference - half, difference + half
    unknown = np.full(len(t), np.nan)
    p = adjusted_p(t, maxima) if claims else unknown
    chance = chances(family, means, settings.margin) if claims else Chances(*[unknown] * 3)
    verdicts = [
        _verdict(*row, settings) for row in zip(difference, p, low, high, strict=True)
    ]
    leading = _leading(verdicts, t) if claims and advise else []
    advice = seeds_needed(family, parts, moderated, settings, leading)
    known = dict(zip(leading, advice, strict=True))
    return Tested(family, difference, error, t, low, high, p, chance, verdicts, known)


def _verdict(difference: float, p: float, low: float, high: float, settings: Settings) -> str:
    if np.isnan(p):
        return UNDECIDED
    if p <= settings.level:
        return A_BETTER if difference > 0 else B_BETTER
    return EQUAL if -settings.margin < low and high < settings.margin else UNDECIDED


def _leading(verdicts: list[str], t: Array) -> list[int]:
    """Return the undecided contrasts with the largest |t|; a difference of 0 leads nowhere."""
    order = np.argsort(-np.abs(t), kind="stable")
    return [int(k) for k in order if verdicts[k] == UNDECIDED and t[k] != 0][:ADVISED]


def _may_be_best(cells: Tested | None, count: int) -> Array:
    """Return 1 for a cell that no other beats, else 0."""
    best = np.ones(count)
    if cells is not None:
        for row, verdict in enumerate(cells.verdicts):
            if verdict in (A_BETTER, B_BETTER):
                weights = cells.family.matrix[[row]].toarray()[0]
                best[(weights < 0) if verdict == A_BETTER else (weights > 0)] = 0
    return best


def _spread(known: Array, claimed: NDArray[np.int64], count: int, other: float = np.nan) -> Array:
    """Return (..., count): *known* at the claimed cells, *other* elsewhere."""
    every = np.full((*known.shape[:-1], count), other)
    every[..., claimed] = known
    return every
