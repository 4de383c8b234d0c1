"""What a command asks of the place where its runs execute."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from segsweep.store.outcome import Outcome
from segsweep.sweep.planning.budget import Cost
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.planning.work import Work
from segsweep.sweep.processes.slots import Slot

PRELOAD = ("segsweep.sweep.places.preload",)
"""What every run would import for itself; the fork server imports it once."""


class Place(Protocol):
    """Where runs are carried out."""

    def start(self) -> None:
        """Begin what takes long, while the command still composes."""

    def threads(self, todo: Sequence[PlannedRun]) -> int:
        """Return the CPU threads that pay off for each run there; 0: the place decides."""

    def prepare(
        self, todo: Sequence[PlannedRun]
    ) -> tuple[list[PlannedRun], list[Slot], dict[str, Cost]]:
        """Return the runs to do, the slots, and each run's cost, by name, where it can be known."""

    def launch(self, work: Work, slots: Sequence[Slot], costs: Mapping[str, Cost]) -> list[Outcome]:
        """Carry out the runs to do; return how they ended."""
