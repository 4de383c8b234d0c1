"""Architectures, or losses, each averaged over the rest: what can be said of them by themselves."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from pandas import NA, DataFrame, Series, array

from segsweep.stats.contrasts import ARCHITECTURES, CELLS, LOSSES
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.posterior import cell_intervals
from segsweep.stats.sentences import no_claim, p_text
from segsweep.stats.values import Array, factors_of
from segsweep.stats.verdicts import A_BETTER, B_BETTER

BY = ("model", "loss")
"""What levels are of; the place of each among a cell's factors."""
FAMILY = {"model": ARCHITECTURES, "loss": LOSSES}
OTHER = {"model": "loss", "loss": "model"}
NOUNS = {"model": ("architecture", "architectures"), "loss": ("loss", "losses")}
LOSER = {A_BETTER: 1, B_BETTER: 0}
DEPENDS = {
    "model": "how well an architecture does depends on the loss",
    "loss": "what a loss brings depends on the architecture",
}


@dataclass(frozen=True)
class _Levels:
    cells: dict[str, list[int]]
    """For each level the positions of the cells that its mean is over."""
    shared: int
    """Combinations of the other factors that all levels have; 0: each is over its own."""
    every: int
    """Combinations of the other factors that any level has."""
    keys: bool
    """Whether further keys are among the other factors."""


def levels_table(analysis: Analysis | None, by: str, metric: str = "iou") -> DataFrame:
    """Return a row per architecture or loss, best first.

    Args:
        analysis: None where nothing can be compared: no rows.
        by: model | loss.
        metric: what was analysed.

    Returns:
        Columns *by*, cells (how many the mean is over), test_<metric> (mean over the cells of
        the combinations of the other factors that all levels have; where there is none, over all
        cells of the level), ci_low and ci_high (of that mean alone; empty where nothing can be
        claimed about one of its cells), may_be_best (no other level beats it by the adjusted p;
        <NA> where no level may be named best by itself, and for one that was not tested) and
        p_best (chance of being the highest; NaN where no level may be named, and where means are
        over different combinations).

    Raises:
        ValueError: *by* is neither.

    """
    _check(by)
    levels = _Levels({}, 0, 0, False) if analysis is None else _levels(analysis, by)
    columns = {
        by: Series(list(levels.cells), dtype=str),
        "cells": np.array([len(cells) for cells in levels.cells.values()], np.int64),
        **_numbers(analysis, levels, f"test_{metric}"),
        "may_be_best": array(_may_be_best(analysis, levels, by), dtype="boolean"),
        "p_best": _p_best(analysis, levels),
    }
    order = [by, "cells", f"test_{metric}", "ci_low", "ci_high", "may_be_best", "p_best"]
    table = DataFrame(columns)[order]
    table = table.sort_values([f"test_{metric}", by], ascending=[False, True])
    return table.reset_index(drop=True)


def levels_note(analysis: Analysis | None, by: str) -> str:
    """Return what has to be said beside the table, as one sentence, or ''.

    Raises:
        ValueError: *by* is neither model nor loss.

    """
    _check(by)
    if analysis is None:
        return ""
    said = [*_no_best(analysis, by), *_averaged(_levels(analysis, by), by)]
    words = "; ".join(said)
    return f"{words[0].upper()}{words[1:]}." if words else ""


def _check(by: str) -> None:
    if by not in BY:
        raise ValueError(f"by must be model or loss; got {by!r}")


def _levels(analysis: Analysis, by: str) -> _Levels:
    place = BY.index(by)
    where: dict[str, dict[tuple[str, ...], int]] = {}
    for position, levels in enumerate(analysis.values.factors):
        where.setdefault(levels[place], {})[_rest(levels, place)] = position
    every = {rest for own in where.values() for rest in own}
    shared = {rest for rest in every if all(rest in own for own in where.values())}
    cells = {
        level: [position for rest, position in own.items() if rest in shared or not shared]
        for level, own in where.items()
    }
    return _Levels(cells, len(shared), len(every), any(keys for _, keys in every))


def _numbers(analysis: Analysis | None, levels: _Levels, headline: str) -> dict[str, Array]:
    """Return means and intervals."""
    if analysis is None:
        return {name: np.empty(0) for name in (headline, "ci_low", "ci_high")}
    mean = np.array([analysis.parts.mean[cells].mean() for cells in levels.cells.values()])
    groups = analysis.parts.groups
    low, high = cell_intervals(_draws(analysis, levels), analysis.settings.level, groups)
    return {headline: mean, "ci_low": low, "ci_high": high}


