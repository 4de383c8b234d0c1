"""The state of one command: the runs it asks for and their outcomes."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from segsweep.config.schema import TrackerConfig
from segsweep.store.outcome import Outcome, stored_outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.retention import CheckpointCap
from segsweep.store.run_cache import RunCache
from segsweep.sweep.lock import SweepLock
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.planning.sweep_choices import SweepChoices
from segsweep.sweep.refresh import Refresher
from segsweep.system.secrets import masked
from segsweep.system.signals import StopRequest
from segsweep.tracking.process import Tracking
from segsweep.tracking.tracker import EVERY_RUN, NONE


class CommandExit(SystemExit):
    """Ends the command because of *error*: code 2 before any run started, 1 midway.

    A SystemExit, because Hydra catches every other exception of a callback or job.
    """

    def __init__(self, error: Exception, code: int = 2) -> None:
        """*error* is the reason, shown to the user."""
        super().__init__(code)
        self.error = error


@dataclass
class Session:
    """State of one command, shared by Hydra's plugins, callbacks and the task function."""

    stop: StopRequest = field(default_factory=StopRequest)
    sweep: SweepPaths | None = None
    planned: list[PlannedRun] = field(default_factory=list)
    """Requested runs, in order; empty in a search, which chooses them one by one."""
    jobs: list[int | None] = field(default_factory=list)
    """Place in `planned` of each job of Hydra's basic sweeper; None if it cannot start.

    Several jobs may be the same run.
    """
    outcomes: list[Outcome] = field(default_factory=list)
    plan_only: bool = False
    """The command stops after the plan (`plan=true`)."""
    lock: SweepLock | None = None
    refresher: Refresher | None = None
    run_cache: RunCache = field(default_factory=RunCache)
    """Finished runs that were already read for the tables."""
    choices: SweepChoices | None = None
    """What holds for all runs of the sweep; None until it is known."""
    cap: CheckpointCap | None = None
    """Limit on the checkpoints of the sweep's finished runs; set once runs are launched."""
    page_named: bool = False
    """Whether the path of the sweep's page was printed."""
    tracking: Tracking | None = None
    """Records the command's runs elsewhere; None unless a tracker is chosen."""
    repaired: bool = False
    """Whether folders that an earlier command left half moved were repaired."""

    @property
    def requested(self) -> int:
        """Number of runs that the command asks for; 0 in a search."""
        return len(self.planned)

    def run_of_job(self, number: int) -> PlannedRun | None:
        """Return the requested run of a job of Hydra's basic sweeper; None if it cannot start."""
        place = self.jobs[number]
        return None if place is None else self.planned[place]

    def add_stored_outcomes(self) -> None:
        """Add what requested runs stored that other processes than segsweep's own executed."""
        known = {outcome.run for outcome in self.outcomes}
        others = [run.paths for run in self.planned if run.name not in known]
        self.outcomes += [one for paths in others if (one := stored_outcome(paths)) is not None]

    @property
    def request(self) -> str:
        """The command's arguments, without passwords: the same command is the same request."""
        return masked(" ".join(sys.argv[1:]))

    def lock_sweep(self, sweep: SweepPaths) -> None:
        """Lock *sweep* until the command ends; SweepLockedError if another command holds it."""
        if self.lock is None:
            sweep.root.mkdir(parents=True, exist_ok=True)
            lock = SweepLock(sweep.lock)
            lock.acquire()
            self.lock = lock

    def track(self, runs: Sequence[PlannedRun]) -> None:
        """Let the command's tracker, if there is one, record *runs*, which are about to start."""
        if runs and self.sweep is not None and runs[0].tracker.name != NONE:
            self.tracking = self.tracking or Tracking(runs[0].tracker, self.sweep)
            self.tracking.add([run.name for run in runs])

    def track_all(self, tracker: TrackerConfig) -> None:
        """Let *tracker* record whatever starts in the sweep: its runs are planned elsewhere."""
        if self.sweep is not None and tracker.name != NONE:
            self.tracking = self.tracking or Tracking(tracker, self.sweep)
            self.tracking.add([EVERY_RUN])

    def close(self) -> None:
        """Wait for what is being written, then release the sweep."""
        self.wait_for_refresh()  # Python must not end while a thread imports native libraries
        if self.tracking is not None:
            self.tracking.close()
        self.unlock_sweep()

    def unlock_sweep(self) -> None:
        """Release the sweep's lock."""
        if self.lock is not None:
            self.lock.release()
            self.lock = None

    def refresher_of(self, sweep: SweepPaths) -> Refresher:
        """Return the command's only refresher: a search launches many times, one run each."""
        self.refresher = self.refresher or Refresher(sweep, self.run_cache)
        return self.refresher

    def refresh(self) -> None:
        """Update the sweep's tables after a change, if runs execute in this process."""
        if self.sweep is not None:
            refresher = self.refresher_of(self.sweep)
            refresher.changed = True
            refresher.refresh_if_due()

    def name_page(self) -> None:
        """Print where the sweep's page is, once a command, before the first run starts."""
        if self.sweep is not None and not self.page_named:
            self.page_named = True
            print(f"report: {self.sweep.page} (renewed while runs train)", file=sys.stderr)
            self.refresher_of(self.sweep).prepare()

    def wait_for_refresh(self) -> None:
        """Wait until a refresh that is in progress has finished."""
        if self.refresher is not None:
            self.refresher.wait()


current = Session()
