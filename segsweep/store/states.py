"""The words that runs and their attempts are described by, in files, tables and messages."""

from enum import StrEnum


class Status(StrEnum):
    """How far a run is, as its folder shows it."""

    FINISHED = "finished"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    PLANNED = "planned"


class AttemptStatus(StrEnum):
    """How an attempt at a run ended."""

    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CLAIMED = "claimed"
    """Another process was training the run."""
    DISK_FULL = "disk-full"


class Cause(StrEnum):
    """Why an attempt failed."""

    NONE = ""
    RAISED = "raised"
    NON_FINITE = "non-finite"
    """The loss became NaN or infinite."""
    REFUSED = "refused"
    """Its frozen config or its data changed."""
    KILLED = "killed"
    EXITED = "exited"
    """The process ended by itself, without a result."""
    TIME_LIMIT = "time-limit"
    CLAIMED = "claimed"
    RETRIED = "retried"
    """An earlier attempt failed; a new one has started."""
