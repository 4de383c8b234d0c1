"""Runs as read from their folders; finished ones are kept in memory. No torch."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from segsweep import metrics
from segsweep.config.run_config import FrozenConfig
from segsweep.store.paths import RunPaths
from segsweep.store.records import file_stamp, read_config
from segsweep.store.run_rows import epoch_rows, image_rows
from segsweep.store.states import Status
from segsweep.system.files import read_json

PLACEMENT = ("precision", "threads")
"""Columns from `environment.json`: how the run computed, not what its config asks for."""


def measured_columns() -> tuple[str, ...]:
    """Return the columns of results.csv that follow the swept keys."""
    return (
        *("seed", "fold", "lr", "status", "epochs", "best_epoch", "val_loss"),
        *(*metrics.columns("val"), *metrics.columns("test"), "n_test"),
        *("parameters", "multiply_adds", "seconds", "peak_memory_mb", "device"),
        *("version", "git_commit", "data_fingerprint", "data_target"),
        *("started", "finished", "error"),
        *PLACEMENT,
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

    def images(self, folder: Path) -> str:
        """Return the rows of `per_image.csv` of the finished run in *folder*."""
        run = self._runs[folder]
        if run.images is None:
            run.images = image_rows(RunPaths(folder).per_image, run.record.run_id)
        return run.images

    def epochs(self, folder: Path) -> str:
        """Return the rows of `history.csv` of the run in *folder*, finished or not."""
        run = self._runs[folder]
        if run.epochs is None or not run.stamp:
            run.epochs = epoch_rows(RunPaths(folder).history)
        return run.epochs


def _read_run(paths: RunPaths, stamp: tuple[int, ...]) -> StoredRun:
    config = read_config(paths.config)
    record = _record(paths, config)
    finished = record.status == Status.FINISHED
    return StoredRun(stamp if finished else (), config, record)


def _record(paths: RunPaths, config: FrozenConfig) -> RunRecord:
    """Return a run with what its config and its result or failure say."""
    from segsweep.config.cells import flat_values

    status = paths.status()
    result = read_json(paths.result)
    if result is None and paths.result.exists():
        warnings.warn(f"{paths.result}: damaged; the run counts as {status}", stacklevel=5)
    failure = (read_json(paths.failure) or {}) if status == Status.FAILED else {}
    environment = read_json(paths.environment) or {}
    model, loss = config.choices["model"], config.choices["loss"]
    measured = measured_columns()
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
            "error": failure.get("error"),
            **{key: value for key, value in (result or {}).items() if key in measured},
            **{key: environment.get(key) for key in PLACEMENT},
        },
    )
