"""How an attempt at a run ended; a module of its own, because looking imports no torch."""

from dataclasses import dataclass


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
