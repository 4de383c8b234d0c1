"""How an attempt at a run ended; a module of its own, because looking imports no torch."""

from dataclasses import dataclass

from segsweep.store.paths import RunPaths
from segsweep.system.files import read_json

NAN = float("nan")


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a run ended."""

    run: str
    status: str
    """finished | failed; from a process of its own also interrupted | claimed | disk-full."""
    value: float
    """Validation IoU of the selected epoch, NaN for a failed run."""
    error: str = ""
    trained: bool = True
    """False where the run was finished before."""
    cause: str = ""
    """Of a failure, as in `failure.json`."""


def finished_outcome(paths: RunPaths) -> Outcome | None:
    """Return what a run's result says; None where there is none that can be read."""
    result = read_json(paths.result)
    if result is None:
        return None
    value = result.get("val_iou")
    return Outcome(paths.root.name, "finished", NAN if value is None else value, trained=False)


def failed_outcome(paths: RunPaths) -> Outcome:
    """Return what a run's failure says, which somebody else recorded."""
    failure = read_json(paths.failure) or {}
    error, cause = str(failure.get("error", "unknown")), str(failure.get("cause", ""))
    return Outcome(paths.root.name, "failed", NAN, error, trained=False, cause=cause)
