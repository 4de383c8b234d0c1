"""What can go wrong, one shallow tree; a message is one line: what, where, what to do next."""


class SegsweepError(Exception):
    """Anything segsweep itself reports; printed without a traceback."""


class ConfigError(SegsweepError):
    """The configuration cannot be used; nothing was started."""


class DataError(SegsweepError):
    """The images or masks cannot be used; nothing was started."""


class StoreError(SegsweepError):
    """A run or sweep folder cannot be read or written."""


class SweepNotFoundError(StoreError):
    """There is no sweep at that path or of that name."""


class RunNotFoundError(StoreError):
    """No run has that path, name or id, or several have."""


class DiskFullError(StoreError):
    """Nothing more can be written; what was written is whole."""


class RunClaimedError(StoreError):
    """Another live process is training this run."""


class SweepLockedError(StoreError):
    """Another live command is working on this sweep."""


class NonFiniteLossError(SegsweepError):
    """The loss became NaN or infinite; the run stops and counts as failed."""


class Interrupted(SegsweepError):  # noqa: N818  what happened, not a fault
    """Someone asked the run to stop; it left a checkpoint and can go on."""
