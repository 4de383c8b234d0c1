"""What one command is about: the runs it asks for and how they ended."""

import sys
from dataclasses import dataclass, field

from segsweep.store.outcome import Outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.retention import CheckpointCap
from segsweep.store.tables import Known
from segsweep.sweep.lock import SweepLock
from segsweep.sweep.planning.plan import Planned
from segsweep.sweep.refresh import Refresher
from segsweep.system.signals import StopRequest


class Ended(SystemExit):
    """The command cannot go on: with code 2 nothing was started, with 1 some of it was done.

    A SystemExit, because Hydra swallows every other exception of a callback or job.
    """

    def __init__(self, error: Exception, code: int = 2) -> None:
        """*error* is the reason."""
        super().__init__(code)
        self.error = error


@dataclass
class Session:
    """State of one command, for Hydra's plugins, callbacks and task function alike."""

    stop: StopRequest = field(default_factory=StopRequest)
    sweep: SweepPaths | None = None
    planned: list[Planned] = field(default_factory=list)
    """Runs that the command asks for, in order; empty in a search, which finds them one by one."""
    outcomes: list[Outcome] = field(default_factory=list)
    only_plan: bool = False
    """The command was to stop after the plan."""
    lock: SweepLock | None = None
    refresher: Refresher | None = None
    known: Known = field(default_factory=Known)
    """Finished runs that were read for the tables."""
    threads: int = 0
    """CPU threads of each run of the sweep; 0 until they are known."""
    cap: CheckpointCap | None = None
    """What the checkpoints of the sweep's finished runs take, once runs are launched."""
    repaired: bool = False
    """Whether what an earlier command left half moved was put right."""

    @property
    def asked(self) -> int:
        """How many runs the command asks for, where that is known in advance."""
        return len(self.planned)

    @property
    def request(self) -> str:
        """The command's arguments: the same command is the same request."""
        return " ".join(sys.argv[1:])

    def hold(self, sweep: SweepPaths) -> None:
        """Be the one command that works on *sweep*, until the end; SweepLockedError if not."""
        if self.lock is None:
            sweep.root.mkdir(parents=True, exist_ok=True)
            lock = SweepLock(sweep.lock)
            lock.acquire()
            self.lock = lock

    def refresher_of(self, sweep: SweepPaths) -> Refresher:
        """Return the command's one refresher: a search launches run by run, and each may write."""
        self.refresher = self.refresher or Refresher(sweep, self.known)
        return self.refresher

    def refresh(self) -> None:
        """Keep the sweep's tables current, where runs are carried out in this process."""
        if self.sweep is not None:
            refresher = self.refresher_of(self.sweep)
            refresher.changed = True
            refresher.tick()

    def settle(self) -> None:
        """Wait for tables that are being written, before others write them."""
        if self.refresher is not None:
            self.refresher.close()

    def release(self) -> None:
        """Let others work on the sweep."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None


current = Session()
