"""Null distribution of the largest |t| of a family, by simulation.

Each draw repeats the whole procedure under equal means: true seed variances from their
posterior, seed means and estimated variances given those, moderation, image effects from their
covariance. The largest |t| over the family in each draw gives adjusted p-values and
simultaneous confidence intervals (max-T, Westfall and Young 1993).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.contrasts import Family
from segsweep.stats.moderation import MOST, Moderated, moderate
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array

BLOCK = 50_000
"""Numbers in each array over contrasts and draws: few enough for a processor's cache."""
LEAST_DRAWS = 100
"""Draws of a block with very many contrasts: fewer cost more calls than the cache saves."""
STREAMS = 64
"""Independent errors of estimated image variances; with more contrasts they are reused."""
TINY = 1e-12
"""Differences and standard errors below this are rounding error and count as 0."""


def draws_per_block(rows: int) -> int:
    """Return how many draws are computed at once with *rows* numbers for each, at least 1."""
    return max(BLOCK // max(rows, 1), LEAST_DRAWS)


@dataclass(frozen=True)
class Settings:
    """Error rate, margin, and how the simulation runs."""

    level: float = 0.05
    """Familywise error rate; simultaneous confidence is 1 - level."""
    margin: float = 0.01
    """Equivalence margin, in units of the metric."""
    draws: int = 10_000
    seed: int = 20250101
    """Of the random generator: the same values give the same results."""
    most: float = MOST
    """Upper limit of the prior degrees of freedom of the seed variance."""
    power: float = 0.8
    """Power promised for the advised number of seeds."""
    aim: float = 0.85
    """Simulated power required of it: higher, as variances of few seeds are often too low."""


@dataclass(frozen=True)
class Draws:
    """Draws of the means of C cells and of their estimated variances under the null."""

    mean: Array
    """(C, D), centred on 0."""
    variance: Array
    """(C, D) Estimated seed part of the variance of each mean."""
    images: Array
    """(STREAMS, D) Standard normal: errors of the estimated image part."""
    residual: Array
    """(C,) Residual part that is subtracted from the image variances, for the drawn seeds."""


def seed_part(moderated: Moderated, seeds: NDArray[np.int64]) -> Array:
    """Return the seed part of the variance of each cell's mean, (C, ...)."""
    shape = (-1, *[1] * (moderated.variance.ndim - 1))
    return moderated.variance / seeds.reshape(shape)


def true_variances(
    generator: np.random.Generator, parts: Parts, moderated: Moderated, draws: int
) -> Array:
    """Return (C, draws) of the seed variances' posterior: v (d0 + S - 1) / chi2(d0 + S - 1)."""
    freedom = (moderated.weight + parts.seeds - 1)[:, None]
    chi2 = generator.chisquare(np.maximum(freedom, TINY), (len(freedom), draws))
    return moderated.variance[:, None] * freedom / np.maximum(chi2, np.finfo(float).tiny)


def image_draws(generator: np.random.Generator, sigma: Array, draws: int) -> Array:
    """Return (C, draws) from N(0, sigma), using the symmetric square root."""
    weight, direction = np.linalg.eigh(sigma)
    root = (direction * np.sqrt(np.maximum(weight, 0.0))) @ direction.T
    return root @ generator.standard_normal((len(sigma), draws))


def null_draws(
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    seeds: NDArray[np.int64] | None = None,
) -> Draws:
    """Return draws of the procedure under the null hypothesis of equal means.

    Args:
        parts: of the cells that claims are made about.
        moderated: their seed variances.
        settings: number of draws, seed of the generator.
        seeds: (C,) hypothetical numbers of seeds; None: the actual ones.

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
    variance = np.nan_to_num(seed_part(again, seeds))  # no seed part if every cell has one seed
    image_errors = generator.standard_normal((STREAMS, draws))
    return Draws(mean, variance, image_errors, parts.residual * parts.seeds / seeds)


def image_freedom(family: Family, parts: Parts, residual: Array) -> Array:
    """Return (K,) degrees of freedom of each contrast's estimated image part.

    G - 1, and fewer if much of the observed image variance was seed noise that has been
    subtracted (Satterthwaite 1946).
    """
    kept = family.quadratic(parts.sigma)
    whole = np.maximum(kept + family.squares(residual), np.finfo(float).tiny)
    share = np.clip(kept / whole, 0.0, 1.0)  # above 1 only by rounding
    return np.maximum((parts.groups - 1) * share**2, 1.0)


def chi2_over_freedom(normal: Array, freedom: Array) -> Array:
    """Return chi2 / freedom from standard *normal* numbers (Wilson and Hilferty 1931)."""
    spread = 2 / (9 * freedom)
    return np.maximum(1 - spread + np.sqrt(spread) * normal, 0.0) ** 3


def standard_errors(family: Family, parts: Parts, moderated: Moderated) -> Array:
    """Return (K,) standard errors of the contrasts, from seeds and images."""
    seeds = family.squares(seed_part(moderated, parts.seeds))
    return np.sqrt(np.maximum(seeds + family.quadratic(parts.sigma), 0.0))


def t_values(difference: Array, error: Array) -> Array:
    """Return difference / error; 0 for a difference of 0, whatever the error."""
    same = np.abs(difference) < TINY
    return np.where(same, 0.0, difference / np.maximum(error, TINY))


def t_draws(
    family: Family, parts: Parts, draws: Draws, shift: Array | None = None
) -> Iterator[Array]:
    """Yield (K, block) t values of the draws in blocks, with *shift* (K,) added to differences."""
    images = family.quadratic(parts.sigma)[:, None]
    freedom = image_freedom(family, parts, draws.residual)[:, None]
    stream = np.arange(len(images)) % STREAMS
    size = draws_per_block(len(images))
    for start in range(0, draws.mean.shape[1], size):
        block = slice(start, start + size)
        difference = family.of(draws.mean[:, block])
        factor = chi2_over_freedom(draws.images[:, block][stream], freedom)
        variance = family.squares(draws.variance[:, block]) + images * factor
        moved = difference if shift is None else difference + shift[:, None]
        yield t_values(moved, np.sqrt(np.maximum(variance, 0.0)))


def max_t(family: Family, parts: Parts, draws: Draws) -> Array:
    """Return the largest |t| over the family in each draw, sorted, (D,)."""
    blocks = t_draws(family, parts, draws)
    return np.sort(np.concatenate([np.abs(block).max(0) for block in blocks]))


def adjusted_p(t: Array, maxima: Array) -> Array:
    """Return max-T adjusted p-values, (K,); the data count as one of the draws."""
    reached = len(maxima) - np.searchsorted(maxima, np.abs(t), side="left")
    return (reached + 1) / (len(maxima) + 1)


def critical_value(maxima: Array, level: float) -> float:
    """Return the critical |t|: above it the adjusted p-value is at most *level*."""
    allowed = int(np.floor(level * (len(maxima) + 1) + 1e-9)) - 1
    return float(maxima[len(maxima) - 1 - max(allowed, 0)])
