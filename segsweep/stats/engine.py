"""The analysis of a sweep: variance components, families of comparisons, cells, ranks, advice."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.advice import Advice, seeds_needed, seeds_to_decide
from segsweep.stats.best import Best, candidates_of, compared_with_best, null_maxima
from segsweep.stats.contrasts import CELLS, INTERACTION, Family, against, families
from segsweep.stats.moderation import Moderated, moderate
from segsweep.stats.null import (
    Draws,
    Settings,
    adjusted_p,
    critical_value,
    null_draws,
    standard_errors,
    t_values,
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
from segsweep.stats.verdicts import leading, verdicts_of

Choose = Callable[[Sequence[str]], list[Family]]
"""Makes the families of comparisons from the names of the claimed cells."""


@dataclass(frozen=True)
class Tested:
    """A family of K contrasts with its test results; arrays are (K,)."""

    family: Family
    difference: Array
    error: Array
    t: Array
    low: Array
    """Lower end of the simultaneous confidence interval."""
    high: Array
    p: Array
    """Adjusted for the family; NaN if no claim is possible."""
    chances: Chances
    verdicts: list[str]
    advice: dict[int, Advice]
    """By contrast, for the leading undecided ones."""
    ruling_out: dict[int, Advice]
    """By candidate that may be the best, other than the highest: seeds that would rule it out."""
    best: Best | None
    """What may be the best; None where no claim is possible or not all pairs are comparable."""
    sign: int = 1
    """-1 if lower is better: the differences here are negated (`Values.sign`)."""
    unit: str = ""
    """As in `Values`."""

    def size(self, k: int) -> tuple[float, float, float]:
        """Return the difference of contrast *k* and its interval on the scale of the metric."""
        low, high, size = float(self.low[k]), float(self.high[k]), float(self.difference[k])
        return (size, low, high) if self.sign > 0 else (-size, -high, -low)

    @property
    def omnibus(self) -> float:
        """Adjusted p-value of the hypothesis that no contrast of the family differs from 0."""
        return float(self.p.min())


@dataclass(frozen=True)
class Analysis:
    """All results; cells in the order of *values*."""

    values: Values
    settings: Settings
    parts: Parts
    claims: bool
    """False if no claim about methods is possible: intervals hold for these networks only."""
    claimed: NDArray[np.int64]
    """Positions of the cells about which claims are possible; all cells if *claims* is False."""
    tested: dict[str, Tested]
    """By name of the family."""
    low: Array
    """(C,) Lower end of each cell's pointwise interval; NaN for cells that are not claimed."""
    high: Array
    may_be_best: NDArray[np.bool_]
    """(C,) The set of the best; cells that are not claimed are in it: nothing rules them out."""
    p_best: Array
    """(C,) Probability among the claimed cells; NaN for others, and if there is no comparison."""
    ranks: Ranks
    """Of the claimed cells."""
    claimed_parts: Parts
    """Of the claimed cells, in the order of *claimed*; so are *moderated* and *means*."""
    moderated: Moderated
    """Moderated seed variances."""
    means: Array
    """(claimed, draws) Posterior draws of the true means."""

    def mean(self, cell: int) -> tuple[float, float, float]:
        """Return the mean of cell number *cell* and its interval on the scale of the metric."""
        low, high = self.values.natural(self.low, self.high)
        return float(self.values.sign * self.parts.mean[cell]), float(low[cell]), float(high[cell])

    @property
    def best(self) -> Best | None:
        """The comparison of the claimed cells with the best; None without two of them."""
        tested = self.tested.get(CELLS)
        return None if tested is None else tested.best

    @property
    def depends(self) -> float | None:
        """P-value of the interaction, if significant: no factor level is then best overall."""
        tested = self.tested.get(INTERACTION)
        if tested is None or not tested.omnibus <= self.settings.level:
            return None
        return tested.omnibus

    @cached_property
    def optimism(self) -> Optimism:
        """Selection bias in the lead of the highest cell."""
        return optimism(self.values, self.settings.seed)


@dataclass(frozen=True)
class _Inputs:
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
    unit: str
    classes: NDArray[np.int64]
    """A number per cell, which equal cells share."""
    span: float
    """The metric's highest value less its lowest one."""


def analyse(
    values: Values,
    settings: Settings | None = None,
    advise: bool = True,
    baseline: str | None = None,
) -> Analysis:
    """Return the analysis of *values*.

    Args:
        values: at least one cell.
        settings: level, margin, draws.
        advise: compute how many seeds undecided contrasts need.
        baseline: a cell that all others are compared with, in a separate family.

    Raises:
        ValueError: there is no cell.
        KeyError: *baseline* is not compared, or no claim about it is possible; names it.

    """

    def choose(names: Sequence[str]) -> list[Family]:
        found = families(names, [factors_of(name) for name in names])
        return found if baseline is None else [*found, against(baseline, names)]

    return analyse_families(values, choose, settings, advise)


def analyse_families(
    values: Values, choose: Choose, settings: Settings | None = None, advise: bool = True
) -> Analysis:
    """Return the analysis with the families that *choose* makes; otherwise as `analyse`."""
    if not values.cells:
        raise ValueError("nothing to compare: no cell has finished runs on common images")
    whole = parts_of(values)
    inputs = _inputs(values, whole, settings or Settings(margin=values.margin), advise)
    names = [values.cells[cell] for cell in inputs.claimed]
    tested = {family.name: _tested(family, inputs) for family in choose(names) if family.a}
    return _gathered(values, whole, inputs, tested)


