"""Executes planned runs through one of Hydra's launchers: joblib, submitit (SLURM), Ray, basic.

A launcher gets the paths of frozen configs. What it returns is ignored: a run's folder shows
whether it finished or failed. A run that did neither was killed, or was never started because
the launcher gave up; it is launched again.
"""

import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from segsweep.store.json_files import Failure, known_failure
from segsweep.store.outcome import Outcome, failed_outcome, finished_outcome
from segsweep.store.paths import RunPaths
from segsweep.store.records import record_failure
from segsweep.store.retention import CheckpointCap
from segsweep.store.states import AttemptStatus, Cause
from segsweep.sweep import session
from segsweep.sweep.feed import Feed
from segsweep.sweep.places.hydra_job import wait_while_held
from segsweep.sweep.places.launchers.launcher import launcher_named
from segsweep.sweep.places.local import TAIL_LINES
from segsweep.sweep.places.modules import library_words, modules_for
from segsweep.sweep.places.retry import Retries
from segsweep.sweep.planning.budget import Cost
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.planning.preflight import prepare_slots
from segsweep.sweep.planning.work import Work
from segsweep.sweep.processes.server import start_server
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.refresh import Refresher
from segsweep.sweep.session import CommandExit
from segsweep.system.clock import time_text
from segsweep.system.files import last_lines

POLL_SECONDS = 5.0
MOST_WATCHED = 64
"""Open runs whose progress is looked at for the page: jobs start in order."""


class HydraPlace:
    """One of Hydra's own launchers, on this machine or elsewhere."""

    def __init__(self, launcher: Launcher, choice: str, config: DictConfig) -> None:
        """*choice* is the launcher's name on the command line, *config* its own config."""
        self.launcher, self.config = launcher, config
        self.known = launcher_named(choice)

    def start(self, words: Collection[str] = ()) -> None:
        """Do nothing: the launcher starts its own processes."""

    def threads(self, todo: Sequence[PlannedRun]) -> int:
        """Return the CPU threads of a job; 0 if the machine where it runs decides."""
        return self.known.threads(self.config)

    def prepare(
        self, todo: Sequence[PlannedRun], times: Mapping[str, int] | None = None
    ) -> tuple[list[PlannedRun], list[Slot], dict[str, Cost]]:
        """Measure a step of each kind of run, if the jobs run on this machine."""
        current, jobs = session.current, self.known.jobs_here(self.config)
        if current.sweep is None or not jobs:
            return list(todo), [], {}
        start_server(modules_for(library_words(todo)))
        return prepare_slots(todo, current.sweep, current.stop, jobs, times)

    def launch(
        self,
        work: Work,
        slots: Sequence[Slot],
        costs: Mapping[str, Cost],
        feed: Feed | None = None,
    ) -> list[Outcome]:
        """Launch the runs to do; CommandExit if the launcher can start no job."""
        if feed is not None:
            return self._launch_feed(feed, work)
        current, command = session.current, work.todo[0].command_config
        assert current.sweep is not None
        current.cap = current.cap or CheckpointCap(current.sweep, command.keep_gb)
        with _watching(work.todo, current.cap):
            return _launch_until_done(self.launcher, self.known.shares_fate, work.todo)

    def _launch_feed(self, feed: Feed, work: Work) -> list[Outcome]:
        """Launch what *feed* asks for, round by round: a launcher returns when all jobs ended."""
        outcomes: list[Outcome] = []
        places = None if feed.whole_rounds else self.known.jobs_here(self.config) or None
        while found := feed.next_runs(places):
            feed.take_skipped()
            runs = [one.run for one in found]
            ended = self.launch(replace(work, todo=runs), [], {})
            outcomes += [feed.ended(outcome) for outcome in ended]
        return outcomes


def frozen_override(path: Path) -> str:
    """Return the override that names a frozen config, quoted for Hydra's grammar."""
    return f"frozen={_quoted(path)}"


def _quoted(path: Path) -> str:
    text = str(path.resolve()).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"


