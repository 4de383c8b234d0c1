"""Executes planned runs in the slots of this machine: start, watch, record, retry."""

import errno
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from segsweep.config.cells import flat_values
from segsweep.config.run_config import Values
from segsweep.errors import DiskFullError, StoreError, SweepLockedError
from segsweep.store.json_files import Failure, known_failure
from segsweep.store.outcome import NAN, Outcome, finished_outcome
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import read_config, record_failure
from segsweep.store.retention import CheckpointCap
from segsweep.store.states import AttemptStatus, Cause
from segsweep.sweep import session
from segsweep.sweep.feed import Feed
from segsweep.sweep.lock import SweepLock
from segsweep.sweep.places.live_view import View
from segsweep.sweep.places.modules import library_words, modules_for
from segsweep.sweep.places.retry import Retries
from segsweep.sweep.planning.budget import Cost
from segsweep.sweep.planning.correct_cost import correct_cost
from segsweep.sweep.planning.plan import PlannedRun, cell_by_run
from segsweep.sweep.planning.preflight import prepare_slots, slots_for
from segsweep.sweep.planning.work import Work, work_for
from segsweep.sweep.processes.pool import Pool, Task, TaskResult
from segsweep.sweep.processes.server import start_server
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.processes.worker import EpochDone, train
from segsweep.sweep.refresh import Refresher
from segsweep.sweep.session import CommandExit
from segsweep.system.clock import time_text
from segsweep.system.files import last_lines, write_json
from segsweep.system.signals import StopRequest

FULL = "no space left on the disk; free some, then run the same command again to resume"
TAKEN_OVER = (
    "another command took over this sweep because this one seemed dead; "
    "wait for it, then run the same command again"
)
TAIL_LINES = 20


class Local:
    """The slots of this machine, the place of runs unless another launcher is chosen."""

    def start(self, words: Collection[str] = ()) -> None:
        """Start the fork server, which imports while the command composes."""
        start_server(modules_for(words))

    def threads(self, todo: Sequence[PlannedRun]) -> int:
        """Return the CPU threads that pay off for each run."""
        return slots_for(todo)[0].threads

    def prepare(
        self, todo: Sequence[PlannedRun], times: Mapping[str, int] | None = None
    ) -> tuple[list[PlannedRun], list[Slot], dict[str, Cost]]:
        """Return the runs to do, the slots, and each run's cost; ConfigError if they do not fit."""
        start_server(modules_for(library_words(todo)))
        return prepare_slots(todo, _sweep(), session.current.stop, times=times)

    def launch(
        self,
        work: Work,
        slots: Sequence[Slot],
        costs: Mapping[str, Cost],
        feed: Feed | None = None,
    ) -> list[Outcome]:
        """Execute the runs to do; CommandExit or KeyboardInterrupt if the sweep must stop."""
        current, sweep, command = session.current, _sweep(), work.todo[0].command_config
        if current.lock is not None:
            current.lock.publish_slots(len(slots))
        current.cap = current.cap or CheckpointCap(sweep, command.keep_gb)
        limit, refresher = command.time_limit, current.refresher_of(sweep)
        runner = SlotRunner(sweep, slots, current.stop, refresher, current.lock, limit, current.cap)
        seconds = {name: cost.seconds for name, cost in costs.items()}
        cells = cell_by_run([*work.finished, *work.skipped, *work.todo])
        try:
            skipped = [run.name for run in work.skipped]
            outcomes = (
                runner.run_all(work.todo, seconds, cells, skipped)
                if feed is None
                else runner.run_feed(feed, data_of(work.todo))
            )
        except OSError as error:  # writing the controller's own files
            if error.errno != errno.ENOSPC:
                raise
            raise CommandExit(DiskFullError(FULL), 1) from error
        if runner.full is not None:
            raise CommandExit(DiskFullError(runner.full.error), 1)
        if current.lock is not None and current.lock.taken_over:
            raise CommandExit(SweepLockedError(TAKEN_OVER), 1)
        if current.stop():
            raise KeyboardInterrupt
        return outcomes


