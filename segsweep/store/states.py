"""Status and cause: the words that files, tables and messages use for runs and attempts."""

from enum import StrEnum


class Status(StrEnum):
    """The state of a run, as its folder shows it."""

    FINISHED = "finished"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    PLANNED = "planned"
    SUPERSEDED = "superseded"
    """Of a run in the tables: its search has chosen other values since."""


OPEN_STATUSES = (Status.RUNNING, Status.INTERRUPTED, Status.PLANNED)
"""Of runs that have neither a result nor a failure."""


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
    """The frozen config or the data have changed."""
    KILLED = "killed"
    EXITED = "exited"
    """The process exited without a result."""
    TIME_LIMIT = "time-limit"
    CLAIMED = "claimed"
    RETRIED = "retried"
    """An earlier attempt failed; a new one has started."""
