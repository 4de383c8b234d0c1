"""How an attempt at a run ended, as recorded in the run's folder. No torch."""

from dataclasses import dataclass

from segsweep.store.json_files import Failure, known_failure, known_result
from segsweep.store.paths import RunPaths
from segsweep.store.states import AttemptStatus, Cause

NAN = float("nan")


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a run ended."""

    run: str
    """The name of the run's folder."""
    status: AttemptStatus
    value: float
    """Validation IoU of the selected epoch; NaN for a failed run."""
    error: str = ""
    trained: bool = True
    """False if this attempt did not train: the run had finished before, or another process did."""
    cause: Cause = Cause.NONE
    """Why it failed, as in `failure.json`."""
    note: str = ""
    """How a finished run ended, if not as planned."""

    @property
    def error_line(self) -> str:
        """Run and error; words of the run with which the error begins are not repeated."""
        first = self.error.partition(": ")[0]
        words = self.run.split(" ")
        if first not in words:
            return f"{self.run}: {self.error}"
        words.remove(first)
        return f"{self.error} [in {' '.join(words)}]" if words else self.error


def finished_outcome(paths: RunPaths) -> Outcome | None:
    """Return the outcome stored in `result.json`; None if the file is missing or damaged."""
    result = known_result(paths.result)
    if result is None:
        return None
    iou = NAN if result.val_iou is None else result.val_iou
    note = f"pruned at epoch {result.epochs}" if result.pruned else ""
    return Outcome(paths.root.name, AttemptStatus.FINISHED, iou, trained=False, note=note)


def stored_outcome(paths: RunPaths) -> Outcome | None:
    """Return the outcome that a run's folder holds; None if it was not executed or was stopped."""
    if (outcome := finished_outcome(paths)) is not None:
        return outcome
    return failed_outcome(paths) if paths.failure.exists() else None


def failed_outcome(paths: RunPaths) -> Outcome:
    """Return the outcome that another process stored in `failure.json`."""
    failure = known_failure(paths.failure) or Failure()
    return Outcome(
        paths.root.name,
        AttemptStatus.FAILED,
        NAN,
        failure.error,
        trained=False,
        cause=failure.known_cause,
    )