def launch_one(run: PlannedRun) -> Outcome:
    """Execute a single run in a slot; raise what ends the command."""
    if (done := finished_outcome(run.paths)) is not None:
        return done
    local = Local()
    local.start()
    (outcome,) = local.launch(work_for([run]), slots_for([run]), {})
    return outcome


def data_of(planned: Sequence[PlannedRun]) -> str:
    """Return the names of the data sets of *planned*."""
    return ", ".join(dict.fromkeys(run.config.choices["data"] for run in planned))


def _sweep() -> SweepPaths:
    sweep = session.current.sweep
    assert sweep is not None, "the plan sets it before runs are launched"
    return sweep


@dataclass
class SlotRunner:
    """Executes runs in slots and decides what to do with each result."""

    sweep: SweepPaths
    slots: Sequence[Slot]
    stop: StopRequest
    refresher: Refresher
    lock: SweepLock | None = None
    time_limit: float | None = None
    cap: CheckpointCap | None = None
    full: Outcome | None = None
    """The run that found the disk full: no further run starts."""
    _retries: Retries = field(default_factory=Retries)
    _runs: dict[str, PlannedRun] = field(default_factory=dict)
    """Run name -> each run that was started, or will be."""
    _feed: Feed | None = None

    def run_all(
        self,
        planned: Sequence[PlannedRun],
        seconds: Mapping[str, float],
        cells: Mapping[str, str],
        skipped: Collection[str] = (),
    ) -> list[Outcome]:
        """Execute all runs; return the outcomes of those that finished or failed, as they ended.

        *seconds* are the expected seconds per run, by name; *cells* are the cells of all runs
        of the command, of which *skipped* failed before and are not retried.
        """
        expected = {run.name: seconds.get(run.name, 0.0) for run in planned}
        title = f"{self.sweep.root.name} on {data_of(planned)}"
        self._runs = {run.name: run for run in planned}
        with View(title, expected, len(self.slots), cells, skipped) as view, self.stop.deferring():
            pool = self._pool(view)
            tasks = [_task(run, expected[run.name]) for run in planned]
            return self._outcomes(pool, tasks, view)

    def run_feed(self, feed: Feed, data: str) -> list[Outcome]:
        """Execute the runs that *feed* asks for, until it has no more; return their outcomes.

        *data* names the data sets.
        """
        self._feed = feed
        expected = feed.expected()
        seconds = {name: one.seconds for name, one in expected.items()}
        cells = {name: one.cell for name, one in expected.items()}
        title = f"{self.sweep.root.name} on {data}"
        with View(title, seconds, len(self.slots), cells) as view, self.stop.deferring():
            pool = self._pool(view)
            feed.take_skipped()
            return self._outcomes(pool, self._next_tasks(len(self.slots), view), view)

    def _pool(self, view: View) -> Pool:
        return Pool(
            self.slots,
            self.time_limit,
            on_start=lambda task, slot: view.run_started(task.name, slot.number),
            on_message=lambda task, message: self._take(view, task, message),
            on_poll=lambda: self._poll(view),
        )

    def _outcomes(self, pool: Pool, tasks: Sequence[Task], view: View) -> list[Outcome]:
        """Execute *tasks* and those that follow from them; return the outcomes as they come."""
        outcomes = []
        for ended in pool.run(tasks, self._should_stop):
            outcome = self._handle(ended, self._runs[ended.task.name], pool, view)
            if outcome is None:
                continue
            if self._feed is not None:
                outcome = self._feed.ended(outcome)
            view.run_ended(outcome.run, outcome.status, outcome.value, outcome.error, outcome.note)
            outcomes.append(outcome)
            self.refresher.changed = True
            if not self._should_stop():
                for task in self._next_tasks(pool.free(), view):
                    pool.add(task)
        self.refresher.wait()
        over = (AttemptStatus.FINISHED, AttemptStatus.FAILED)
        return [outcome for outcome in outcomes if outcome.status in over]

    def _next_tasks(self, free: int, view: View) -> list[Task]:
        """Return the next tasks of the feed; none without a feed."""
        if self._feed is None:
            return []
        found = self._feed.next_runs(free)
        for place in self._feed.take_skipped():
            view.run_skipped(place)
        for place in self._feed.take_dropped():
            view.run_dropped(place)
        for one in found:
            self._runs[one.run.name] = one.run
            view.run_named(one.place, one.run.name, one.label)
        return [_task(one.run, one.seconds) for one in found]

    def _take(self, view: View, task: Task, message: object) -> None:
        """Show a run's message, and remember that the page has something new to tell."""
        self.refresher.changed = True
        if isinstance(message, EpochDone):
            view.epoch_done(task.name, message)
            if self._feed is not None:
                self._feed.epoch_done(task.name, message.epoch, message.val_iou)

    def _should_stop(self) -> bool:
        lost = self.lock is not None and self.lock.taken_over
        return self.stop() or self.full is not None or lost

    def _poll(self, view: View) -> None:
        view.print_if_quiet()
        self.refresher.refresh_if_due()

    def _handle(self, ended: TaskResult, run: PlannedRun, pool: Pool, view: View) -> Outcome | None:
        """Return the run's outcome; None if it is started again."""
        outcome = ended.value
        if not isinstance(outcome, Outcome):
            return self._ended_without_result(ended, run, pool, view)
        if outcome.status == AttemptStatus.CLAIMED and self._retries.may_wait(run.name):
            view.run_retried(run.name, "still held by a process of an earlier command")
            pool.add(ended.task)
            return None
        if outcome.status == AttemptStatus.INTERRUPTED and not self._should_stop():
            killed = TaskResult(ended.task, cause=Cause.KILLED, error="stopped by SIGTERM")
            return self._ended_without_result(killed, run, pool, view)
        if outcome.status == AttemptStatus.CLAIMED:
            return Outcome(run.name, AttemptStatus.FAILED, NAN, outcome.error, cause=Cause.CLAIMED)
        if outcome.status == AttemptStatus.DISK_FULL:
            self.full = outcome
        if outcome.cause == Cause.REFUSED:
            return _with_difference(outcome, run)
        if outcome.status == AttemptStatus.FINISHED:
            correct_cost(run)
            if self.cap is not None:
                self.cap.add(run.paths, outcome.value)
        return outcome

    def _ended_without_result(
        self, ended: TaskResult, run: PlannedRun, pool: Pool, view: View
    ) -> Outcome | None:
        """Retry a killed run once; record the failure of any other."""
        if self._should_stop() and ended.cause != Cause.TIME_LIMIT:  # the run did not fail
            return Outcome(run.name, AttemptStatus.INTERRUPTED, NAN)
        if ended.cause == Cause.KILLED and self._retries.may_retry(run.name):
            view.run_retried(run.name, ended.error)
            pool.add(ended.task)
            return None
        output = "\n".join(last_lines(run.paths.log, TAIL_LINES))
        record_failure(run.paths, ended.cause, ended.error, output, time_text())
        return Outcome(run.name, AttemptStatus.FAILED, NAN, ended.error, cause=ended.cause)


