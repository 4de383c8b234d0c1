"""What one command is about: the runs it asks for and how they ended."""

import sys
from dataclasses import dataclass, field

from segsweep.execute import Outcome
from segsweep.stopping import StopRequest
from segsweep.store import SweepPaths
from segsweep.sweep.plan import Planned


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
    """State of one command, for Hydra's callbacks and its task function alike."""

    stop: StopRequest = field(default_factory=StopRequest)
    sweep: SweepPaths | None = None
    planned: list[Planned] = field(default_factory=list)
    """Runs that the command asks for, in order; empty in a search, which finds them one by one."""
    outcomes: list[Outcome] = field(default_factory=list)
    drawn: float = 0.0
    """When the sweep's tables were last written, by the monotonic clock."""
    cost: float = 0.0
    """What writing them took, seconds."""

    @property
    def asked(self) -> int:
        """How many runs the command asks for, where that is known in advance."""
        return len(self.planned)

    @property
    def request(self) -> str:
        """The command's arguments: the same command is the same request."""
        return " ".join(sys.argv[1:])


current = Session()
