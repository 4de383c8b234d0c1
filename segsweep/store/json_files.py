"""The JSON files of a run as typed values; an error names the file and the key. No torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from segsweep.config.typed import is_number, shortened, wrong_type
from segsweep.errors import StoredFileError
from segsweep.store.states import Cause
from segsweep.system.files import JsonObject, file_stamp, is_settled, read_plain

MOST_BYTES = 1 << 24
"""A larger file was not written by a run."""
SCORES = ("val_", "test_", "last_")
"""What the keys of scores start with."""
NO_VALUES: JsonObject = {}
S = TypeVar("S")


@dataclass(frozen=True)
class Result:
    """A run's `result.json`. Versions differ in their keys, so any may be missing."""

    run_id: str = ""
    epochs: int | None = None
    best_epoch: int | None = None
    selected_by: str = ""
    val_iou: float | None = None
    n_test: int | None = None
    parameters: int | None = None
    seconds: float | None = None
    peak_memory_mb: float | None = None
    device: str = ""
    version: str = ""
    git_commit: str = ""
    data_fingerprint: str = ""
    started: str = ""
    finished: str = ""
    values: JsonObject = field(default_factory=dict)
    """All keys of the file."""


@dataclass(frozen=True)
class Failure:
    """A run's `failure.json`."""

    cause: str = ""
    error: str = "unknown"
    attempts: int = 0
    time: str = ""
    traceback: str = ""
    values: JsonObject = field(default_factory=dict)
    """All keys of the file."""

    @property
    def known_cause(self) -> Cause:
        """The cause; NONE for a word of another version."""
        return Cause(self.cause) if self.cause in set(Cause) else Cause.NONE


@dataclass(frozen=True)
class Environment:
    """A run's `environment.json`. Versions differ in their keys, so any may be missing."""

    device: str = ""
    threads: int | None = None
    precision: str = ""
    memory_format: str = ""
    lean: str = ""
    deterministic: bool = False
    segsweep: str = ""
    python: str = ""
    torch: str = ""
    platform: str = ""
    machine: str = ""
    processor: str = ""
    git_commit: str = ""
    command: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    resumed_with: list[object] = field(default_factory=list)
    values: JsonObject = field(default_factory=dict)
    """All keys of the file."""


def read_result(path: Path) -> Result | None:
    """Return a run's result; None if there is no file, StoredFileError if it is damaged."""
    result = _read(Result, path)
    for key, value in (result.values if result is not None else NO_VALUES).items():
        if key.startswith(SCORES) and value is not None and not is_number(value):
            raise StoredFileError(path, f"{shortened(value)} is not a number", key)
    return result


def read_failure(path: Path) -> Failure | None:
    """Return a run's failure; None if there is no file, StoredFileError if it is damaged."""
    return _read(Failure, path)


def read_environment(path: Path) -> Environment | None:
    """Return a run's environment; None if there is no file, StoredFileError if it is damaged."""
    return _read(Environment, path)


def known_result(path: Path) -> Result | None:
    """Return a run's result; None if it is missing or damaged.

    It is kept until the file changes: a command asks several times for each finished run.
    """
    stamp = file_stamp(path)
    known = _results.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    try:
        result = read_result(path)
    except StoredFileError:
        return None
    if result is not None and is_settled(stamp):
        _results[path] = stamp, result
    return result


_results: dict[Path, tuple[tuple[int, ...], Result]] = {}


def known_failure(path: Path) -> Failure | None:
    """Return a run's failure; None if it is missing or damaged."""
    try:
        return read_failure(path)
    except StoredFileError:
        return None


def known_environment(path: Path) -> Environment:
    """Return a run's environment; an empty one if it is missing or damaged."""
    try:
        return read_environment(path) or Environment()
    except StoredFileError:
        return Environment()


def read_object(path: Path, most: int = MOST_BYTES) -> JsonObject | None:
    """Return the JSON object in a file; None if there is none, StoredFileError if it is damaged."""
    try:
        values = json.loads(read_plain(path, most).decode())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoredFileError(path, f"damaged, cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise StoredFileError(path, "damaged, not JSON") from error
    if not isinstance(values, dict):
        raise StoredFileError(path, "damaged, not a JSON object")
    return values


def _read(kind: type[S], path: Path) -> S | None:
    values = read_object(path)
    if values is None:
        return None
    given = {key: value for key, value in values.items() if key != "values" and value is not None}
    if (wrong := wrong_type(kind, given)) is not None:
        raise StoredFileError(path, f"damaged, {wrong[1]}", wrong[0])
    return kind(**_known(kind, given), **{"values": values})


def _known(kind: type, values: Mapping[str, object]) -> dict[str, object]:
    return {item.name: values[item.name] for item in fields(kind) if item.name in values}
