"""Runs that become known only while others run: what a search or a race asks for next."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from segsweep.store.outcome import Outcome
from segsweep.sweep.planning.plan import PlannedRun


@dataclass(frozen=True)
class Expected:
    """A run that will be asked for, before its values are known."""

    cell: str
    seconds: float
    """Its expected duration; 0 if unknown."""


@dataclass(frozen=True)
class Next:
    """A run that can start now."""

    run: PlannedRun
    place: str
    """Its name among the expected runs."""
    label: str
    """How its progress is shown: `unet2/bce trial 3/8`."""
    seconds: float
    """Its expected duration; 0 if unknown."""


class Feed(Protocol):
    """Asks for runs, learns how they ended, and asks for more."""

    whole_rounds: bool
    """Whether a launcher that returns when all of its jobs have ended gets everything that could
    start, however many jobs it has at a time."""

    def expected(self) -> Mapping[str, Expected]:
        """Return every run that is still to do, by a name of its own."""

    def next_runs(self, free: int | None) -> list[Next]:
        """Return up to *free* runs that can start now, most urgent first; [] if none can yet.

        None: every run that no result could change, so one trial of each cell.
        """

    def epoch_done(self, run: str, epoch: int, val_iou: float) -> None:
        """Learn the validation IoU of an epoch of the run of this name."""

    def ended(self, outcome: Outcome) -> Outcome:
        """Learn how a run ended; return the outcome as it counts for the command."""

    def take_skipped(self) -> list[str]:
        """Return the names of expected runs that need no start, since the last call."""

    def take_dropped(self) -> list[str]:
        """Return the names of expected runs that nobody asks for any more, since the last call."""
