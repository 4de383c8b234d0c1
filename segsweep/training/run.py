"""Execute one run from its frozen config: build, train, evaluate, store."""

import errno
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from segsweep import __version__
from segsweep.config.run_config import FrozenConfig
from segsweep.data.parts import UNUSED, crossing_groups
from segsweep.data.split import write_split
from segsweep.errors import (
    ConfigError,
    DataError,
    DiskFullError,
    Interrupted,
    NonFiniteLossError,
    NotWritableError,
    RunClaimedError,
)
from segsweep.store.json_files import known_environment
from segsweep.store.outcome import NAN, Outcome, finished_outcome
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import (
    read_config,
    record_failure,
    write_history,
)
from segsweep.store.retention import delete_earlier_checkpoints, keep_checkpoints
from segsweep.store.states import AttemptStatus, Cause
from segsweep.system.clock import time_text
from segsweep.system.files import claimed, refuses_writing, write_json
from segsweep.system.progress import Progress
from segsweep.system.signals import StopRequest
from segsweep.training.build import Job, build_job
from segsweep.training.dataset import prepared_data
from segsweep.training.environment import environment_facts
from segsweep.training.evaluate import Scored
from segsweep.training.frozen import at_current_place, check_frozen
from segsweep.training.loop import Hooks, fit
from segsweep.training.pruning import Pruning
from segsweep.training.result import draw_validation, write_result
from segsweep.training.resume import resumed_or_new
from segsweep.training.state import Row

LAUNCHERS = ("submitit", "ray", "joblib")
"""Packages whose handlers of signals and time limits end a job by an error of their own."""


@dataclass(frozen=True)
class RunContext:
    """Everything that the caller of a run supplies besides its config."""

    stop: StopRequest = field(default_factory=StopRequest)
    """Stops the run when set."""
    on_start: Callable[[], None] = lambda: None
    """Called once the run is claimed: from now on its status is running."""
    on_epoch: Callable[[Row, bool], None] = lambda row, best: None
    """Called after each epoch: its row of the history, whether it is the best so far."""
    verbose: bool = True
    """Whether the run shows its progress in the terminal."""
    device: str | None = None
    """The device to compute on, in place of the config's."""


def execute(path: Path, allow: Sequence[str] = (), context: RunContext | None = None) -> Outcome:
    """Execute, resume or skip the run whose frozen config is at *path*.

    A failure is recorded and returned, also if the code of a class that the config names exits
    Python. Interrupted, DiskFullError and a KeyboardInterrupt by a signal are raised, because
    they end the sweep.

    Args:
        path: the run's `config.yaml`.
        allow: packages whose classes the config may name; its own list is not trusted.
        context: everything else that the caller supplies.

    """
    context = context or RunContext()
    paths = RunPaths(path.parent)
    if (done := finished_outcome(paths)) is not None:
        return done
    with _reporting_full_disk(paths), claimed(paths.claim) as is_claimed:
        if not is_claimed:
            raise RunClaimedError(
                f"run {paths.root.name} is being trained by another process; wait for it"
            )
        if (done := finished_outcome(paths)) is not None:  # by another process, just now
            return done
        _remove_temporary_files(paths)
        context.on_start()
        try:
            config = check_frozen(at_current_place(read_config(path), path, allow))
            config = config.with_values({"device": context.device}) if context.device else config
            value = _train_and_score(config, paths, context)
        except (ConfigError, DataError) as error:
            return _failed(paths, Cause.REFUSED, error)
        except NonFiniteLossError as error:
            return _failed(paths, Cause.NON_FINITE, error)
        except BaseException as error:
            if _ends_the_job(error, context.stop) or _ends_sweep(error, paths):
                raise
            exits = isinstance(error, SystemExit)
            return _failed(paths, Cause.EXITED if exits else Cause.RAISED, error)
        keep_checkpoints(paths, config.keep)
        done = finished_outcome(paths)
    note = "" if done is None else done.note
    return Outcome(paths.root.name, AttemptStatus.FINISHED, value, note=note)


def _ends_the_job(error: BaseException, stop: StopRequest) -> bool:
    """Whether *error* is no failure of the run: somebody stops the job.

    A class that the config names may raise KeyboardInterrupt or SystemExit as well.
    """
    if isinstance(error, KeyboardInterrupt):
        return stop.requested or not stop.installed
    by_launcher = any(name.split(".")[0] in LAUNCHERS for name in _origin(error))
    return by_launcher or isinstance(error, Interrupted)


def _origin(error: BaseException) -> tuple[str, str]:
    """Return the modules of the error's class and of the code that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    raised = "" if trace is None else str(trace.tb_frame.f_globals.get("__name__"))
    return type(error).__module__, raised


def _remove_temporary_files(paths: RunPaths) -> None:
    """Delete temporary files of a killed process; a config's may belong to another command."""
    for folder in (paths.root, paths.preview, paths.checkpoints):
        for file in folder.glob(".*.tmp"):
            if not file.name.startswith(f".{paths.config.name}."):
                file.unlink(missing_ok=True)


