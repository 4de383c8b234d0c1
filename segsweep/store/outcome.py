"""How an attempt at a run ended, as recorded in the run's folder. No torch."""

from dataclasses import dataclass

from segsweep.store.paths import RunPaths
from segsweep.store.states import AttemptStatus, Cause
from segsweep.system.files import read_json

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


def finished_outcome(paths: RunPaths) -> Outcome | None:
    """Return the outcome stored in `result.json`; None if the file is missing or damaged."""
    result = read_json(paths.result)
    if result is None:
        return None
    value = result.get("val_iou")
    iou = NAN if value is None else float(value)
    return Outcome(paths.root.name, AttemptStatus.FINISHED, iou, trained=False)


def failed_outcome(paths: RunPaths) -> Outcome:
    """Return the outcome that another process stored in `failure.json`."""
    failure = read_json(paths.failure) or {}
    cause = failure.get("cause")
    return Outcome(
        paths.root.name,
        AttemptStatus.FAILED,
        NAN,
        str(failure.get("error", "unknown")),
        trained=False,
        cause=Cause(cause) if cause in set(Cause) else Cause.NONE,
    )
