"""The interface between a command and the place where its runs execute."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from segsweep.store.outcome import Outcome
from segsweep.sweep.feed import Feed
from segsweep.sweep.planning.budget import Cost
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.planning.work import Work
from segsweep.sweep.processes.slots import Slot


class Place(Protocol):
    """Where runs execute."""

    def start(self, words: Collection[str] = ()) -> None:
        """Start slow preparations in the background; called before the runs are planned.

        *words* are those of all runs, such as model=smp: what they name may need more of them.
        """

    def threads(self, todo: Sequence[PlannedRun]) -> int:
        """Return the best number of CPU threads of each run; 0: the place decides later."""

    def prepare(
        self, todo: Sequence[PlannedRun], times: Mapping[str, int] | None = None
    ) -> tuple[list[PlannedRun], list[Slot], dict[str, Cost]]:
        """Return the runs to do, the slots, and each run's cost, by name, where it can be known.

        *times* is run name -> how many runs like it there will be, where that is not one.
        """

    def launch(
        self,
        work: Work,
        slots: Sequence[Slot],
        costs: Mapping[str, Cost],
        feed: Feed | None = None,
    ) -> list[Outcome]:
        """Execute the runs to do; return their outcomes.

        With a *feed*, it asks for the runs one after the other, and those of *work* only tell what
        they are like.
        """
