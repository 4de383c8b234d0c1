"""A sweep as tidy tables, built from the files of its runs. No torch here."""

import io
import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsweep import metrics
from segsweep.config.run_config import FrozenConfig
from segsweep.errors import StoreError
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import history_columns, image_columns, read_config
from segsweep.store.run_rows import epoch_rows, image_rows, means_of, read_images
from segsweep.store.states import Status
from segsweep.system.files import read_json

if TYPE_CHECKING:
    from pandas import DataFrame


def measured_columns() -> tuple[str, ...]:
    """Return the columns of results.csv that follow the swept keys."""
    return (
        *("seed", "fold", "lr", "status", "epochs", "best_epoch", "val_loss"),
        *(*metrics.columns("val"), *metrics.columns("test"), "n_test"),
        *("parameters", "seconds", "peak_memory_mb", "device", "version", "git_commit"),
        *("data_fingerprint", "started", "finished", "error"),
    )


NAMES = ("run_id", "kind", "cell", "model", "loss", "seed")
"""What names a run in a table of epochs."""


@dataclass
class _Run:
    """What a run's folder says."""

    stamp: tuple[int, ...] | None
    """Of `result.json`; None for a run that is not finished."""
    config: FrozenConfig
    values: dict[str, Any]
    """The config as dotted key -> value."""
    record: dict[str, Any]
    images: str | None = None
    """The rows of `per_image.csv`, once they were asked for."""
    epochs: str | None = None
    """Those of `history.csv`, likewise."""


class Known:
    """Finished runs that were read before: they never change, so they are read once.

    Who rebuilds the tables of a sweep again and again keeps one, for `read_all`.
    """

    def __init__(self) -> None:
        """Start with nothing read."""
        self._runs: dict[str, _Run] = {}

    def run(self, paths: RunPaths) -> _Run:
        """Return what a run says, from memory if it has the result that it had then."""
        name, stamp = str(paths.root), _stamp(paths.result)
        known = self._runs.get(name)
        if known is None or stamp is None or known.stamp != stamp:
            self._runs[name] = known = _read_run(paths, stamp)
        return known

    def values(self, path: str) -> dict[str, Any]:
        """Return the config of the run in folder *path* as dotted key -> value, as it was read."""
        return self._runs[path].values

    def images(self, path: str) -> str:
        """Return the rows of `per_image.csv` of the finished run in folder *path*."""
        run = self._runs[path]
        if run.images is None:
            run.images = image_rows(RunPaths(Path(path)).per_image, run.record["run_id"])
        return run.images

    def epochs(self, path: str) -> str:
        """Return the rows of `history.csv` of the run in folder *path*, finished or not."""
        run = self._runs[path]
        if run.epochs is None or run.stamp is None:
            run.epochs = epoch_rows(RunPaths(Path(path)).history)
        return run.epochs


