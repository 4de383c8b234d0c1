"""Runs as read from their folders; finished ones are kept in memory. No torch."""

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from segsweep import metrics
from segsweep.config.run_config import FrozenConfig
from segsweep.config.truth import VALIDATION_ONLY
from segsweep.errors import StoredFileError
from segsweep.store.image_checks import OWN_SIZES, check_images
from segsweep.store.json_files import (
    Environment,
    Failure,
    read_environment,
    read_failure,
    read_result,
)
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_config
from segsweep.store.run_rows import epoch_rows, image_rows
from segsweep.store.states import Status
from segsweep.system.files import file_stamp

if TYPE_CHECKING:
    from segsweep.store.chosen import Chosen

S = TypeVar("S")
PLACEMENT = ("precision", "threads")
"""Columns from `environment.json`: how the run computed, not what its config asks for."""
PRUNED = "pruned"
"""The column of trials that their search ended early; it is there if there are some."""


def measured_columns() -> tuple[str, ...]:
    """Return the columns of results.csv that follow the swept keys."""
    return (
        *("seed", "fold", "lr", "status", "epochs", "best_epoch", "val_loss"),
        *(*metrics.columns("val"), *metrics.columns("test"), "n_test"),
        *("parameters", "multiply_adds", "seconds", "peak_memory_mb", "device"),
        *("version", "git_commit", "data_fingerprint", "data_target"),
        *("started", "finished", "error"),
        *PLACEMENT,
        "last_val_iou",
    )


@dataclass(frozen=True)
class RunRecord:
    """One run: its names, its status, its settings and its row of the tables."""

    path: Path
    """The run's folder."""
    run_id: str
    kind: str
    """run | trial."""
    model: str
    loss: str
    seed: int
    status: Status
    settings: Mapping[str, object]
    """The config as dotted key -> value."""
    columns: Mapping[str, object]
    """The row in results.csv or trials.csv, by column; columns without a value are missing."""
    cell: str = ""
    data: str = ""
    """The data set and the target, as comparisons are named."""
    cause: str = ""
    """Why it failed, as `segsweep.store.states.Cause`; empty if it did not."""
    chosen: "Chosen | None" = None
    """What the search of its cell chose, of a run at values that a search fills in."""

    @property
    def validation_only(self) -> bool:
        """Whether its split has no test part."""
        return self.settings.get(VALIDATION_ONLY) is True

    @property
    def is_tested(self) -> bool:
        """Whether it reads test images at its end; a trial of a search never does."""
        return self.kind == "run" and not self.validation_only


@dataclass
class StoredRun:
    """The content of a run's folder, read once."""

    stamp: tuple[int, ...]
    """Identifies the version of `result.json`; empty for a run that is not finished."""
    config: FrozenConfig
    record: RunRecord
    images: str | None = None
    """The rows of `per_image.csv`; None until they are needed."""
    epochs: str | None = None
    """The rows of `history.csv`; None until they are needed."""
    damages: dict[Path, StoredFileError] = field(default_factory=dict)
    """The damaged files found so far, by their path."""


class RunCache:
    """Keeps the finished runs that `read_all` has read: they do not change, so once is enough.

    Pass the same cache to `read_all` again to read only the runs that have changed.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._runs: dict[Path, StoredRun] = {}

    def run(self, paths: RunPaths) -> StoredRun:
        """Return a run, from memory if it still has the result that was read."""
        stamp = file_stamp(paths.result)
        cached = self._runs.get(paths.root)
        if cached is None or not stamp or cached.stamp != stamp:
            self._runs[paths.root] = cached = _read_run(paths, stamp)
        return cached

    def forget(self, paths: RunPaths) -> None:
        """Read the run again on its next use: a file other than its result was written."""
        self._runs.pop(paths.root, None)

    def damages(self, folder: Path) -> dict[Path, StoredFileError]:
        """Return the damaged files that were found in the run's *folder* so far."""
        return self._runs[folder].damages

    def images(self, folder: Path) -> str:
        """Return the rows of `per_image.csv` of the finished run in *folder*."""
        run = self._runs[folder]
        if run.images is None:
            run.images = ""
            path = RunPaths(folder).per_image
            try:
                run.images = complete_images(path, run.record)
            except StoredFileError as damage:
                run.damages[path] = damage
                warnings.warn(f"{path}: ignored: {damage.reason}", stacklevel=5)
        return run.images

    def epochs(self, folder: Path) -> str:
        """Return the rows of `history.csv` of the run in *folder*, finished or not."""
        run = self._runs[folder]
        if run.epochs is None or not run.stamp:
            run.epochs = ""
            path = RunPaths(folder).history
            try:
                run.epochs = epoch_rows(path)
                _check_epochs(path, run)
            except StoredFileError as damage:
                run.damages[path] = damage
                warnings.warn(f"{path}: ignored: {damage.reason}", stacklevel=5)
        return run.epochs