def _launch_until_done(
    launcher: Launcher, shares_fate: bool, runs: Sequence[PlannedRun]
) -> list[Outcome]:
    """Launch all runs; launch those again that were killed or never started."""
    attempts = {run.name: _attempts(run.paths) for run in runs}
    retries = Retries()
    todo = list(runs)
    while todo:
        logs = {run.name: _size(run.paths.log) for run in todo}
        batches = _batches(shares_fate, todo, retries)
        errors = [error for batch in batches if (error := _launch(launcher, batch)) is not None]
        error = errors[0] if errors else None
        for run in todo:
            wait_while_held(run.paths)
        rest = [run for run in todo if not _has_ended(run.paths, attempts[run.name])]
        touched = [run for run in rest if _size(run.paths.log) != logs[run.name]]
        if error is not None and len(rest) == len(todo) and not touched:
            raise CommandExit(error, 1)  # the launcher can start no job
        started = touched if error is not None else rest
        for run in started:
            if not retries.may_retry(run.name):
                _record_killed(run.paths, error)
        todo = [run for run in rest if not _has_ended(run.paths, attempts[run.name])]
        retried = {run.name for run in todo}
        for run in started:
            if run.name in retried:
                print(f"{run.name}: its job ended without a result; retrying", file=sys.stderr)
    return [_outcome(run.paths) for run in runs]


def _batches(
    shares_fate: bool, runs: Sequence[PlannedRun], retries: Retries
) -> list[list[PlannedRun]]:
    """Return the runs to launch together: all at once, except suspects where jobs share a fate.

    joblib ends all workers when one is killed. Each run that may have caused that is then
    launched alone, which shows the one that did.
    """
    if not shares_fate:
        return [list(runs)]
    suspects = [[run] for run in runs if retries.was_killed(run.name)]
    others = [run for run in runs if not retries.was_killed(run.name)]
    return [*([others] if others else []), *suspects]


def _launch(launcher: Launcher, runs: Sequence[PlannedRun]) -> Exception | None:
    """Launch and wait; return the launcher's exception: most raise if one job is killed."""
    from hydra.core.utils import setup_globals

    setup_globals()
    allow = [f"allow=[{','.join(run.config.allow)}]" for run in runs]
    folders = [run.paths.root.parents[2] for run in runs]  # Hydra makes its own folder in it
    words = [
        [frozen_override(run.paths.config), more, f"outputs={_quoted(folder)}"]
        for run, more, folder in zip(runs, allow, folders, strict=True)
    ]
    try:
        launcher.launch(words, 0)
    except Exception as error:
        return error
    return None


def _attempts(paths: RunPaths) -> int:
    return (known_failure(paths.failure) or Failure()).attempts


def _has_ended(paths: RunPaths, attempts: int) -> bool:
    return finished_outcome(paths) is not None or _attempts(paths) > attempts


def _record_killed(paths: RunPaths, error: Exception | None) -> None:
    said = f": {str(error).splitlines()[0]}" if error is not None and str(error) else ""
    output = "\n".join(last_lines(paths.log, TAIL_LINES))
    record_failure(
        paths, Cause.KILLED, f"its job ended without a result{said}", output, time_text()
    )


def _outcome(paths: RunPaths) -> Outcome:
    outcome = finished_outcome(paths) or failed_outcome(paths)
    return replace(outcome, trained=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _watching(runs: Sequence[PlannedRun], cap: CheckpointCap) -> Iterator[None]:
    """While a launcher waits for its jobs, print which runs end and refresh the tables.

    *cap* is the limit on the checkpoints of finished runs.
    """
    current = session.current
    assert current.sweep is not None
    over = threading.Event()
    watcher = threading.Thread(
        target=_watch, args=(runs, current.refresher_of(current.sweep), over, cap)
    )
    watcher.daemon = True
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _progress(runs: Iterable[RunPaths]) -> str:
    """Return a text that changes when one of the first open runs starts or finishes an epoch."""
    first = list(runs)[:MOST_WATCHED]
    return " ".join(f"{_size(run.environment)}-{_size(run.history)}" for run in first)


def _watch(
    runs: Sequence[PlannedRun], refresher: Refresher, over: threading.Event, cap: CheckpointCap
) -> None:
    open_runs = {run.name: run.paths for run in runs}
    attempts = {name: _attempts(paths) for name, paths in open_runs.items()}
    refresher.changed, seen = True, ""
    last = False
    while not last:
        last = over.wait(POLL_SECONDS)
        now = _progress(open_runs.values())
        refresher.changed, seen = refresher.changed or now != seen, now
        for name, paths in list(open_runs.items()):
            if _has_ended(paths, attempts[name]):
                del open_runs[name]
                outcome = _outcome(paths)
                if outcome.status == AttemptStatus.FINISHED:
                    cap.add(paths, outcome.value)
                note = f", {outcome.note}" if outcome.note else ""
                what = outcome.error or f"val IoU {outcome.value:.4f}{note}"
                print(f"[{len(runs) - len(open_runs)}/{len(runs)}] {name}  {what}", file=sys.stderr)
                refresher.changed = True
        refresher.refresh_if_due()
    refresher.wait()
