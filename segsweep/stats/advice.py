"""How many seeds would settle what is not settled: the same procedure, played with more of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.contrasts import Family
from segsweep.stats.moderation import Moderated
from segsweep.stats.null import (
    Settings,
    critical_value,
    drawn_t,
    largest,
    null_draws,
)
from segsweep.stats.parts import Parts
from segsweep.stats.values import Array

STEPS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 70, 100)
"""Seeds per cell that are tried."""
MORE = 4
"""Further seeds per cell: what somebody would run to settle a question."""
ENDLESS = 1_000_000
"""Seeds with which only the images are left uncertain."""
DRAWS = 2_000
MOST_NUMBERS = 20_000_000
"""Contrasts x draws of one trial; many contrasts are tried with fewer draws."""
IMAGES = (
    "more seeds will not help: more test images or folds would, or there is no difference to find"
)
TOO_MANY = f"more than {STEPS[-1]} seeds"


@dataclass(frozen=True)
class Advice:
    """What it would take to see a difference as large as the one estimated."""

    seeds: int | None
    """Per cell, in all; None where no number would do, or too many."""
    reason: str = ""
    """Why there is no number."""


def seeds_needed(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    contrasts: Sequence[int],
    sizes: Array | None = None,
) -> list[Advice]:
    """Return advice for each of *contrasts* (their numbers in *family*).

    The power wanted is `settings.power`, aimed at with `settings.aim`, for a true difference of
    the estimated size or of *sizes* (one per contrast). Numbers tried: STEPS, from the first
    above what most cells have.
    """
    which = np.array(contrasts, int)
    if not len(which):
        return []
    known = family, parts, moderated, settings
    needed = np.zeros(len(which), int)
    have = int(np.median(parts.seeds))
    hopeless = power(*known, ENDLESS, which, sizes) < settings.power
    for seeds in [step for step in STEPS if step > have]:
        open_ = ~hopeless & (needed == 0)
        if not open_.any():
            break
        needed[open_ & (power(*known, seeds, which, sizes) >= settings.aim)] = seeds
    return [
        Advice(int(seeds)) if seeds else Advice(None, IMAGES if never else TOO_MANY)
        for seeds, never in zip(needed, hopeless, strict=True)
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
    """Return how often each of *contrasts* would be claimed, the right way round, in [0, 1].

    Arguments as of `claims_played`.
    """
    played = claims_played(family, parts, moderated, settings, seeds, contrasts, sizes)
    return np.asarray(played.mean(1))


def claims_played(
    family: Family,
    parts: Parts,
    moderated: Moderated,
    settings: Settings,
    seeds: int | NDArray[np.int64],
    contrasts: Sequence[int] | NDArray[np.int64],
    sizes: Array | None = None,
) -> NDArray[np.bool_]:
    """Return (contrasts, draws): whether each of *contrasts* is claimed, the right way round.

    Played is the procedure that the whole *family* is tested with, as if every cell had *seeds*
    (one number, or one per cell) and the true differences were those estimated, or *sizes* (one
    per contrast).
    """
    which = np.asarray(contrasts, int)
    shift = family.of(parts.mean)[which] if sizes is None else sizes
    draws = min(DRAWS, settings.draws, max(MOST_NUMBERS // len(family.a), 200))
    fewer = replace(settings, draws=draws, seed=settings.seed + 2)
    drawn = null_draws(parts, moderated, fewer, np.broadcast_to(seeds, parts.mean.shape))
    critical = critical_value(largest(family, parts, drawn), settings.level)
    some = replace(family, matrix=family.matrix[which], a=_some(family.a, which), b=())
    moved = np.concatenate(list(drawn_t(some, parts, drawn, shift)), axis=1)
    return np.asarray(np.sign(shift)[:, None] * moved > critical)


def _some(names: Sequence[str], which: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(names[number] for number in which)
