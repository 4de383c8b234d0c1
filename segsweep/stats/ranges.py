"""Ranges of searched numbers: where a value lies in one, and how to make one wider."""

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

EDGE = 0.1
"""Share of a range at either end where a best value counts as at the end."""
FACTOR, SPAN = 10.0, 0.5
"""What widens a range: a factor on a log scale, else a share of its width."""


class End(StrEnum):
    """An end of a range."""

    LOWER = "lower"
    UPPER = "upper"


@dataclass(frozen=True)
class Range:
    """The numbers that a key was searched among: an interval, or a list."""

    low: float
    high: float
    log: bool = False
    whole: bool = False
    """Whether only whole numbers were tried."""
    listed: tuple[float, ...] = ()
    """The numbers of a list, ascending; empty for an interval."""

    def share(self, value: float) -> float:
        """Return where *value* lies, from 0 at the lower to 1 at the upper end."""
        if self.listed:
            return self.listed.index(value) / (len(self.listed) - 1)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def end_of(self, value: float) -> End | None:
        """Return the end that *value* is at; None inside, and where the range cannot be wider.

        Lists of fewer than three numbers have no inside.
        """
        if self.listed and (len(self.listed) < 3 or value not in self.listed):
            return None
        share = self.share(value)
        end = End.LOWER if share <= EDGE else End.UPPER if share >= 1 - EDGE else None
        return end if end is not None and self.wider(end) is not None else None

    def wider(self, end: End) -> "Range | None":
        """Return a range that reaches further at one *end*; None where it would fall below 0."""
        up = end == End.UPPER
        if self.listed:
            return self._longer(up)
        if self.log:
            low, high = (self.low, self.high * FACTOR) if up else (self.low / FACTOR, self.high)
            low = max(round(low), 1) if self.whole else low
        else:
            step = SPAN * (self.high - self.low)
            step = math.ceil(step) if self.whole else step
            low, high = (self.low, self.high + step) if up else (self.low - step, self.high)
            low = max(low, 0.0) if self.low >= 0 else low
        return None if low == self.low and not up else Range(low, high, self.log, self.whole)

    def _longer(self, up: bool) -> "Range | None":
        """Return a list with one more number, at the same distance or else in the same ratio."""
        values = self.listed
        first, second = (values[-1], values[-2]) if up else (values[0], values[1])
        steps = np.diff(values)
        even = bool(np.allclose(steps, steps[0]))
        added = even or first * second <= 0
        more = first + (first - second) if added else first * first / second
        if not up and values[0] >= 0 >= more:
            return None
        whole = self.whole and float(more).is_integer()
        every = tuple(sorted((*values, more)))
        return Range(every[0], every[-1], self.log, whole, every)
