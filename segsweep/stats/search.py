"""Numbers about the searches of cells: what the chosen values gain, what more trials would gain.

docs/statistics.md, "Searched values", has the formulas and their sources.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from segsweep.stats.ranges import End, Range

LAST = 0.25
"""Share of the trials, the last ones, whose gain tells whether more trials may help."""
MARGIN = 0.01
"""A difference in validation IoU that counts where no seeds tell what luck is."""
RANDOM, GRID = "random", "grid"
"""The sampler whose trials are independent draws; the one that tries every combination."""
STEPS, FAR = 4001, 8.0
"""Points of the numerical integral over normal draws, and how far it reaches, in sds."""


class TrialState(StrEnum):
    """How a trial ended, or that it has not."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    """Ended early because it fell behind."""
    DIVERGED = "diverged"
    """Ended early because the loss became NaN or infinite."""
    FAILED = "failed"
    OPEN = "running"


@dataclass(frozen=True)
class Trial:
    """One trial of a search."""

    run_id: str
    values: Mapping[str, object]
    """Dotted key -> value."""
    state: TrialState
    val_iou: float = math.nan
    """Of the selected epoch; NaN until it is complete."""
    epochs: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class SearchedCell:
    """The search of one cell, in one fold: its trials, and what it chose."""

    cell: str
    fold: int | None
    trials: tuple[Trial, ...]
    """In the order in which they were asked for."""
    ranges: Mapping[str, Range | None] = field(default_factory=dict)
    """Dotted key -> what it was searched among; None where that is no list of numbers."""
    values: Mapping[str, object] = field(default_factory=dict)
    """Dotted key -> the chosen value; empty while it is searched."""
    val_iou: float = math.nan
    """Of the best trial."""
    own: Mapping[str, object] = field(default_factory=dict)
    """Dotted key -> the config's own value; empty where these were not tried."""
    own_val_iou: float = math.nan
    """Of the trial at the config's own values; NaN without one that is complete."""
    sampler: str = ""
    counts: Mapping[TrialState, int] = field(default_factory=dict)
    """How many trials ended in each way; a state without trials may be missing."""
    epochs: int = 0
    """Of all trials together."""
    seconds: float = 0.0
    """Of all trials together."""
    source: str = ""
    """The sweep that the values come from; empty where they were searched in this one."""
    seeds: tuple[float, ...] = ()
    """Validation IoU of the runs at the chosen values."""
    lost: bool = False
    """Whether nobody knows what it chose, or if it is over: chosen.csv is damaged or lacks it."""

    @property
    def title(self) -> str:
        """The cell, and the fold if there is one, as they are shown."""
        return self.cell if self.fold is None else f"{self.cell} fold {self.fold}"

    @property
    def keys(self) -> tuple[str, ...]:
        """The searched keys."""
        tried = (one.values for one in self.trials)
        return tuple(self.values or self.ranges or next(tried, {}))

    @property
    def ended(self) -> int:
        """The trials that count: all that have ended, except failed ones."""
        lost = (TrialState.FAILED, TrialState.OPEN)
        return sum(count for state, count in self.counts.items() if state not in lost)

    @property
    def is_open(self) -> bool:
        """Whether it has not chosen yet, or a trial of it is running."""
        return not self.values or any(one.state == TrialState.OPEN for one in self.trials)

    @property
    def is_own(self) -> bool:
        """Whether the config's own values were chosen."""
        return bool(self.own) and dict(self.values) == dict(self.own)


def ends_of(cell: SearchedCell) -> dict[str, End]:
    """Return the keys whose chosen value is at an end of what was searched, with that end."""
    found = {}
    for key, value in cell.values.items():
        known = cell.ranges.get(key)
        if known is None or isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if (end := known.end_of(value)) is not None:
            found[key] = end
    return found


def seed_sd(cell: SearchedCell) -> float:
    """Return the standard deviation over seeds at the chosen values; NaN for fewer than two."""
    return float(np.std(cell.seeds, ddof=1)) if len(cell.seeds) > 1 else math.nan