def _ends_sweep(error: BaseException, paths: RunPaths) -> bool:
    """Whether other runs would fail too: the disk is full, or their folder may be read only."""
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    return full or refuses_writing(error, paths.root.parents[1])


@contextmanager
def _reporting_full_disk(paths: RunPaths) -> Iterator[None]:
    """Raise DiskFullError in place of the system's error, for a read-only folder too."""
    try:
        yield
    except OSError as error:
        if not _ends_sweep(error, paths):
            raise
        if error.errno != errno.ENOSPC:
            raise NotWritableError(
                f"outputs: {paths.root.parents[1]} can no longer be written ({error.strerror}); "
                "make it writable, then run the same command again to resume"
            ) from error
        raise DiskFullError(
            f"no space left for {error.filename or paths.root}; free some, then run "
            "the same command again to resume"
        ) from error


def _train_and_score(config: FrozenConfig, paths: RunPaths, context: RunContext) -> float:
    """Train from the start or from the checkpoint, write the result, return validation IoU."""
    started = time.time()
    prepared = prepared_data(config)
    epochs = config.trainer.epochs
    progress = Progress(paths.root.name, epochs, paths.log, verbose=context.verbose)

    def build() -> Job:
        return build_job(config, paths, prepared, known_environment(paths.environment).values)

    job = resumed_or_new(build, paths, progress)
    _store_start(job, progress)
    pruning = _pruning(job)
    with context.stop.deferring(), _closing(progress):
        history = fit(
            job.state,
            job.loss_fn,
            job.train,
            job.val,
            job.loop,
            _hooks(job, progress, context, pruning),
            job.augment,
            job.placement.autocast if job.placement.precision != "float32" else None,
        )
    pruned = pruning is not None and pruning.pruned
    if pruned:
        progress.write(f"pruned at epoch {len(history)} of {epochs}: behind the study's others")
    return write_result(job, history, started, pruned)


def _pruning(job: Job) -> Pruning | None:
    """Return what may end a trial early; None if nothing may."""
    search, sweep = job.config.search, SweepPaths(job.paths.root.parents[1])
    if search.pruner == "none" or not search.study:
        return None
    name, epochs = job.paths.root.name, job.loop.epochs
    return Pruning(search.pruner, search.study, sweep, name, epochs)


def _hooks(job: Job, progress: Progress, context: RunContext, pruning: Pruning | None) -> Hooks:
    def epoch_done(history: list[Row], scored: Scored, best: bool) -> None:
        write_history(job.paths, history)
        context.on_epoch(history[-1], best)
        progress.epoch(history, best)
        every = job.config.trainer.preview_every
        if every and (best or len(history) % every == 0):
            draw_validation(job, scored, "best" if best else f"epoch-{len(history):04d}")
            if best and len(history) % every == 0:
                draw_validation(job, scored, f"epoch-{len(history):04d}")

    hooks = Hooks(job.checkpoints.save, epoch_done, progress.step, context.stop)
    return hooks if pruning is None else replace(hooks, should_end=pruning)


def _store_start(job: Job, progress: Progress) -> None:
    """Store the split and the environment; on resume, add what differs from the first start."""
    samples, parts = job.prepared.samples, job.parts
    write_split(job.paths.split, samples, parts)
    progress.write(f"segsweep {__version__}, {parts.count(UNUSED)} of {len(parts)} images unused")
    for line in crossing_groups(samples, parts):
        progress.write(line)
    if job.test is None and "test" in parts:
        progress.write("a trial of a search: its test images are not read")
    stored = known_environment(job.paths.environment)
    earlier = stored.values
    now = {
        **environment_facts(job.placement),
        "warnings": [f"{p.where}: {p.what}" for p in job.prepared.warnings],
    }
    placement = job.placement.values()
    watched = ("segsweep", "torch", "machine", *placement)
    changed = {key: now[key] for key in watched if earlier.get(key, now[key]) != now[key]}
    marks = [*stored.resumed_with, *([changed] if changed else [])]
    write_json(job.paths.environment, {**now, **earlier, **placement, "resumed_with": marks})
    delete_earlier_checkpoints(job.paths)


def _failed(paths: RunPaths, cause: Cause, error: BaseException) -> Outcome:
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, SystemExit):
        line = f"its code called sys.exit: exit code {error.code or 0}"
    elif cause == Cause.RAISED and str(error):
        line = f"{type(error).__name__}: {line}"
    record_failure(paths, cause, line, traceback.format_exc(), time_text())
    return Outcome(paths.root.name, AttemptStatus.FAILED, NAN, line, cause=cause)


@contextmanager
def _closing(progress: Progress) -> Iterator[None]:
    try:
        yield
    finally:
        progress.close()
