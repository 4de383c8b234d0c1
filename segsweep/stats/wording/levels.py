"""Architectures, or losses, each averaged over the rest: what can be said of them by themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pandas import NA, DataFrame, Series, array

from segsweep.stats.contrasts import ARCHITECTURES, CELLS, LOSSES
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.posterior import cell_intervals
from segsweep.stats.runs import listed
from segsweep.stats.values import Array, factors_of
from segsweep.stats.verdicts import A_BETTER, B_BETTER
from segsweep.stats.wording.sentences import no_claim, p_text, so_far

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
class Met:
    """Two levels that were tested against each other."""

    a: str
    b: str
    verdict: str
    number: int
    """Of the contrast, in *tested*."""
    tested: Tested


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


def levels_table(analysis: Analysis, by: str, metric: str = "iou") -> DataFrame:
    """Return a row per architecture or loss, best first.

    Args:
        analysis: of all cells.
        by: model | loss.
        metric: what was analysed.

    Returns:
        Columns *by*, cells (how many the mean is over), test_<metric> (mean over the cells of
        the combinations of the other factors that all levels have; where there is none, over all
        cells of the level), ci_low and ci_high (of that mean alone; empty where nothing can be
        claimed about one of its cells), may_be_best (no other level beats it by the adjusted p of
        their family; <NA> where no level may be named best by itself, and for one that has no
        two combinations in common with another) and p_best (chance of being the highest; NaN
        where may_be_best is <NA> for any, and where means are over different combinations).

    Raises:
        ValueError: *by* is neither.

    """
    _check(by)
    levels = _levels(analysis, by)
    may = _may_be_best(analysis, levels, by)
    columns = {
        by: Series(list(levels.cells), dtype=str),
        "cells": np.array([len(cells) for cells in levels.cells.values()], np.int64),
        **_numbers(analysis, levels, f"test_{metric}"),
        "may_be_best": array(may, dtype="boolean"),
        "p_best": _p_best(analysis, levels, any(said is NA for said in may)),
    }
    order = [by, "cells", f"test_{metric}", "ci_low", "ci_high", "may_be_best", "p_best"]
    table = DataFrame(columns)[order]
    lower = analysis.values.sign < 0
    table = table.sort_values([f"test_{metric}", by], ascending=[lower, True])
    return table.reset_index(drop=True)


def levels_note(analysis: Analysis, by: str, asked: int | None = None) -> str:
    """Return what has to be said beside the table, as one sentence, or ''.

    Args:
        analysis: of all cells.
        by: model | loss.
        asked: how many cells were asked for; None: those that are compared.

    Raises:
        ValueError: *by* is neither.

    """
    _check(by)
    levels, missing = _levels(analysis, by), so_far(analysis, asked)
    said = [f"{missing}, and only they count"] if missing else []
    said += [*no_best(analysis, by), *_averaged(levels, by, bool(missing))]
    return sentence([*said, *_left_open(analysis, levels, by)])


def sentence(parts: Sequence[str]) -> str:
    """Return *parts* as one sentence; none is none."""
    words = "; ".join(parts)
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


def _numbers(analysis: Analysis, levels: _Levels, headline: str) -> dict[str, Array]:
    """Return means and intervals."""
    mean = np.array([analysis.parts.mean[cells].mean() for cells in levels.cells.values()])
    own = cell_intervals(_draws(analysis, levels), analysis.settings.level, analysis.parts.groups)
    values = analysis.values
    low, high = values.natural(*own.clip(*values.limits))
    return {headline: values.sign * mean, "ci_low": low, "ci_high": high}


def _draws(analysis: Analysis, levels: _Levels) -> Array:
    """Return (levels, draws) of the true means; NaN where one of the cells has none."""
    draws = np.full((len(levels.cells), analysis.means.shape[1]), np.nan)
    every = list(levels.cells.values())
    for level in _known(analysis, levels):
        draws[level] = analysis.means[np.searchsorted(analysis.claimed, every[level])].mean(0)
    return draws


def _may_be_best(analysis: Analysis, levels: _Levels, by: str) -> list[Any]:
    """Return for each level whether no other beats it; <NA> where that cannot be said."""
    if not analysis.claims or analysis.depends is not None:
        return [NA] * len(levels.cells)
    met = compared(analysis, by)
    beaten = {(row.a, row.b)[LOSER[row.verdict]] for row in met if row.verdict in LOSER}
    seen = {level for row in met for level in (row.a, row.b)}
    return [level not in beaten if level in seen else NA for level in levels.cells]


def compared(analysis: Analysis, by: str) -> list[Met]:
    """Return all pairs of levels that were tested against each other.

    Where there is one combination of the other factors, levels are cells. Elsewhere two levels
    that have only one combination in common are no contrast of their family, and not here.
    """
    alone = _levels(analysis, by).every == 1
    tested, place = analysis.tested.get(CELLS if alone else FAMILY[by]), BY.index(by)
    if tested is None:
        return []
    names = [
        [factors_of(name)[place] if alone else name for name in side]
        for side in (tested.family.a, tested.family.b)
    ]
    rows = zip(*names, tested.verdicts, strict=True)
    return [Met(a, b, said, k, tested) for k, (a, b, said) in enumerate(rows)]


def _rest(factors: tuple[str, ...], place: int) -> tuple[str, ...]:
    return (*factors[:place], *factors[place + 1 :])


def _known(analysis: Analysis, levels: _Levels) -> list[int]:
    """Return the numbers of the levels all of whose cells something can be claimed about."""
    claimed = set(analysis.claimed.tolist())
    return [k for k, cells in enumerate(levels.cells.values()) if claimed.issuperset(cells)]


def _p_best(analysis: Analysis, levels: _Levels, unsaid: bool) -> Array:
    """Return the share of draws in which each level is the highest, where it means something."""
    if unsaid or not levels.shared or len(_known(analysis, levels)) < len(levels.cells):
        return np.full(len(levels.cells), np.nan)
    draws = _draws(analysis, levels)
    top = draws == draws.max(0)
    return np.asarray((top / top.sum(0)).mean(1))


def no_best(analysis: Analysis, by: str) -> list[str]:
    """Return why no level may be named best, if so."""
    if not analysis.claims:
        why = f"no claim about methods: {no_claim(analysis)}"
        return [f"{why}, so means and intervals hold for these trained networks only"]
    if analysis.depends is not None:
        none = f"no {NOUNS[by][0]} is best by itself"
        return [f"{DEPENDS[by]} ({p_text(analysis.depends)}), so {none}"]
    return []


def _averaged(levels: _Levels, by: str, missing: bool) -> list[str]:
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
    over = f"the {levels.shared} of {levels.every} {_others(levels, by)}"
    done = ", of those that are finished" if missing else ""
    return [f"means are over {over} that all {many} have{done}"]


def _others(levels: _Levels, by: str) -> str:
    return "combinations of the other factors" if levels.keys else NOUNS[OTHER[by]][1]


def _left_open(analysis: Analysis, levels: _Levels, by: str) -> list[str]:
    """Return of which levels it is not said whether they may be the best, and why."""
    if not analysis.claims or analysis.depends is not None or len(levels.cells) == 1:
        return []
    may = zip(levels.cells, _may_be_best(analysis, levels, by), strict=True)
    silent = [level for level, said in may if said is NA]
    if not silent:
        return []
    if levels.every == 1:
        return [f"nothing can be claimed about {listed(silent)}: one seed"]
    they_have = "it has" if len(silent) == 1 else "they have"
    return [
        f"it is left open whether {listed(silent)} may be the best: {they_have} no two "
        f"{_others(levels, by)} in common with another {NOUNS[by][0]} that can be compared"
    ]
