"""What it would take to settle more: seeds of which cells, how many, or more images."""

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.advice import EXTRA_SEEDS, Limit, simulated_claims
from segsweep.stats.contrasts import CELLS
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.null import TINY
from segsweep.stats.wording.sentences import (
    NEEDS_IMAGES,
    first_step,
    is_reached,
    unclaimed_cells,
)
from segsweep.system.names import name_list


def next_steps(analysis: Analysis) -> tuple[str, ...]:
    """Return what would rule out further candidates for the best cell, most urgent first."""
    if not analysis.claims:
        return (first_step(analysis),)
    first = unclaimed_cells(analysis)
    steps = (
        [f"Run at least 3 seeds of {name_list(first)}, for example seed=0,1,2."] if first else []
    )
    tested = analysis.tested.get(CELLS)
    rivals = _rivals(analysis, tested) if tested is not None else np.zeros(0, int)
    if tested is None or not len(rivals):
        return tuple(steps)
    tied = np.abs(tested.difference[rivals]) < TINY
    if tied.any():
        steps.append(_tie(analysis, tested, rivals[tied]))
    return (*steps, *(() if tied.all() else _seeds(analysis, tested, rivals)))


def _highest(analysis: Analysis) -> int:
    """Return the position of the highest mean among the claimed cells."""
    return int(analysis.claimed_parts.mean.argmax())


def _highest_name(analysis: Analysis) -> str:
    return analysis.values.cells[analysis.claimed[_highest(analysis)]]


def _pairs_of_highest(analysis: Analysis, tested: Tested) -> NDArray[np.int64]:
    """Return the pairs that include the cell with the highest mean."""
    return np.flatnonzero(tested.family.matrix[:, [_highest(analysis)]].toarray()[:, 0])


def _rivals(analysis: Analysis, tested: Tested) -> NDArray[np.int64]:
    """Return the pairs of the highest cell with another one that may be the best."""
    best = analysis.may_be_best[analysis.claimed]
    pairs = _pairs_of_highest(analysis, tested)
    both = tested.family.matrix[pairs].astype(bool).toarray()
    return pairs[both[:, best].sum(1) == 2]


def _tie(analysis: Analysis, tested: Tested, tied: NDArray[np.int64]) -> str:
    """Return between which cells no difference was observed."""
    highest = _highest_name(analysis)
    pairs = [{tested.family.a[k], tested.family.b[k]} for k in tied.tolist()]
    others = name_list([name for pair in pairs for name in pair - {highest}])
    return (
        f"No difference was observed between {highest} and {others}, so no number of seeds can "
        "be computed."
    )


def _seeds(analysis: Analysis, tested: Tested, rivals: NDArray[np.int64]) -> tuple[str, ...]:
    """Return how many seeds would separate the highest cell; nothing without advice."""
    pairs = _pairs_of_highest(analysis, tested).tolist()
    advised = [tested.advice[k] for k in pairs if k in tested.advice]
    if not advised:
        return ()
    highest = _highest_name(analysis)
    numbers = sorted(advice.seeds for advice in advised if advice.seeds is not None)
    steps = []
    if numbers:
        median = numbers[len(numbers) // 2]
        reached = _of(sum(number <= median for number in numbers), len(advised))
        steps.append(
            f"If the true differences are as large as estimated, {median} seeds per cell would "
            f"probably separate {highest} from {reached}."
        )
    if never := sum(advice.limit is Limit.IMAGES for advice in advised):
        steps.append(
            f"More seeds would not separate {'it' if steps else highest} from "
            f"{_of(never, len(advised))}: {NEEDS_IMAGES}."
        )
    return (*steps, _with_extra_seeds(analysis, tested, rivals))


def _of(count: int, others: int) -> str:
    return "the other" if others == 1 else f"{count} of the {others} others"


def _with_extra_seeds(analysis: Analysis, tested: Tested, rivals: NDArray[np.int64]) -> str:
    """Return how many candidates for the best cell EXTRA_SEEDS would rule out."""
    parts = analysis.claimed_parts
    seeds = parts.seeds + EXTRA_SEEDS
    known = tested.family, parts, analysis.moderated, analysis.settings
    claims = simulated_claims(*known, seeds, rivals)
    reached = [
        claims[row].mean() >= analysis.settings.power or is_reached(tested.advice.get(k), seeds)
        for row, k in enumerate(rivals.tolist())
    ]
    return _ruled_out(sum(reached), len(reached), float(claims.any(0).mean()))


def _ruled_out(count: int, others: int, some: float) -> str:
    """Return the sentence; *some* is the probability that any other cell is ruled out."""
    which = "the one other" if others == 1 else f"of the {others} others"
    more, best = f"{EXTRA_SEEDS} more seeds per cell", f"{which} that may be the best"
    if not count and some <= 0.5:
        none = "would probably not rule out" if others == 1 else "would probably rule out none"
        return f"{more} {none} {best}."
    would = "would probably rule out" if count else "may rule out"
    if others > 1:
        would = f"{would} {count or 'one or more'}"
    return f"{more} {would} {best}, if the true differences are as estimated."
