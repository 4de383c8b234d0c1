"""Architectures, or losses, averaged over the other factors: means, intervals, candidates."""

from dataclasses import dataclass, replace

import numpy as np
from pandas import DataFrame, Series, array

from segsweep.stats.best import DISTANCE, Best
from segsweep.stats.contrasts import ARCHITECTURES, CELLS, LOSSES
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.posterior import cell_intervals
from segsweep.stats.values import Array, factors_of

FACTORS = ("model", "loss")
"""The factors, in the order of `factors_of`."""
FAMILY = {"model": ARCHITECTURES, "loss": LOSSES}


@dataclass(frozen=True)
class LevelPair:
    """Two levels that were tested against each other."""

    a: str
    b: str
    verdict: str
    tested: Tested
    """The family of the contrast."""


@dataclass(frozen=True)
class Levels:
    """The levels of a factor and the cells that their means are over."""

    cells: dict[str, list[int]]
    """Positions of the cells of each level."""
    shared: int
    """Combinations of the other factors that all levels have; if 0, each uses its own."""
    every: int
    """Combinations of the other factors that any level has."""
    further_keys: bool
    """Whether the other factors include further keys."""


def levels_table(analysis: Analysis, by: str, metric: str = "iou") -> DataFrame:
    """Return one row per architecture or loss, best first.

    Args:
        analysis: of all cells.
        by: model | loss.
        metric: the analysed metric.

    Returns:
        Columns *by*; cells, the number of cells that the mean is over; test_<metric>, the mean
        over the combinations of the other factors that all levels have (if there is none, over
        all cells of the level); ci_low and ci_high, its pointwise interval, empty if no claim is
        possible about one of its cells; may_be_best, whether it is in the set of the best, <NA> if
        no level can be the best overall, if the level shares fewer than two combinations with every
        other one, or if not all share the same ones; p_as_best, minus_best_low and minus_best_high
        as in comparison.csv, NaN where may_be_best is <NA>; p_best, the probability of the
        highest mean, NaN if may_be_best is <NA> for any level or means are over different
        combinations.

    Raises:
        ValueError: *by* is neither.

    """
    levels = levels_of(analysis, by)
    may = levels_that_may_be_best(analysis, levels, by)
    columns = {
        by: Series(list(levels.cells), dtype=str),
        "cells": np.array([len(cells) for cells in levels.cells.values()], np.int64),
        **_numbers(analysis, levels, f"test_{metric}"),
        "may_be_best": array(may, dtype="boolean"),
        **_distances(analysis, levels, by),
        "p_best": _p_best(analysis, levels, None in may),
    }
    table = DataFrame(columns)
    lower_is_better = analysis.values.sign < 0
    table = table.sort_values([f"test_{metric}", by], ascending=[lower_is_better, True])
    return table.reset_index(drop=True)


def levels_of(analysis: Analysis, by: str) -> Levels:
    """Return the levels of factor *by*; ValueError if it is not one of FACTORS."""
    if by not in FACTORS:
        raise ValueError(f"by must be model or loss; got {by!r}")
    place = FACTORS.index(by)
    where: dict[str, dict[tuple[str, ...], int]] = {}
    for position, factors in enumerate(analysis.values.factors):
        rest = (*factors[:place], *factors[place + 1 :])
        where.setdefault(factors[place], {})[rest] = position
    every = {rest for own in where.values() for rest in own}
    shared = {rest for rest in every if all(rest in own for own in where.values())}
    cells = {
        level: [position for rest, position in own.items() if rest in shared or not shared]
        for level, own in where.items()
    }
    return Levels(cells, len(shared), len(every), any(keys for _, keys in every))


def level_pairs(analysis: Analysis, by: str) -> list[LevelPair]:
    """Return all pairs of levels that were tested against each other.

    If there is only one combination of the other factors, the levels are cells. Otherwise two
    levels that share only one combination have no contrast in their family and are left out.
    """
    are_cells = levels_of(analysis, by).every == 1
    tested, place = analysis.tested.get(CELLS if are_cells else FAMILY[by]), FACTORS.index(by)
    if tested is None:
        return []
    names = [
        [factors_of(name)[place] if are_cells else name for name in side]
        for side in (tested.family.a, tested.family.b)
    ]
    rows = zip(*names, tested.verdicts, strict=True)
    return [LevelPair(a, b, verdict, tested) for a, b, verdict in rows]


def levels_that_may_be_best(analysis: Analysis, levels: Levels, by: str) -> list[bool | None]:
    """Return for each level whether it is in the set of the best; None if this is not known."""
    if (best := best_of_levels(analysis, by)) is None:
        return [None] * len(levels.cells)
    may = dict(zip(best.names, best.may.tolist(), strict=True))
    return [may.get(level) for level in levels.cells]


def best_of_levels(analysis: Analysis, by: str) -> Best | None:
    """Return the comparison of the levels with the best one; None if there is none."""
    if not analysis.claims or analysis.depends is not None:
        return None
    are_cells = levels_of(analysis, by).every == 1
    tested = analysis.tested.get(CELLS if are_cells else FAMILY[by])
    if tested is None or tested.best is None or not are_cells:
        return None if tested is None else tested.best
    names = tuple(factors_of(name)[FACTORS.index(by)] for name in tested.best.names)
    return replace(tested.best, names=names)


def _distances(analysis: Analysis, levels: Levels, by: str) -> dict[str, Array]:
    """Return how far each level is from the best of the others; NaN where this is not known."""
    found = np.full((len(DISTANCE), len(levels.cells)), np.nan)
    if (best := best_of_levels(analysis, by)) is not None:
        numbers = np.array([best.p, *best.natural(analysis.values.sign)])
        places = [list(levels.cells).index(name) for name in best.names]
        found[:, places] = numbers
    return dict(zip(DISTANCE, found, strict=True))


def _numbers(analysis: Analysis, levels: Levels, headline: str) -> dict[str, Array]:
    """Return means and intervals."""
    mean = np.array([analysis.parts.mean[cells].mean() for cells in levels.cells.values()])
    own = cell_intervals(_draws(analysis, levels), analysis.settings.level, analysis.parts.groups)
    values = analysis.values
    low, high = values.natural(*own.clip(*values.limits))
    return {headline: values.sign * mean, "ci_low": low, "ci_high": high}


def _draws(analysis: Analysis, levels: Levels) -> Array:
    """Return (levels, draws) of the true means; NaN for levels with a cell without claims."""
    draws = np.full((len(levels.cells), analysis.means.shape[1]), np.nan)
    every = list(levels.cells.values())
    for level in _claimed(analysis, levels):
        draws[level] = analysis.means[np.searchsorted(analysis.claimed, every[level])].mean(0)
    return draws


def _claimed(analysis: Analysis, levels: Levels) -> list[int]:
    """Return the positions of the levels whose cells are all claimed."""
    claimed = set(analysis.claimed.tolist())
    return [k for k, cells in enumerate(levels.cells.values()) if claimed.issuperset(cells)]


def _p_best(analysis: Analysis, levels: Levels, unknown: bool) -> Array:
    """Return the share of draws in which each level is the highest; NaN if not comparable."""
    if unknown or not levels.shared or len(_claimed(analysis, levels)) < len(levels.cells):
        return np.full(len(levels.cells), np.nan)
    draws = _draws(analysis, levels)
    highest = draws == draws.max(0)
    return np.asarray((highest / highest.sum(0)).mean(1))