def _task(run: PlannedRun, seconds: float) -> Task:
    config = run.config
    arguments = (run.paths.config.resolve(), config.allow, config.trainer.epochs)
    return Task(run.name, train, arguments, seconds, run.paths.log.resolve())


def _with_difference(outcome: Outcome, run: PlannedRun) -> Outcome:
    """Add to a refused run's error where its config.yaml differs from the plan."""
    found = "; ".join(differences(run.config.values, run.paths))
    if not found:
        return outcome
    error = f"{outcome.error} [{found}]"
    failure = known_failure(run.paths.failure) or Failure()
    write_json(run.paths.failure, {**failure.values, "error": error})
    return Outcome(run.name, AttemptStatus.FAILED, NAN, error, cause=Cause.REFUSED)


def differences(planned: Values, paths: RunPaths) -> list[str]:
    """Return a text for each value of a run's config.yaml that differs from the plan."""
    try:
        found = flat_values(read_config(paths.config).values)
    except (StoreError, KeyError, TypeError, AttributeError):
        return []
    wanted = flat_values(planned)
    keys = [key for key in wanted if key in found and found[key] != wanted[key]]
    lines = [f"{key} is {found[key]}, planned {wanted[key]}" for key in keys]
    lines += [f"{key} is missing, planned {wanted[key]}" for key in wanted if key not in found]
    return lines + [f"{key} was not planned" for key in found if key not in wanted]