@dataclass(frozen=True)
class Tables:
    """A sweep as tidy tables; built on first use, from files alone."""

    sweep: SweepPaths
    runs: list[dict[str, Any]]
    """A flat record per run, swept keys included; trials too."""
    swept: list[str]
    """Dotted keys, beside model and loss, whose values differ between cells."""
    known: Known

    @cached_property
    def results(self) -> "DataFrame":
        """A row per run that is no trial (docs/tables.md)."""
        return self._frame("run")

    @cached_property
    def trials(self) -> "DataFrame":
        """A row per trial, the same columns."""
        return self._frame("trial")

    @cached_property
    def per_image(self) -> "DataFrame":
        """Columns run_id, split, at, image, tp, fp, fn, tn, stored metrics; all finished runs."""
        return read_images(io.StringIO(self.per_image_text))

    @cached_property
    def per_image_text(self) -> str:
        """The same as CSV."""
        finished = [run["path"] for run in self.runs if run["status"] == Status.FINISHED]
        return ",".join(image_columns()) + "\n" + "".join(map(self.known.images, finished))

    @cached_property
    def history(self) -> "DataFrame":
        """Columns run_id, kind, cell, model, loss, seed and those of history.csv."""
        from pandas import DataFrame, read_csv

        rows = [self.known.epochs(run["path"]) for run in self.runs]
        counts = [text.count("\n") for text in rows]
        number = [place for place, count in enumerate(counts) for _ in range(count)]
        names = DataFrame(self.runs, columns=list(NAMES)).iloc[number].reset_index(drop=True)
        epochs = read_csv(io.StringIO(f"{','.join(history_columns())}\n{''.join(rows)}"))
        return names.join(epochs)

    def _frame(self, kind: str) -> "DataFrame":
        from pandas import DataFrame

        names = ["run_id", "model", "loss", *self.swept, *measured_columns()]
        columns = list(dict.fromkeys(names))
        rows = [self._with_metrics(run) for run in self.runs if run["kind"] == kind]
        return DataFrame([{key: run.get(key) for key in columns} for run in rows], columns=columns)

    def _with_metrics(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return *run* with the metrics that its result lacks, computed from its counts."""
        missing = [
            name
            for part in _parts_of(run)
            for name in metrics.columns(part)
            if run.get(name) is None
        ]
        if not missing or run["status"] != Status.FINISHED:
            return run
        text = f"{','.join(image_columns())}\n{self.known.images(run['path'])}"
        images = read_images(io.StringIO(text))
        empty = self.known.values(run["path"]).get("evaluate.empty")
        return run | means_of(images, missing, "skip" if empty == "skip" else "one")


def read_all(folder: Path | str, known: Known | None = None, strays: bool = True) -> Tables:
    """Return everything that a sweep folder holds; one warning for each file that is spoilt.

    Works on a half-finished, crashed or copied sweep. Runs that are *known* are not read again.
    With *strays* what is no run is warned of too; a sweep at work makes folders at any moment.
    Raises StoreError where there is no such folder.
    """
    from segsweep.config.cells import cell_name, swept_among

    known = Known() if known is None else known
    sweep = SweepPaths(Path(folder))
    if not sweep.runs.is_dir():
        raise StoreError(f"no sweep in {sweep.root}: it has no folder runs/")
    if strays:
        _warn_of_strays(sweep)
    runs = []
    for paths in sweep.run_folders():
        try:
            runs.append(known.run(paths))
        except (StoreError, KeyError, TypeError, AttributeError) as error:
            what = "" if isinstance(error, StoreError) else f"{paths.config}: is not whole, "
            warnings.warn(f"{paths.root.name} left out: {what}{error}", stacklevel=2)
    swept = swept_among([run.config.values for run in runs], [run.values for run in runs])
    records = [
        {
            **run.record,
            **{key: run.values.get(key) for key in swept},
            "cell": cell_name(run.values, swept),
        }
        for run in runs
    ]
    return Tables(sweep, records, swept, known)


def _warn_of_strays(sweep: SweepPaths) -> None:
    """Say what lies among the runs and is none; hidden files are the system's own."""
    for path in sorted(sweep.runs.iterdir()):
        if not path.name.startswith(".") and not (path / "config.yaml").is_file():
            warnings.warn(f"{path}: no run, for want of a config.yaml; left out", stacklevel=3)


def _read_run(paths: RunPaths, stamp: tuple[int, ...] | None) -> _Run:
    from segsweep.config.cells import flat_values

    config = read_config(paths.config)
    record = _record(paths, config)
    finished = record["status"] == Status.FINISHED
    return _Run(stamp if finished else None, config, flat_values(config.values), record)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _record(paths: RunPaths, config: FrozenConfig) -> dict[str, Any]:
    """Return one run as a flat record: its config's names, its result or its failure."""
    from segsweep.config.cells import run_names

    status = paths.status()
    result = read_json(paths.result)
    if result is None and paths.result.exists():
        warnings.warn(f"{paths.result}: cut short; the run counts as {status}", stacklevel=5)
    failure = (read_json(paths.failure) or {}) if status == Status.FAILED else {}
    record: dict[str, Any] = {
        "path": str(paths.root),
        **run_names(config.values),
        "lr": config.optimizer.get("lr"),
        "data_fingerprint": config.data_fingerprint,
        "status": status,
        "error": failure.get("error"),
    }
    measured = measured_columns()
    return record | {key: value for key, value in (result or {}).items() if key in measured}


def _parts_of(run: dict[str, Any]) -> tuple[metrics.Part, ...]:
    """Return the parts of the data on which *run* is scored; a trial never reads the test set."""
    return ("val", "test") if run["kind"] == "run" else ("val",)
