"""Architectures, or losses, averaged over the other factors: means, intervals, candidates."""

from dataclasses import dataclass

import numpy as np
from pandas import DataFrame, Series, array

from segsweep.stats.contrasts import ARCHITECTURES, CELLS, LOSSES
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.posterior import cell_intervals
from segsweep.stats.values import Array, factors_of
from segsweep.stats.verdicts import A_BETTER, B_BETTER

FACTORS = ("model", "loss")
"""The factors, in the order of `factors_of`."""
FAMILY = {"model": ARCHITECTURES, "loss": LOSSES}
LOSER = {A_BETTER: 1, B_BETTER: 0}


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
        possible about one of its cells; may_be_best, whether no other level is better by the
        adjusted p-value of the family, <NA> if no level can be the best overall or if the level
        shares fewer than two combinations with every other one; p_best, the probability of the
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
        "p_best": _p_best(analysis, levels, None in may),
    }
    order = [by, "cells", f"test_{metric}", "ci_low", "ci_high", "may_be_best", "p_best"]
    table = DataFrame(columns)[order]
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
    """Return for each level whether no other is better; None if this is not known."""
    if not analysis.claims or analysis.depends is not None:
        return [None] * len(levels.cells)
    pairs = level_pairs(analysis, by)
    beaten = {(pair.a, pair.b)[LOSER[pair.verdict]] for pair in pairs if pair.verdict in LOSER}
    compared = {level for pair in pairs for level in (pair.a, pair.b)}
    return [level not in beaten if level in compared else None for level in levels.cells]


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