def gain(cell: SearchedCell) -> float:
    """Return how much better the chosen values were than the config's own, in sds of the seeds.

    NaN where a trial at the config's own values, or a second seed, is missing.
    """
    difference, sd = cell.val_iou - cell.own_val_iou, seed_sd(cell)
    if sd == 0:
        return math.inf if difference > 0 else 0.0
    return difference / sd


def expected_normal_best(count: int) -> float:
    """Return the expected highest of *count* independent standard normal draws."""
    points = np.linspace(-FAR, FAR, STEPS)
    below = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in points])
    density = np.exp(-(points**2) / 2) / math.sqrt(2 * math.pi)
    step = points[1] - points[0]
    return float(np.sum(points * count * density * below ** (count - 1)) * step)


def mattered(cell: SearchedCell) -> bool | None:
    """Return whether the chosen values gain more than luck among the trials would; None: unknown.

    If all values were equally good, the best of n trials would still be ahead of the one at the
    config's own values: by the expected highest of n normal draws, in standard deviations.
    """
    if cell.is_own:
        return False
    found = gain(cell)
    if math.isnan(found):
        return None
    return found > expected_normal_best(cell.counts.get(TrialState.COMPLETE, 0))


def expected_best(values: Sequence[float], count: int) -> float:
    """Return the expected highest of *count* independent draws, unbiased, from n >= *count* values.

    The mean of the highest value over all subsets of *count* of the values.
    """
    if not 1 <= count <= len(values):
        raise ValueError(f"count must be from 1 to {len(values)}; got {count}")
    total = math.comb(len(values), count)
    weights = [math.comb(place, count - 1) / total for place in range(len(values))]
    return float(np.dot(weights, np.sort(values)))


def draws_of(cell: SearchedCell) -> list[float]:
    """Return the validation IoU of the random trials: all but the one at the config's own values.

    A trial that ended early counts as the lowest of all, because it cannot be the best.
    """
    trials = list(cell.trials)
    at_own = [one for one in trials if cell.own and dict(one.values) == dict(cell.own)]
    if at_own:
        trials.remove(at_own[0])
    over = [one for one in trials if one.state not in (TrialState.FAILED, TrialState.OPEN)]
    complete = [one.val_iou for one in over if one.state == TrialState.COMPLETE]
    return [*complete, *[min(complete, default=0.0)] * (len(over) - len(complete))]


def further_gain(cell: SearchedCell) -> float:
    """Return what as many trials again may gain in validation IoU; NaN if unknown.

    Random trials: an upper limit of the expected gain. Other samplers: what the last quarter of
    the trials has gained.
    """
    if cell.sampler == RANDOM:
        draws = draws_of(cell)
        own = [] if math.isnan(cell.own_val_iou) else [cell.own_val_iou]
        best, *others = sorted(draws, reverse=True) or [math.nan]
        return max(best - max([*others, *own], default=math.nan), 0.0)
    return last_gain(cell)


def last_gain(cell: SearchedCell) -> float:
    """Return by how much the last quarter of the trials has raised the best; NaN if unknown."""
    over = [one for one in cell.trials if one.state != TrialState.OPEN]
    values = [one.val_iou if one.state == TrialState.COMPLETE else -math.inf for one in over]
    before = values[: len(values) - math.ceil(LAST * len(values))]
    if not before or max(before) == -math.inf:
        return math.nan
    return max(values) - max(before)


def last_improvement(cell: SearchedCell) -> int | None:
    """Return the number of the best trial, counted from 1; None without a complete one."""
    complete = [
        (-one.val_iou, number)
        for number, one in enumerate(cell.trials, 1)
        if one.state == TrialState.COMPLETE
    ]
    return min(complete)[1] if complete else None


def more_may_help(cell: SearchedCell) -> bool | None:
    """Return whether more trials may gain more than a seed's luck; None if that is unknown.

    A grid has no further trials.
    """
    found, sd = further_gain(cell), seed_sd(cell)
    if math.isnan(found) or cell.sampler == GRID:
        return None
    return found > (MARGIN if math.isnan(sd) else sd)
