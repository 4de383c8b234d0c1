"""Decide whether a run resumes from its checkpoint or starts from scratch.

A run that was killed or interrupted resumes. A run that failed on its own (an exception, a
non-finite loss, an exit) starts from scratch, because its state may be the reason; so does a
run whose checkpoint cannot be read.
"""

from collections.abc import Callable

from segsweep.errors import StoreError
from segsweep.store.json_files import Failure, known_failure
from segsweep.store.paths import RunPaths
from segsweep.store.states import Cause
from segsweep.system.files import write_json
from segsweep.system.progress import Progress
from segsweep.training.build import Job
from segsweep.training.checkpoint import Checkpoints

FROM_SCRATCH = (Cause.RAISED, Cause.NON_FINITE, Cause.EXITED)
"""Causes of failure after which the checkpoint is not used."""


def resumed_or_new(build: Callable[[], Job], paths: RunPaths, progress: Progress) -> Job:
    """Return the run that *build* returns, with the state of its checkpoint if it resumes."""
    failure = known_failure(paths.failure)
    checkpoints = Checkpoints(paths.checkpoints)
    if (failure or Failure()).cause in FROM_SCRATCH:
        checkpoints.clear()
    if failure is not None and failure.cause != Cause.RETRIED:
        write_json(
            paths.failure, {**failure.values, "cause": Cause.RETRIED}
        )  # after a kill it resumes
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
        reason = type(error).__name__
        raise StoreError(f"{job.checkpoints.last}: does not fit this run ({reason})") from error
    if job.state.best_epoch:  # needed only at the end, but better checked now
        _check_best(job)
    return True


def _check_best(job: Job) -> None:
    """Raise StoreError if the best epoch's weights are not those of this run's network."""
    weights = job.checkpoints.load_best(job.state.best_epoch)
    expected = job.state.judged.state_dict()
    if not isinstance(weights, dict) or weights.keys() != expected.keys():
        raise StoreError(
            f"{job.checkpoints.best(job.state.best_epoch)}: contains weights of another network"
        )
