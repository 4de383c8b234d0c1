"""Whether a run resumes from its checkpoint or starts from scratch: decided here and nowhere else.

A run that was killed or interrupted resumes. A run that failed by itself (an exception, a
non-finite loss, an exit) starts from scratch, because its state may be damaged; so does a run
whose checkpoint cannot be read.
"""

from collections.abc import Callable

from segsweep.errors import StoreError
from segsweep.store.paths import RunPaths
from segsweep.store.states import Cause
from segsweep.system.files import read_json, write_json
from segsweep.system.progress import Progress
from segsweep.training.build import Job
from segsweep.training.checkpoint import Checkpoints

FROM_SCRATCH = (Cause.RAISED, Cause.NON_FINITE, Cause.EXITED)
"""Causes of failure after which the state in the checkpoint is not trusted."""


def resumed_or_new(build: Callable[[], Job], paths: RunPaths, progress: Progress) -> Job:
    """Return the run that *build* makes, with the state of its checkpoint where it resumes."""
    failure = read_json(paths.failure) or {}
    checkpoints = Checkpoints(paths.checkpoints)
    if failure.get("cause") in FROM_SCRATCH:
        checkpoints.clear()
    if failure.get("cause", Cause.RETRIED) != Cause.RETRIED:
        write_json(paths.failure, {**failure, "cause": Cause.RETRIED})  # a kill from now on resumes
    job = build()
    try:
        resumed = _load(job)
    except StoreError as error:
        checkpoints.clear()
        progress.announce(f"{error}; starting from scratch")
        return build()
    if resumed:
        progress.announce(f"resuming after epoch {job.state.epoch}, step {job.state.step}")
    return job


def _load(job: Job) -> bool:
    """Load the checkpoint into the run; False if there is none, StoreError if it is damaged."""
    saved = job.checkpoints.load()
    if saved is None:
        return False
    try:
        job.state.load(saved)
    except (KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        reason = f"{type(error).__name__}"
        raise StoreError(f"{job.checkpoints.last}: does not fit this run ({reason})") from error
    if job.state.best_epoch:  # needed at the end: damage is found now
        _check_best(job)
    return True


def _check_best(job: Job) -> None:
    weights = job.checkpoints.load_best(job.state.best_epoch)
    expected = job.state.judged.state_dict()
    if not isinstance(weights, dict) or weights.keys() != expected.keys():
        raise StoreError(f"{job.checkpoints.best(job.state.best_epoch)}: holds other weights")
