"""Families of comparisons: contrasts of the cells' means that share one familywise error rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from segsweep.stats.runs import SEPARATOR
from segsweep.stats.values import Array

CELLS, ARCHITECTURES, LOSSES, INTERACTION = "cells", "architectures", "losses", "interaction"
BASELINE, SWEEPS = "baseline", "sweeps"
ROUNDING = 1e-9
"""Sums of weights below this are 0."""
Factors = Sequence[tuple[str, ...]]
"""Architecture, loss and further keys of each cell."""
CellWeights = dict[int, float]
Positions = dict[str, dict[tuple[str, ...], int]]


@dataclass(frozen=True)
class Family:
    """K contrasts over C cells, each the mean of a minus the mean of b."""

    name: str
    """cells | architectures | losses | interaction | baseline | sweeps"""
    a: tuple[str, ...]
    b: tuple[str, ...]
    matrix: csr_array
    """(K, C) weights; each row sums to 0."""

    def of(self, values: Array) -> Array:
        """Return the contrasts of (C,) or (C, draws) *values*: (K,) or (K, draws)."""
        return np.asarray(self.matrix @ values)

    def squares(self, variances: Array) -> Array:
        """Return the variances of the contrasts for independent cells with *variances*."""
        return np.asarray(self.matrix.power(2) @ variances)

    def is_zero(self, classes: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each contrast whether it weighs only cells of one class against each other.

        *classes*: (C,) a number per cell, shared by equal cells.
        """
        member = csr_array((np.ones(len(classes)), (np.arange(len(classes)), classes)))
        sums = abs(self.matrix @ member)
        return np.asarray(sums.max(axis=1).toarray()).ravel() < ROUNDING

    def quadratic(self, sigma: Array) -> Array:
        """Return the variance k' sigma k of each contrast k, (K,)."""
        return np.asarray(self.matrix.multiply(self.matrix @ sigma).sum(axis=1)).ravel()


def families(cells: Sequence[str], factors: Factors) -> list[Family]:
    """Return all pairs, main effects and interaction; families without contrasts are left out.

    Args:
        cells: names.
        factors: architecture, loss and further keys of each cell.

    """
    every = [pairs(cells), *main_effects(factors), interaction(factors)]
    return [family for family in every if family.a]


def pairs(cells: Sequence[str]) -> Family:
    """Return all pairs of cells, in the order of *cells*."""
    found = list(combinations(range(len(cells)), 2))
    rows = [(cells[i], cells[j], {i: 1.0, j: -1.0}) for i, j in found]
    return family_of(CELLS, rows, len(cells))


def against(baseline: str, cells: Sequence[str]) -> Family:
    """Return each other cell (a) minus *baseline* (b); KeyError if it is not one of *cells*."""
    if baseline not in cells:
        raise KeyError(baseline)
    base = cells.index(baseline)
    others = [cell for cell in range(len(cells)) if cell != base]
    rows = [(cells[cell], baseline, {cell: 1.0, base: -1.0}) for cell in others]
    return family_of(BASELINE, rows, len(cells))


def main_effects(factors: Factors) -> list[Family]:
    """Return the main effects: pairs of architectures, and pairs of losses.

    Two levels are compared by their means over the combinations of the other factors that both
    have. Levels that share only one combination are left out: that would repeat a pair of cells.
    """
    return [
        family_of(name, _main_effect(_positions(factors, place)), len(factors))
        for place, name in enumerate((ARCHITECTURES, LOSSES))
    ]


def _main_effect(where: Positions) -> Iterable[tuple[str, str, CellWeights]]:
    for a, b in combinations(sorted(where), 2):
        shared = sorted(where[a].keys() & where[b].keys())
        if len(shared) > 1:
            share = 1 / len(shared)
            plus = {where[a][other]: share for other in shared}
            yield a, b, plus | {where[b][other]: -share for other in shared}


def interaction(factors: Factors) -> Family:
    """Return the interaction: differences between architectures in the differences of losses."""
    rows = []
    where = _positions(factors, 0)
    for a, b in combinations(sorted(where), 2):
        for x, y in combinations(sorted(where[a].keys() & where[b].keys()), 2):
            if x[1:] == y[1:]:
                weights = {where[a][x]: 1.0, where[a][y]: -1.0, where[b][x]: -1.0, where[b][y]: 1.0}
                losses = f"{_name(x)} - {_name(y)}"
                rows.append((f"{a}: {losses}", f"{b}: {losses}", weights))
    return family_of(INTERACTION, rows, len(factors))


def _name(rest: Sequence[str]) -> str:
    return SEPARATOR.join(part for part in rest if part)


def _positions(factors: Factors, place: int) -> Positions:
    """Return level -> (levels of the other factors -> position of the cell)."""
    where: Positions = {}
    for position, levels in enumerate(factors):
        rest = (*levels[:place], *levels[place + 1 :])
        where.setdefault(levels[place], {})[rest] = position
    return where


def family_of(name: str, rows: Iterable[tuple[str, str, CellWeights]], cells: int) -> Family:
    """Return the family of *rows*: a, b, and weights by position of the cell."""
    found = list(rows)
    ends = np.cumsum([0, *(len(weights) for *_, weights in found)])
    columns = [cell for *_, weights in found for cell in weights]
    numbers = [weight for *_, weights in found for weight in weights.values()]
    shape = (len(found), cells)
    matrix = csr_array((np.array(numbers, float), np.array(columns, int), ends), shape=shape)
    return Family(name, tuple(row[0] for row in found), tuple(row[1] for row in found), matrix)
