"""Posterior draws of the cells' true means: ranks, probabilities, intervals of single cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.contrasts import Family
from segsweep.stats.moderation import Moderated
from segsweep.stats.null import Settings, draws_per_block, image_draws, true_variances
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array


@dataclass(frozen=True)
class Chances:
    """Posterior probabilities of each contrast, (K,): a is better, equal or worse."""

    better: Array
    """By more than the margin."""
    equal: Array
    """The difference is within the margin."""
    worse: Array

    def known(self, same: NDArray[np.bool_]) -> "Chances":
        """Return the probabilities where the contrasts in *same* (K,) are known to be 0."""
        nothing = np.where(same, 0.0, self.better), np.where(same, 0.0, self.worse)
        return Chances(nothing[0], np.where(same, 1.0, self.equal), nothing[1])


@dataclass(frozen=True)
class Ranks:
    """Uncertainty of the order of C cells."""

    best: Array
    """(C,) probability of having the highest mean."""
    share: Array
    """(C, C) probability that cell c has rank r + 1."""
    kendall: Array
    """(D,) Kendall's tau between the observed order and the order in each draw."""


def posterior_means(parts: Parts, moderated: Moderated, settings: Settings) -> Array:
    """Return (C, D) posterior draws of the cells' true means."""
    generator, draws = np.random.default_rng(settings.seed + 1), settings.draws
    true = true_variances(generator, parts, moderated, draws)
    seeds = np.sqrt(true / parts.seeds[:, None]) * generator.standard_normal(true.shape)
    images = image_draws(generator, parts.sigma, draws)
    freedom = max(parts.groups - 1, 1)
    scale = np.sqrt(generator.chisquare(freedom, draws) / freedom)
    return parts.mean[:, None] + seeds + images / scale


def cell_intervals(means: Array, level: float, groups: int) -> Array:
    """Return (2, C): pointwise 1 - *level* intervals of the means; NaN for one group of images."""
    if groups < 2:
        return np.full((2, len(means)), np.nan)
    return np.quantile(means, [level / 2, 1 - level / 2], axis=1)


def chances(family: Family, means: Array, margin: float) -> Chances:
    """Return the posterior probabilities of each contrast of *family* from draws of the means."""
    better, worse = np.zeros(len(family.a)), np.zeros(len(family.a))
    for block in _blocks(means, len(family.a)):
        difference = family.of(block)
        better += (difference > margin).sum(1)
        worse += (difference < -margin).sum(1)
    draws = means.shape[1]
    return Chances(better / draws, 1 - (better + worse) / draws, worse / draws)


def ranks(parts: Parts, means: Array) -> Ranks:
    """Return probabilities of ranks, and the agreement of each draw with the observed order."""
    highest = means == means.max(0)
    rank = (-means).argsort(axis=0).argsort(axis=0)
    cells = len(means)
    share = np.array([np.bincount(row, minlength=cells) for row in rank]) / means.shape[1]
    return Ranks((highest / highest.sum(0)).mean(1), share, kendall(parts.mean[:, None], means))


def kendall(one: Array, two: Array) -> Array:
    """Return (D,) Kendall's tau between the orders in the columns of (C, D) *one* and *two*.

    Concordant minus discordant pairs over all pairs; ties count as neither. *one* may have a
    single column, which is compared with each of *two*.
    """
    first, second = np.triu_indices(len(two), 1)
    if not len(first):
        return np.ones(two.shape[1])
    blocks = _blocks(two, len(first))
    others = [one] * len(blocks) if one.shape[1] == 1 else _blocks(one, len(first))
    signs = (
        np.sign(a[first] - a[second]) * np.sign(b[first] - b[second])
        for a, b in zip(others, blocks, strict=True)
    )
    return np.concatenate([block.sum(0) for block in signs]) / len(first)


def _blocks(means: Array, rows: int) -> list[Array]:
    size = draws_per_block(rows)
    return [means[:, start : start + size] for start in range(0, means.shape[1], size)]
