"""Power by simulation: how many seeds per cell would settle an undecided comparison."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.best import largest_against, null_maxima
from segsweep.stats.contrasts import Family
from segsweep.stats.moderation import Moderated
from segsweep.stats.null import (
    Draws,
    Settings,
    critical_value,
    max_t,
    null_draws,
    t_draws,
)
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array

STEPS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100)
"""Numbers of seeds per cell that are tried."""
EXTRA_SEEDS = 4
"""Further seeds per cell that somebody might run to settle a question."""
UNLIMITED = 1_000_000
"""With so many seeds only the images contribute variance."""
DRAWS = 2_000
MOST_NUMBERS = 8_000_000
"""Limit of contrasts x draws in one simulation; many contrasts use fewer draws."""


class Limit(Enum):
    """Why there is no number of seeds."""

    IMAGES = "images"
    """Even unlimited seeds would not reach the power: the images are too few."""
    SEEDS = "seeds"
    """More than the last of STEPS would be needed."""


@dataclass(frozen=True)
class Advice:
    """Seeds needed to detect a difference of the estimated size."""

    seeds: int | None
    """Total per cell; None if there is a *limit*."""
    limit: Limit | None = None


def seeds_needed(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    contrasts: Sequence[int],
    sizes: Array | None = None,
) -> list[Advice]:
    """Return advice for each of *contrasts* (indices in *family*).

    The promised power is `settings.power`; simulated power must reach `settings.aim`. The true
    difference is taken to be the estimated one, or *sizes* (one per contrast). Numbers tried are
    those of STEPS above the median number of seeds.
    """
    which = np.array(contrasts, int)
    known = family, parts, moderated, settings
    return _least(lambda seeds: power(*known, seeds, which, sizes), len(which), parts, settings)


def seeds_to_decide(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    contrasts: Sequence[int],
    candidates: Sequence[int],
    count: int,
) -> tuple[list[Advice], list[Advice]]:
    """Return advice for each of *contrasts*, and for ruling out each of *candidates*.

    The second is by the rule of `stats.best`, for positions among *count* candidates; else as
    `seeds_needed`. Both are found in the same simulations.
    """
    which, known = np.array(contrasts, int), (family, parts, moderated, settings)

    def chances(seeds: int) -> Array:
        claims, out = simulated(*known, seeds, which, count)
        return np.concatenate([claims.mean(1), out[list(candidates)].mean(1)])

    found = _least(chances, len(which) + len(candidates), parts, settings)
    return found[: len(which)], found[len(which) :]


def _least(
    chances: Callable[[int], Array], count: int, parts: Parts, settings: Settings
) -> list[Advice]:
    """Return the least seeds with which each of *count* questions is settled, by its *chances*."""
    if not count:
        return []
    needed = np.zeros(count, int)
    present = int(np.median(parts.seeds))
    never = chances(UNLIMITED) < settings.power
    for seeds in [step for step in STEPS if step > present]:
        open_ = ~never & (needed == 0)
        if not open_.any():
            break
        needed[open_ & (chances(seeds) >= settings.aim)] = seeds
    return [
        Advice(int(seeds)) if seeds else Advice(None, Limit.IMAGES if images else Limit.SEEDS)
        for seeds, images in zip(needed, never, strict=True)
    ]


def power(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    seeds: int | NDArray[np.int64],
    contrasts: Sequence[int] | NDArray[np.int64],
    sizes: Array | None = None,
) -> Array:
    """Return the probability that each of *contrasts* is claimed in the correct direction.

    Arguments as in `simulated_claims`.
    """
    claims = simulated_claims(family, parts, moderated, settings, seeds, contrasts, sizes)
    return np.asarray(claims.mean(1))


def simulated_claims(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    seeds: int | NDArray[np.int64],
    contrasts: Sequence[int] | NDArray[np.int64],
    sizes: Array | None = None,
) -> NDArray[np.bool_]:
    """Return (contrasts, draws): whether each of *contrasts* is claimed in the correct direction.

    Simulates the test of the whole *family*, with *seeds* per cell (one number, or one per
    cell) and true differences equal to the estimates, or to *sizes* (one per contrast).
    """
    which = np.asarray(contrasts, int)
    shift = family.of(parts.mean)[which] if sizes is None else sizes
    drawn = _null_draws(family, parts, moderated, settings, seeds)
    critical = critical_value(max_t(family, parts, drawn), settings.level)
    some = replace(family, matrix=family.matrix[which], a=_some(family.a, which), b=())
    moved = np.concatenate(list(t_draws(some, parts, drawn, shift)), axis=1)
    return np.asarray(np.sign(shift)[:, None] * moved > critical)


def simulated(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    seeds: int | NDArray[np.int64],
    contrasts: Sequence[int] | NDArray[np.int64],
    count: int,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which contrasts are claimed, as `simulated_claims`, and who is ruled out as the best.

    The second is (*count*, draws), one row for each candidate of *family*.
    """
    which, shift = np.asarray(contrasts, int), family.of(parts.mean)
    drawn = _null_draws(family, parts, moderated, settings, seeds)
    maxima, against = null_maxima(family, parts, drawn, count)
    assert against is not None, "a family without candidates"
    critical = critical_value(maxima, settings.level)
    own = np.array([critical_value(row, settings.level) for row in against])[:, None]
    claims, out = [], []
    for block in t_draws(family, parts, drawn, shift):
        claims.append(np.sign(shift[which])[:, None] * block[which] > critical)
        out.append(largest_against(block, count) > own)
    return np.concatenate(claims, axis=1), np.concatenate(out, axis=1)


def _null_draws(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    seeds: int | NDArray[np.int64],
) -> Draws:
    """Return null draws with *seeds* per cell, fewer for a large family."""
    draws = min(DRAWS, settings.draws, max(MOST_NUMBERS // len(family.a), 200))
    fewer = replace(settings, draws=draws, seed=settings.seed + 2)
    return null_draws(parts, moderated, fewer, np.broadcast_to(seeds, parts.mean.shape))


def _some(names: Sequence[str], which: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(names[number] for number in which)