def _draws(analysis: Analysis, levels: _Levels) -> Array:
    """Return (levels, draws) of the true means; NaN where one of the cells has none."""
    draws = np.full((len(levels.cells), analysis.means.shape[1]), np.nan)
    every = list(levels.cells.values())
    for level in _known(analysis, levels):
        draws[level] = analysis.means[np.searchsorted(analysis.claimed, every[level])].mean(0)
    return draws


def _may_be_best(analysis: Analysis | None, levels: _Levels, by: str) -> list[Any]:
    """Return for each level whether no other beats it; <NA> where that cannot be said."""
    if analysis is None or not analysis.claims or analysis.depends is not None:
        return [NA] * len(levels.cells)
    met = _met(analysis, by)
    beaten = {(a, b)[LOSER[said]] for a, b, said in met if said in LOSER}
    compared = {level for a, b, _ in met for level in (a, b)}
    alone = len(levels.cells) == 1
    return [level not in beaten if alone or level in compared else NA for level in levels.cells]


def _met(analysis: Analysis, by: str) -> list[tuple[str, str, str]]:
    """Return a, b and the verdict for all levels that were tested against each other.

    Two levels that have just one combination in common are no contrast of the family: what is
    known of them is known of that pair of cells.
    """
    tested = analysis.tested.get(FAMILY[by])
    return [*_rows(tested), *_single_pairs(analysis, by)] if tested else _single_pairs(analysis, by)


def _rows(tested: Tested) -> Iterator[tuple[str, str, str]]:
    return zip(tested.family.a, tested.family.b, tested.verdicts, strict=True)


def _single_pairs(analysis: Analysis, by: str) -> list[tuple[str, str, str]]:
    """Return levels and verdicts of the pairs of cells that are their levels' only one."""
    if CELLS not in analysis.tested:
        return []
    place = BY.index(by)
    found: dict[frozenset[str], list[tuple[str, str, str]]] = {}
    for a, b, said in _rows(analysis.tested[CELLS]):
        one, other = factors_of(a), factors_of(b)
        if _rest(one, place) == _rest(other, place):
            row = one[place], other[place], said
            found.setdefault(frozenset(row[:2]), []).append(row)
    return [rows[0] for rows in found.values() if len(rows) == 1]


def _rest(factors: tuple[str, ...], place: int) -> tuple[str, ...]:
    return (*factors[:place], *factors[place + 1 :])


def _known(analysis: Analysis, levels: _Levels) -> list[int]:
    """Return the numbers of the levels all of whose cells something can be claimed about."""
    claimed = set(analysis.claimed.tolist())
    return [k for k, cells in enumerate(levels.cells.values()) if claimed.issuperset(cells)]


def _p_best(analysis: Analysis | None, levels: _Levels) -> Array:
    """Return the share of draws in which each level is the highest, where it means something."""
    chance = np.full(len(levels.cells), np.nan)
    if analysis is None or not analysis.claims or analysis.depends is not None:
        return chance
    if levels.shared and len(_known(analysis, levels)) == len(chance):
        draws = _draws(analysis, levels)
        top = draws == draws.max(0)
        chance = (top / top.sum(0)).mean(1)
    return chance


def _no_best(analysis: Analysis, by: str) -> list[str]:
    """Return why no level may be named best, if so."""
    if not analysis.claims:
        why = f"no claim about methods: {no_claim(analysis)}"
        return [f"{why}, so means and intervals hold for these trained networks only"]
    if analysis.depends is not None:
        none = f"no {NOUNS[by][0]} is best by itself"
        return [f"{DEPENDS[by]} ({p_text(analysis.depends)}), so {none}"]
    return []


def _averaged(levels: _Levels, by: str) -> list[str]:
    """Return what the means are over, where it is not all there is."""
    one, many = NOUNS[by]
    if len(levels.cells) == 1:
        return [f"there is one {one}, nothing to compare"]
    if levels.every == 1:
        return [f"there is one {NOUNS[OTHER[by]][0]}, and with another all may differ"]
    if not levels.shared:
        return [
            f"no combination of the other factors is shared by all {many}, so each mean is over "
            f"what its {one} has and they do not compare like with like"
        ]
    if levels.shared == levels.every:
        return []
    rest = "combinations of the other factors" if levels.keys else NOUNS[OTHER[by]][1]
    return [f"means are over the {levels.shared} of {levels.every} {rest} that all {many} have"]
