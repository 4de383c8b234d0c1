"""What a tracker is told of a run, read from the run's folder. No torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from segsweep.config.cells import flat_values
from segsweep.config.run_config import FACTS
from segsweep.store.json_files import Failure, known_failure, known_result
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_config, read_rows
from segsweep.store.states import Status

Plain: TypeAlias = str | int | float | bool | None
Row: TypeAlias = dict[str, float]
"""An epoch: column of history.csv -> value."""
RESULT = "result/"
"""What the names of a result's numbers start with: `val_iou` alone is the curve."""
COMPARED = "train_loss"
"""The curve by which a record is recognized as that of the stored history."""
ROUNDING = 1e-5
"""A tracker may keep numbers in single precision."""
_NO_SETTINGS = (*FACTS, "outputs", "sweep", "kind", "allow", "search.study")


@dataclass(frozen=True)
class RunFacts:
    """What is known of a run before its first epoch."""

    name: str
    """The name of its folder: readable parts, seed and id."""
    run_id: str
    sweep: str
    kind: str
    """run or trial."""
    settings: Mapping[str, Plain]
    """The config, by dotted key as in the tables."""
    labels: Mapping[str, str]
    """Facts that are no settings: version, hash of the data, a trial's study."""


@dataclass(frozen=True)
class Ending:
    """How a run stands when its record is closed."""

    status: Status
    error: str
    """Why it failed; empty otherwise."""
    numbers: Mapping[str, float]
    """The result: `result/test_iou` and others; empty unless it is finished."""
    labels: Mapping[str, str]
    """What the result says in words."""

    @property
    def words(self) -> dict[str, str]:
        """Status, error and labels, without those that are empty."""
        words = {"status": str(self.status), "error": self.error, **self.labels}
        return {key: text for key, text in words.items() if text}


def facts_of(paths: RunPaths) -> RunFacts:
    """Return what the run's config says; StoredFileError if it cannot be read."""
    config = read_config(paths.config)
    flat = flat_values(config.values)
    settings = {key: _plain(value) for key, value in flat.items() if key not in _NO_SETTINGS}
    labels = {
        "run_id": config.run_id,
        "kind": config.kind,
        "segsweep_version": config.segsweep_version,
        "data_fingerprint": config.data_fingerprint,
        "study": config.search.study,
    }
    return RunFacts(
        name=paths.root.name,
        run_id=config.run_id,
        sweep=paths.root.parents[1].name,
        kind=config.kind,
        settings=settings,
        labels={key: text for key, text in labels.items() if text},
    )


def epochs_of(paths: RunPaths) -> list[Row]:
    """Return the epochs of history.csv; none without a file, StoredFileError if it is damaged."""
    rows = read_rows(paths.history)
    return [{key: float(cell) for key, cell in row.items() if cell} for row in rows]


def ending_of(paths: RunPaths, status: Status) -> Ending:
    """Return how a run of that *status* stands."""
    result = known_result(paths.result) if status is Status.FINISHED else None
    failure = known_failure(paths.failure) if status is Status.FAILED else None
    values = {} if result is None else result.values
    numbers = {
        RESULT + key: float(value)
        for key, value in values.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    labels = {key: str(value) for key, value in values.items() if isinstance(value, str) and value}
    if result is not None and result.pruned:
        labels["pruned"] = "true"
    error = (failure or Failure()).error if status is Status.FAILED else ""
    return Ending(status, error, numbers, labels)


def epochs_held(curve: Mapping[int, float], rows: Sequence[Row]) -> int | None:
    """Return how many of the first *rows* a record holds; None if it holds others.

    *curve* is epoch -> training loss in the record.
    """
    first = rows[: len(curve)]
    same = len(first) == len(curve) and all(
        math.isclose(curve.get(int(row["epoch"]), math.nan), row[COMPARED], rel_tol=ROUNDING)
        for row in first
    )
    return len(curve) if same else None


def _plain(value: object) -> Plain:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
