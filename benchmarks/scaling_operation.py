"""What `scaling.py` measures: one of segsweep's functions, and how its input is made up."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Work = Callable[[], object]


@dataclass(frozen=True)
class Operation:
    """Something whose time may grow with the number of items."""

    name: str
    unit: str
    """What is counted: images | runs | cells."""
    prepare: Callable[[Path, int], Work]
    """From an empty folder and the number of items to what is timed."""
    most: int = 100_000
    """Items beyond which making up the input takes too long or too much disk."""
