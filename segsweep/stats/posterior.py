"""Where the cells' true means may lie, given what was seen: ranks, chances, intervals."""

from dataclasses import dataclass

import numpy as np

from segsweep.stats.contrasts import Family
from segsweep.stats.moderation import Moderated
from segsweep.stats.null import BLOCK, Settings, image_draws, true_variances
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array


@dataclass(frozen=True)
class Chances:
    """Of each contrast: a better by more than the margin, equal within it, worse; (K,) each."""

    better: Array
    equal: Array
    worse: Array


@dataclass(frozen=True)
class Ranks:
    """How firm the order of C cells is."""

    best: Array
    """(C,) chance of having the highest mean."""
    share: Array
    """(C, C) chance of cell c to have rank r + 1."""
    kendall: Array
    """(D,) Kendall's tau between the shown order and each draw's."""


def posterior_means(parts: Parts, moderated: Moderated, settings: Settings) -> Array:
    """Return (C, D) draws of the cells' true means around the observed ones."""
    generator, draws = np.random.default_rng(settings.seed + 1), settings.draws
    true = true_variances(generator, parts, moderated, draws)
    seeds = np.sqrt(true / parts.seeds[:, None]) * generator.standard_normal(true.shape)
    images = image_draws(generator, parts.sigma, draws)
    freedom = max(parts.groups - 1, 1)
    scale = np.sqrt(generator.chisquare(freedom, draws) / freedom)
    return parts.mean[:, None] + seeds + images / scale


def cell_intervals(means: Array, level: float, groups: int) -> Array:
    """Return (2, C): where each mean lies with 1 - *level*, one at a time; NaN for one group."""
    if groups < 2:
        return np.full((2, len(means)), np.nan)
    return np.quantile(means, [level / 2, 1 - level / 2], axis=1)


def chances(family: Family, means: Array, margin: float) -> Chances:
    """Return the chances of each contrast of *family* from draws of the means."""
    better, worse = np.zeros(len(family.a)), np.zeros(len(family.a))
    for block in _blocks(means, len(family.a)):
        difference = family.of(block)
        better += (difference > margin).sum(1)
        worse += (difference < -margin).sum(1)
    draws = means.shape[1]
    return Chances(better / draws, 1 - (better + worse) / draws, worse / draws)


def ranks(parts: Parts, means: Array) -> Ranks:
    """Return how often each cell has each rank, and how each draw's order agrees with the shown."""
    top = means == means.max(0)
    rank = (-means).argsort(axis=0).argsort(axis=0)
    cells = len(means)
    share = np.array([np.bincount(row, minlength=cells) for row in rank]) / means.shape[1]
    return Ranks((top / top.sum(0)).mean(1), share, _kendall(parts.mean, means))


def _kendall(shown: Array, means: Array) -> Array:
    """Return (D,) agreeing less disagreeing pairs over all pairs; ties count for neither."""
    first, second = np.triu_indices(len(shown), 1)
    if not len(first):
        return np.ones(means.shape[1])
    order = np.sign(shown[first] - shown[second])
    return np.concatenate(
        [order @ np.sign(block[first] - block[second]) for block in _blocks(means, len(first))]
    ) / len(first)


def _blocks(means: Array, rows: int) -> list[Array]:
    size = max(BLOCK // max(rows, 1), 1)
    return [means[:, start : start + size] for start in range(0, means.shape[1], size)]