def complete_images(path: Path, run: RunRecord) -> str:
    """Return the rows of a finished run's per_image.csv; StoredFileError if they are not whole."""
    rows, wanted = image_rows(path, run.run_id), run.columns.get("n_test")
    split = RunPaths(run.path).split
    stored = metrics.BOUNDARY if has_boundary(run) else ()
    wanted = wanted if isinstance(wanted, int) else None
    check_images(rows, path, split, wanted, stored, _most_pixels(run.settings))
    return rows


def _check_epochs(path: Path, run: StoredRun) -> None:
    """Tell that the history of a finished run has lost epochs; the others are shown."""
    count, wanted = (run.epochs or "").count("\n"), run.record.columns.get("epochs")
    if run.stamp and count and isinstance(wanted, int) and count < wanted:
        run.damages[path] = StoredFileError(path, f"has {count} of {wanted} epochs")
        warnings.warn(str(run.damages[path]), stacklevel=6)


def _most_pixels(settings: Mapping[str, object]) -> int | None:
    """Return the most pixels of an image that count; None if all have equally many."""
    if settings.get("data.tile") is not None:
        return OWN_SIZES
    if not settings.get("data.ignore"):
        return None
    sides = [int(side) for side in re.findall(r"\d+", str(settings.get("data.size")))]
    return sides[0] * sides[-1] if sides else None


def has_boundary(run: RunRecord) -> bool:
    """Whether distances between outlines are stored for each test image."""
    return run.is_tested and run.settings.get("evaluate.boundary") is True


def _read_run(paths: RunPaths, stamp: tuple[int, ...]) -> StoredRun:
    config = read_config(paths.config)
    damages: dict[Path, StoredFileError] = {}
    record = _record(paths, config, damages)
    finished = record.status == Status.FINISHED
    return StoredRun(stamp if finished else (), config, record, damages=damages)


def _measured(result: Mapping[str, object]) -> dict[str, object]:
    columns = (*measured_columns(), PRUNED)
    return {key: value for key, value in result.items() if key in columns}


def _record(
    paths: RunPaths, config: FrozenConfig, damages: dict[Path, StoredFileError]
) -> RunRecord:
    """Return a run with what its config and its result or failure say; add its *damages*."""
    from segsweep.config.cells import flat_values

    status = paths.status()

    def read(reader: Callable[[Path], S | None], path: Path) -> S | None:
        try:
            return reader(path)
        except StoredFileError as damage:
            damages[path] = damage
            counts = "" if path == paths.environment else f"; the run counts as {status}"
            warnings.warn(f"{damage}{counts}", stacklevel=6)
            return None

    stored = read(read_result, paths.result)
    result = {} if stored is None else stored.values
    open_or_failed = status not in (Status.FINISHED, Status.RUNNING)
    failure = (read(read_failure, paths.failure) if open_or_failed else None) or Failure()
    environment = (read(read_environment, paths.environment) or Environment()).values
    model, loss = config.choices["model"], config.choices["loss"]
    return RunRecord(
        path=paths.root,
        run_id=config.run_id,
        kind=config.kind,
        model=model,
        loss=loss,
        seed=config.seed,
        status=status,
        settings=flat_values(config.values),
        columns={
            "run_id": config.run_id,
            "model": model,
            "loss": loss,
            "seed": config.seed,
            "fold": config.data.split.fold,
            "lr": config.optimizer.get("lr"),
            "data_fingerprint": config.data_fingerprint,
            "data_target": config.data_target,
            "status": status,
            "error": failure.error if status == Status.FAILED else None,
            **_measured(result),
            **{key: environment.get(key) for key in PLACEMENT},
        },
        cause=failure.cause if status == Status.FAILED else "",
    )
