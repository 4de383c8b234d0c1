"""The looks of a race: when they are taken, what each may spend, what it found. No numpy."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class End(StrEnum):
    """Why a race has ended."""

    ONE = "one"
    """One cell is left."""
    GOOD = "as good"
    """All that are left are as good as the best within the margin."""
    IMAGES = "images"
    """Endless seeds would not separate those that are left."""
    HOURS = "hours"
    SEEDS = "seeds"
    """All seeds are used up."""


@dataclass(frozen=True)
class Judged:
    """What a look found about one cell."""

    cell: str
    seeds: int
    mean: float
    statistic: float
    """The largest t of the others against it."""
    p: float
    low: float
    """Simultaneous interval for its mean less the best of the others, at the look's level."""
    high: float
    out: bool
    """Whether it is ruled out."""


def looks_of(asked: Sequence[int], seeds: int) -> tuple[int, ...]:
    """Return the numbers of seeds at which a race over *seeds* seeds looks, increasing.

    Those beyond the number of seeds are dropped; that number is the last look.
    """
    return (*sorted({look for look in asked if 2 <= look < seeds}), seeds)


def spending(looks: int, level: float = 0.05) -> tuple[float, ...]:
    """Return the error of each of the looks: growing evenly, *level* in total."""
    whole = looks * (looks + 1) / 2
    return tuple(level * (look + 1) / whole for look in range(looks))


@dataclass(frozen=True)
class Look:
    """What a look found."""

    cells: list[Judged]
    """Those that it was taken over."""
    end: End | None
    """Why the race ends with it; None if it goes on."""

    @property
    def left(self) -> list[str]:
        """The cells that are not ruled out."""
        return [one.cell for one in self.cells if not one.out]