def claimable(parts: Parts) -> tuple[NDArray[np.int64], bool]:
    """Return the positions of the cells with at least two seeds, and True.

    With fewer than two such cells among several, or with one group of images, no claim is
    possible: return all cells, and False.
    """
    several = np.flatnonzero(parts.seeds > 1)
    count = len(parts.seeds)
    claims = parts.groups > 1 and len(several) >= min(count, 2)
    return (several if claims else np.arange(count)), claims


def _inputs(values: Values, whole: Parts, settings: Settings, advise: bool) -> _Inputs:
    """Return the inputs of the tests; without claims they hold for these networks only."""
    claimed, claims = claimable(whole)
    if claims:
        parts = whole.only(claimed)
        moderated = moderate(parts.variance, parts.seeds - 1, settings.most)
    else:
        parts = whole.of_trained_networks()
        moderated = Moderated(np.zeros(len(claimed)), np.array(0.0), np.array(0.0))
    drawn = null_draws(parts, moderated, settings)
    means = posterior_means(parts, moderated, settings)
    classes = values.classes[claimed]
    drawn_up = claimed, parts, moderated, drawn, means, settings, claims, advise
    span = values.limits[1] - values.limits[0]
    return _Inputs(*drawn_up, values.sign, values.unit, classes, span)


def _gathered(values: Values, whole: Parts, inputs: _Inputs, tested: dict[str, Tested]) -> Analysis:
    """Return the results for all cells; those that are not claimed are NaN and may be best."""
    count, few = len(values.cells), len(inputs.claimed) < 2
    order = ranks(inputs.parts, inputs.means)
    own = cell_intervals(inputs.means, inputs.settings.level, inputs.parts.groups)
    _, first, number = np.unique(inputs.classes, return_index=True, return_inverse=True)
    own = own[:, first][:, number]  # draws of equal cells differ, but nothing tells them apart
    low, high = _spread(own, inputs.claimed, count).clip(*values.limits)
    best = np.ones(len(inputs.claimed))
    if CELLS in tested and (found := tested[CELLS].best) is not None:
        best = found.may.astype(float)
    chance = np.full(len(best), np.nan)
    if not few and inputs.claims:
        chance = (np.bincount(number, order.best) / np.bincount(number))[number]
    return Analysis(
        values=values,
        settings=inputs.settings,
        parts=whole,
        claims=inputs.claims,
        claimed=inputs.claimed,
        tested=tested,
        low=low,
        high=high,
        may_be_best=_spread(best, inputs.claimed, count, 1.0) > 0,
        p_best=_spread(chance, inputs.claimed, count),
        ranks=order,
        claimed_parts=inputs.parts,
        moderated=inputs.moderated,
        means=inputs.means,
    )


def _tested(family: Family, inputs: _Inputs) -> Tested:
    parts, moderated, settings = inputs.parts, inputs.moderated, inputs.settings
    difference = family.of(parts.mean)
    error = standard_errors(family, parts, moderated)
    t = t_values(difference, error)
    names = candidates_of(family) if inputs.claims else ()
    maxima, against = null_maxima(family, parts, inputs.drawn, len(names))
    half = critical_value(maxima, settings.level) * error
    if parts.groups < 2:  # the image variance is unknown
        half = np.full(len(t), np.nan)
    low, high = difference - half, difference + half
    if family.name != INTERACTION:  # no two means are further apart
        low, high = np.maximum(low, -inputs.span), np.minimum(high, inputs.span)
    same = family.is_zero(inputs.classes)
    low, high = np.where(same, difference, low), np.where(same, difference, high)
    unknown = np.full(len(t), np.nan)
    p, chance, first = unknown, Chances(unknown, unknown, unknown), list[int]()
    if inputs.claims:
        p, chance = adjusted_p(t, maxima), chances(family, inputs.means, settings.margin)
        chance = chance.known(same)
    verdicts = verdicts_of(family, (difference, p, low, high), inputs.classes, settings)
    best = None
    if against is not None:
        results = difference, error, t
        best = compared_with_best(names, results, against, settings.level, inputs.span)
        best = best.alike(inputs.classes) if family.name == CELLS else best
    rivals = list[int]()
    if inputs.claims and inputs.advise:
        first = leading(family, difference, verdicts, t, parts)
        rivals = best.rivals if best is not None and family.name == CELLS else []
    known = family, parts, moderated, settings, first
    if rivals:
        advice, ruling = seeds_to_decide(*known, rivals, len(names))
    else:
        advice, ruling = seeds_needed(*known), []
    numbered = dict(zip(first, advice, strict=True)), dict(zip(rivals, ruling, strict=True))
    found = family, difference, error, t, low, high, p, chance, verdicts, *numbered, best
    return Tested(*found, inputs.sign, inputs.unit)


def _spread(known: Array, claimed: NDArray[np.int64], count: int, other: float = np.nan) -> Array:
    """Return (..., count): *known* at the claimed cells, *other* at the rest."""
    every = np.full((*known.shape[:-1], count), other)
    every[..., claimed] = known
    return every
