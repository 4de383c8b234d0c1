"""What would be seen if nothing differed: one simultaneous distribution per family.

Draws of the whole procedure under equal means: true seed variances from their posterior, seed
means and estimated variances from those, moderated again, images from their covariance. The
largest |t| of a family in each draw gives adjusted p values and intervals that hold together
(Westfall and Young 1993).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.contrasts import Family
from segsweep.stats.moderation import MOST, Moderated, moderate
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array

BLOCK = 2_000_000
"""Numbers held at once for each array over contrasts and draws."""
STREAMS = 64
"""Contrasts whose images' shares are misjudged independently of each other; more take turns."""
TINY = 1e-12
"""A standard error below this is none: what differs by less than rounding differs by nothing."""


@dataclass(frozen=True)
class Settings:
    """How sure is sure, and how it is computed."""

    level: float = 0.05
    """Of false claims in a family; intervals hold with 1 - level."""
    margin: float = 0.01
    """Differences below this are equal for any purpose; in units of the metric."""
    draws: int = 10_000
    seed: int = 20250101
    """Of the generator: same values, same answer."""
    most: float = MOST
    """Limit of the degrees of freedom of the common seed variance."""
    power: float = 0.8
    """Promised of the seeds that are advised."""
    aim: float = 0.85
    """What those seeds have to reach as it is played: few seeds look surer than they are."""


@dataclass(frozen=True)
class Draws:
    """Draws of C cells' means and of what would be estimated of their variances."""

    mean: Array
    """(C, D) around 0."""
    variance: Array
    """(C, D) of the means, from seeds, as it would be estimated."""
    images: Array
    """(STREAMS, D) normal numbers: how far the images' share would be misjudged."""
    residual: Array
    """(C,) What is taken off the images' variances, with as many seeds as are drawn."""


def seed_part(moderated: Moderated, seeds: NDArray[np.int64]) -> Array:
    """Return the variance of each cell's mean that comes from its seeds, (C, ...)."""
    shape = (-1, *[1] * (moderated.variance.ndim - 1))
    return moderated.variance / seeds.reshape(shape)


def true_variances(
    generator: np.random.Generator, parts: Parts, moderated: Moderated, draws: int
) -> Array:
    """Return (C, draws) seed variances from their posterior: v (d0 + S - 1) / chi2(d0 + S - 1)."""
    freedom = (moderated.weight + parts.seeds - 1)[:, None]
    chi2 = generator.chisquare(np.maximum(freedom, TINY), (len(freedom), draws))
    return moderated.variance[:, None] * freedom / np.maximum(chi2, np.finfo(float).tiny)


def image_draws(generator: np.random.Generator, sigma: Array, draws: int) -> Array:
    """Return (C, draws) from N(0, sigma), by the symmetric root."""
    weight, direction = np.linalg.eigh(sigma)
    root = (direction * np.sqrt(np.maximum(weight, 0.0))) @ direction.T
    return root @ generator.standard_normal((len(sigma), draws))


def null_draws(
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    seeds: NDArray[np.int64] | None = None,
) -> Draws:
    """Return draws of the procedure where all cells are equally good.

    Args:
        parts: of the cells that claims are made about.
        moderated: their seed variances.
        settings: number of draws, generator seed.
        seeds: (C,) how many each cell would have; None: as many as it has.

    """
    generator, draws = np.random.default_rng(settings.seed), settings.draws
    seeds = parts.seeds if seeds is None else seeds
    true = true_variances(generator, parts, moderated, draws)
    mean = np.sqrt(true / seeds[:, None]) * generator.standard_normal(true.shape)
    freedom = seeds - 1
    chi2 = generator.chisquare(np.maximum(freedom, TINY)[:, None], true.shape)
    estimated = true * chi2 / np.maximum(freedom, 1)[:, None]
    again = moderate(estimated, freedom, settings.most)
    mean += image_draws(generator, parts.sigma, draws)
    variance = np.nan_to_num(seed_part(again, seeds))  # one seed everywhere: no seed part at all
    misjudged = generator.standard_normal((STREAMS, draws))
    return Draws(mean, variance, misjudged, parts.residual * parts.seeds / seeds)


def image_freedom(family: Family, parts: Parts, residual: Array) -> Array:
    """Return (K,) degrees of freedom with which each contrast's image part is known.

    G - 1, and fewer where most of what images seem to do is seed noise that was taken off
    (Satterthwaite 1946).
    """
    kept = family.quadratic(parts.sigma)
    whole = np.maximum(kept + family.squares(residual), np.finfo(float).tiny)
    share = np.clip(kept / whole, 0.0, 1.0)  # beyond 1 only by rounding
    return np.maximum((parts.groups - 1) * share**2, 1.0)


def chi2_over_freedom(normal: Array, freedom: Array) -> Array:
    """Return chi2 / freedom made of normal numbers (Wilson and Hilferty 1931), at least 0."""
    spread = 2 / (9 * freedom)
    return np.maximum(1 - spread + np.sqrt(spread) * normal, 0.0) ** 3


def standard_errors(family: Family, parts: Parts, moderated: Moderated) -> Array:
    """Return (K,) standard errors of the contrasts: seeds and images together."""
    seeds = family.squares(seed_part(moderated, parts.seeds))
    return np.sqrt(np.maximum(seeds + family.quadratic(parts.sigma), 0.0))


def over(difference: Array, error: Array) -> Array:
    """Return difference / error; 0 where there is no difference, whatever the error."""
    same = np.abs(difference) < TINY
    return np.where(same, 0.0, difference / np.maximum(error, TINY))


def drawn_t(
    family: Family, parts: Parts, draws: Draws, shift: Array | None = None
) -> Iterator[Array]:
    """Yield (K, block) t values of the draws, a block at a time; *shift* (K,) moves the means."""
    images = family.quadratic(parts.sigma)[:, None]
    freedom = image_freedom(family, parts, draws.residual)[:, None]
    stream = np.arange(len(images)) % STREAMS
    size = max(BLOCK // max(len(images), 1), 1)
    for start in range(0, draws.mean.shape[1], size):
        block = slice(start, start + size)
        difference = family.of(draws.mean[:, block])
        judged = chi2_over_freedom(draws.images[:, block][stream], freedom)
        variance = family.squares(draws.variance[:, block]) + images * judged
        moved = difference if shift is None else difference + shift[:, None]
        yield over(moved, np.sqrt(np.maximum(variance, 0.0)))


def largest(family: Family, parts: Parts, draws: Draws) -> Array:
    """Return the largest |t| of the family in each draw, ascending, (D,)."""
    blocks = drawn_t(family, parts, draws)
    return np.sort(np.concatenate([np.abs(block).max(0) for block in blocks]))


def adjusted_p(t: Array, maxima: Array) -> Array:
    """Return the share of draws whose largest |t| reaches |t|, the data counted as one draw."""
    reached = len(maxima) - np.searchsorted(maxima, np.abs(t), side="left")
    return (reached + 1) / (len(maxima) + 1)


def critical_value(maxima: Array, level: float) -> float:
    """Return the |t| above which the adjusted p is at most *level*."""
    allowed = int(np.floor(level * (len(maxima) + 1) + 1e-9)) - 1
    return float(maxima[len(maxima) - 1 - max(allowed, 0)])
