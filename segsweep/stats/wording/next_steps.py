"""Which cell to take, and what it would take to settle more: seeds, how many, or more images."""

from collections.abc import Mapping, Sequence

import numpy as np

from segsweep.stats.advice import EXTRA_SEEDS, Limit, simulated
from segsweep.stats.best import Best
from segsweep.stats.contrasts import CELLS
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.null import TINY
from segsweep.stats.wording.best import as_good, margin_of
from segsweep.stats.wording.cheapest import take_as_good, take_cheapest
from segsweep.stats.wording.sentences import (
    NEEDS_IMAGES,
    first_step,
    is_reached,
    unclaimed_cells,
)
from segsweep.system.names import name_list


def take_texts(
    analysis: Analysis,
    best: tuple[str, ...],
    equal: bool,
    costs: tuple[str, Mapping[str, float]],
) -> tuple[str, ...]:
    """Return which cell to take, where there is a choice, and what would settle more."""
    steps = () if equal else next_steps(analysis)
    if analysis.values.warnings:  # how to train comes before what to take
        return steps
    if equal:
        return (take_cheapest(best, *costs),)
    good = as_good(analysis)
    if unclaimed_cells(analysis) or good == list(best[:1]):  # unknown ones, or the headline says it
        return steps
    return (*take_as_good(good, margin_of(analysis), *costs), *steps)


def next_steps(analysis: Analysis) -> tuple[str, ...]:
    """Return what would rule out further candidates for the best cell, most urgent first."""
    if not analysis.claims:
        return (first_step(analysis),)
    first = unclaimed_cells(analysis)
    steps = (
        [f"Run at least 3 seeds of {name_list(first)}, for example seed=0,1,2."] if first else []
    )
    tested = analysis.tested.get(CELLS)
    if tested is None or tested.best is None or tested.best.may.sum() < 2:
        return tuple(steps)
    if tied := _tied(tested.best):
        steps.append(_tie(tested.best, tied))
    return (*steps, *_seeds(analysis, tested, tested.best))


def _tied(best: Best) -> list[int]:
    """Return the other candidates with the highest mean."""
    same = np.flatnonzero(best.may & (best.difference >= -TINY)).tolist()
    return [candidate for candidate in same if candidate != best.highest]


def _tie(best: Best, tied: Sequence[int]) -> str:
    """Return between which cells no difference was observed."""
    others = name_list([best.names[candidate] for candidate in tied])
    return (
        f"No difference was observed between {best.names[best.highest]} and {others}, so no number "
        "of seeds can be computed."
    )


def _seeds(analysis: Analysis, tested: Tested, best: Best) -> tuple[str, ...]:
    """Return how many seeds would rule out others that may be the best; nothing without advice."""
    advised = list(tested.ruling_out.values())
    if not advised:
        return ()
    numbers = sorted(advice.seeds for advice in advised if advice.seeds is not None)
    steps = []
    if numbers:
        median = numbers[len(numbers) // 2]
        reached = _of(sum(number <= median for number in numbers), len(advised))
        steps.append(
            f"If the true differences are as large as estimated, {median} seeds per cell would "
            f"probably rule out {reached} that may be the best."
        )
    if never := sum(advice.limit is Limit.IMAGES for advice in advised):
        which = _of(never, len(advised), "either of the 2 others", "any of the {} others")
        steps.append(f"More seeds would not rule out {which}: {NEEDS_IMAGES}.")
    if steps:  # one advice: a number for fewer others beside it would read as another answer
        return tuple(steps)
    return (_with_extra_seeds(analysis, tested, best),)


def _of(count: int, others: int, both: str = "both others", every: str = "all {} others") -> str:
    """Return how many of the others; *both* and *every* are the words for all of them."""
    if count < others:
        return f"{count} of the {others} others"
    return {1: "the one other", 2: both}.get(others, every.format(others))


def _with_extra_seeds(analysis: Analysis, tested: Tested, best: Best) -> str:
    """Return how many candidates for the best cell EXTRA_SEEDS would rule out."""
    parts, rivals = analysis.claimed_parts, list(tested.ruling_out)
    seeds = parts.seeds + EXTRA_SEEDS
    known = tested.family, parts, analysis.moderated, analysis.settings
    _, out = simulated(*known, seeds, [], len(best.names))
    reached = [
        out[rival].mean() >= analysis.settings.power or is_reached(tested.ruling_out[rival], seeds)
        for rival in rivals
    ]
    return _ruled_out(sum(reached), len(reached), float(out[rivals].any(0).mean()))


def _ruled_out(count: int, others: int, some: float) -> str:
    """Return the sentence; *some* is the probability that any other cell is ruled out."""
    which = "the one other" if others == 1 else f"of the {others} others"
    if count == others > 1:
        which = "both others" if others == 2 else f"all {others} others"
    more, best = f"{EXTRA_SEEDS} more seeds per cell", f"{which} that may be the best"
    if not count and some <= 0.5:
        none = "would probably not rule out" if others == 1 else "would probably rule out none"
        return f"{more} {none} {best}."
    would = "would probably rule out" if count else "may rule out"
    if others > 1 and count < others:
        would = f"{would} {count or 'one or more'}"
    return f"{more} {would} {best}, if the true differences are as estimated."
