"""What is compared: weighted sums of cells' means, in families that share one error rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.sparse import csr_array

from segsweep.stats.values import Array

CELLS, ARCHITECTURES, LOSSES, INTERACTION = "cells", "architectures", "losses", "interaction"
BASELINE, SWEEPS = "baseline", "sweeps"
Factors = Sequence[tuple[str, ...]]
"""For each cell its architecture, its loss, and what else names it."""
Weights = dict[int, float]
Positions = dict[str, dict[tuple[str, ...], int]]


@dataclass(frozen=True)
class Family:
    """K contrasts over C cells; each says how much better a is than b."""

    name: str
    """cells | architectures | losses | interaction | baseline | sweeps"""
    a: tuple[str, ...]
    b: tuple[str, ...]
    matrix: csr_array
    """(K, C) weights; every row sums to 0."""

    def of(self, values: Array) -> Array:
        """Return the contrasts of (C,) or (C, draws) *values*: (K,) or (K, draws)."""
        return np.asarray(self.matrix @ values)

    def squares(self, variances: Array) -> Array:
        """Return the contrasts' variances where those of the cells are independent."""
        return np.asarray(self.matrix.power(2) @ variances)

    def quadratic(self, sigma: Array) -> Array:
        """Return k' sigma k for each contrast k, (K,)."""
        return np.asarray(self.matrix.multiply(self.matrix @ sigma).sum(axis=1)).ravel()


def families(cells: Sequence[str], factors: Factors) -> list[Family]:
    """Return the families that *cells* allow; one with nothing to compare is left out.

    Args:
        cells: names.
        factors: for each cell its architecture, its loss and what else names it.

    """
    both = [pairs(cells), *main_effects(factors), interaction(factors)]
    return [family for family in both if family.a]


def pairs(cells: Sequence[str]) -> Family:
    """Return every pair of cells, in their order."""
    found = list(combinations(range(len(cells)), 2))
    rows = [(cells[i], cells[j], {i: 1.0, j: -1.0}) for i, j in found]
    return family_of(CELLS, rows, len(cells))


def against(baseline: str, cells: Sequence[str]) -> Family:
    """Return every other cell as a against *baseline* as b; KeyError where it is none of them."""
    if baseline not in cells:
        raise KeyError(baseline)
    base = cells.index(baseline)
    others = [cell for cell in range(len(cells)) if cell != base]
    rows = [(cells[cell], baseline, {cell: 1.0, base: -1.0}) for cell in others]
    return family_of(BASELINE, rows, len(cells))


def main_effects(factors: Factors) -> list[Family]:
    """Return architectures against each other, and losses.

    Each is the mean over the cells that exist with both and agree in all else. Where no two
    others are shared this would only repeat pairs of cells, and is left out.
    """
    return [
        family_of(name, _main_effect(_positions(factors, place)), len(factors))
        for place, name in enumerate((ARCHITECTURES, LOSSES))
    ]


def _main_effect(where: Positions) -> Iterable[tuple[str, str, Weights]]:
    for a, b in combinations(sorted(where), 2):
        shared = sorted(where[a].keys() & where[b].keys())
        if len(shared) > 1:
            share = 1 / len(shared)
            plus = {where[a][other]: share for other in shared}
            yield a, b, plus | {where[b][other]: -share for other in shared}


def interaction(factors: Factors) -> Family:
    """Return differences of differences: does what a loss brings depend on the architecture?"""
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
    return ";".join(part for part in rest if part)


def _positions(factors: Factors, place: int) -> Positions:
    """Return level -> (the other factors -> the cell's position)."""
    where: Positions = {}
    for position, levels in enumerate(factors):
        rest = (*levels[:place], *levels[place + 1 :])
        where.setdefault(levels[place], {})[rest] = position
    return where


def family_of(name: str, rows: Iterable[tuple[str, str, Weights]], cells: int) -> Family:
    """Return the family of *rows*: a, b, and the weights by a cell's position."""
    found = list(rows)
    ends = np.cumsum([0, *(len(weights) for *_, weights in found)])
    columns = [cell for *_, weights in found for cell in weights]
    numbers = [weight for *_, weights in found for weight in weights.values()]
    shape = (len(found), cells)
    matrix = csr_array((np.array(numbers, float), np.array(columns, int), ends), shape=shape)
    return Family(name, tuple(row[0] for row in found), tuple(row[1] for row in found), matrix)
