"""The exceptions of segsweep. A message is one line: what, where, what to do next."""

from pathlib import Path


class SegsweepError(Exception):
    """Base of all errors that segsweep reports; printed without a traceback."""


class ConfigError(SegsweepError):
    """The configuration cannot be used; nothing was started."""


class DataError(SegsweepError):
    """The images or masks cannot be used; nothing was started."""


class UnnamedError(DataError):
    """A file can mean several things, of which a key of the data set names one."""

    def __init__(self, holds: str, key: str, otherwise: str) -> None:
        """Say what a file *holds*, what to do with the *key*, and what to do *otherwise*."""
        super().__init__(holds, key, otherwise)
        self.without_key = f"{holds}: {otherwise}"
        """The message where no key can be given."""

    def __str__(self) -> str:
        holds, key, otherwise = self.args
        return f"{holds}: {key}, or {otherwise}"


class UserCodeError(SegsweepError):
    """A class that the config names crashed, exited or hung; only its cells fail."""


class StoreError(SegsweepError):
    """A run or sweep folder cannot be read or written."""


class StoredFileError(StoreError):
    """A stored file is missing or damaged, or a value in it has the wrong type."""

    def __init__(self, path: Path, reason: str, field: str = "") -> None:
        """*field* is the key or column in the file at *path* that is wrong; empty: all of it."""
        super().__init__(f"{path}: {field}: {reason}" if field else f"{path}: {reason}")
        self.path, self.reason, self.field = path, reason, field


class WeightsError(StoreError):
    """The weights of a finished run were removed or damaged; training it again brings them back."""

    def __init__(self, folder: Path, message: str) -> None:
        """*folder* is the run's."""
        super().__init__(f"{message}; `segsweep show {folder}` prints the command that trains it")
        self.folder = folder
        self.reason = message


class SweepNotFoundError(StoreError):
    """There is no sweep at that path or of that name."""


class RunNotFoundError(StoreError):
    """No run, or more than one, matches the path, name or id."""


class DiskFullError(StoreError):
    """The disk is full; files written so far are complete."""


class NotWritableError(DiskFullError):
    """The folder of a sweep can no longer be written; files written so far are complete."""


class RunClaimedError(StoreError):
    """Another live process is training this run."""


class SweepLockedError(StoreError):
    """Another live command is working on this sweep."""


class NonFiniteLossError(SegsweepError):
    """The loss became NaN or infinite; the run stops and counts as failed."""


class Interrupted(SegsweepError):  # noqa: N818  an event, not an error
    """The run was asked to stop; it saved a checkpoint and can be resumed."""
