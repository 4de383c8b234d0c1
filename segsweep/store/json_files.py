"""The JSON files of a run as typed values; an error names the file and the key. No torch."""

import json
import re
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import TypeVar, cast

from segsweep.config.typed import is_number, shortened, wrong_type
from segsweep.errors import StoredFileError
from segsweep.metrics import metric_of
from segsweep.store.states import Cause
from segsweep.system.files import JsonObject, file_stamp, is_settled, read_plain
from segsweep.system.terminal import visible

MOST_BYTES = 1 << 24
"""A larger file was not written by a run."""
SCORES = ("val_", "test_", "last_")
"""What the keys of scores start with."""
ROUNDING = 1e-9
"""What a mean may exceed the limits of its metric by."""
_LEAST = {
    **{"epochs": 1, "best_epoch": 1, "n_test": 0, "parameters": 0},
    **{"seconds": 0, "peak_memory_mb": 0, "multiply_adds": 0},
}
"""The lowest value that a key of `result.json` can have."""
_OWN_ID = re.compile(r"-([0-9a-f]{12})$")
"""The run id at the end of a run folder's name."""
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
    pruned: bool = False
    """Whether it is a trial that its search ended early."""
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
    """Return a run's result; None if there is no file, StoredFileError if it is damaged.

    It is kept until the file changes: a command asks several times for each finished run.
    """
    stamp = file_stamp(path)
    known = _results.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    result = _read_result(path)
    if result is not None and is_settled(stamp):
        _results[path] = stamp, result
    return result


_results: dict[Path, tuple[tuple[int, ...], Result]] = {}


def _read_result(path: Path) -> Result | None:
    result = _read(Result, path)
    if result is None:
        return None
    for key, value in result.values.items():
        if value is not None and (wrong := _wrong_value(key, value, result)):
            raise StoredFileError(path, f"damaged, {wrong}", key)
    own = _OWN_ID.search(path.parent.name)
    if own is not None and result.run_id not in ("", own[1]):
        raise StoredFileError(path, f"damaged, {shortened(result.run_id)} is another run", "run_id")
    return result


def _wrong_value(key: str, value: object, result: Result) -> str:
    """Say why a *value* of a result is impossible; "" if it is not."""
    metric = metric_of(key.removeprefix("last_"))
    if key in _LEAST or key.startswith(SCORES):
        if not is_number(value):
            return f"{shortened(value)} is not a number"
        number = float(str(value))
        if key in _LEAST and number < _LEAST[key]:
            return f"{shortened(value)} is less than {_LEAST[key]}"
        low, high = metric.limits if metric is not None else (number, number)
        if not low - ROUNDING <= number <= high + ROUNDING:
            return f"{shortened(value)} is outside {low:g} to {high:g}"
    if key == "best_epoch" and result.epochs is not None and number > result.epochs:
        return f"{shortened(value)} is more than the {result.epochs} epochs"
    return ""


def read_failure(path: Path) -> Failure | None:
    """Return a run's failure; None if there is no file, StoredFileError if it is damaged.

    Control characters in its texts, from a user's class, become visible: a report shows them.
    """
    found = _read(Failure, path)
    if found is None:
        return None
    texts = {key: visible(one) for key, one in found.values.items() if isinstance(one, str)}
    return replace(found, error=visible(found.error), values={**found.values, **texts})


def read_environment(path: Path) -> Environment | None:
    """Return a run's environment; None if there is no file, StoredFileError if it is damaged."""
    return _read(Environment, path)


def known_result(path: Path) -> Result | None:
    """Return a run's result; None if it is missing or damaged."""
    try:
        return read_result(path)
    except StoredFileError:
        return None


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
    return kind(
        **{key: given[key] for key in _names(cast("type", kind)) & given.keys()},
        **{"values": values},
    )


@cache
def _names(kind: type) -> frozenset[str]:
    return frozenset(item.name for item in fields(kind))
