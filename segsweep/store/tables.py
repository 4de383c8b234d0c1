"""A sweep as tidy tables, built from the files of its runs. No torch here."""

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsweep.config.run_config import FrozenConfig
from segsweep.errors import StoreError
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import COUNTS, HISTORY, PER_IMAGE, read_config
from segsweep.store.states import Status
from segsweep.system.files import read_json

if TYPE_CHECKING:
    from pandas import DataFrame

MEASURED = (
    *("seed", "fold", "lr", "status", "epochs", "best_epoch"),
    *("val_loss", "val_iou", "val_dice", "val_score"),
    *("test_iou", "test_dice", "test_score", "n_test"),
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
            run.images = _image_rows(RunPaths(Path(path)).per_image, run.record["run_id"])
        return run.images

    def epochs(self, path: str) -> str:
        """Return the rows of `history.csv` of the run in folder *path*, finished or not."""
        run = self._runs[path]
        if run.epochs is None or run.stamp is None:
            run.epochs = _epoch_rows(RunPaths(Path(path)).history)
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
        """Columns run_id, split, at, image, tp, fp, fn, tn of all finished runs."""
        return _read_images(io.StringIO(self.per_image_text))

    @cached_property
    def per_image_text(self) -> str:
        """The same as CSV."""
        finished = [run["path"] for run in self.runs if run["status"] == Status.FINISHED]
        return ",".join(PER_IMAGE) + "\n" + "".join(map(self.known.images, finished))

    @cached_property
    def history(self) -> "DataFrame":
        """Columns run_id, kind, cell, model, loss, seed and those of history.csv."""
        from pandas import DataFrame, read_csv

        rows = [self.known.epochs(run["path"]) for run in self.runs]
        counts = [text.count("\n") for text in rows]
        number = [place for place, count in enumerate(counts) for _ in range(count)]
        names = DataFrame(self.runs, columns=list(NAMES)).iloc[number].reset_index(drop=True)
        epochs = read_csv(io.StringIO(f"{','.join(HISTORY)}\n{''.join(rows)}"))
        return names.join(epochs)

    def _frame(self, kind: str) -> "DataFrame":
        from pandas import DataFrame

        columns = list(dict.fromkeys(["run_id", "model", "loss", *self.swept, *MEASURED]))
        rows = [run for run in self.runs if run["kind"] == kind]
        return DataFrame([{key: run.get(key) for key in columns} for run in rows], columns=columns)


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
    return record | {key: value for key, value in (result or {}).items() if key in MEASURED}


def _image_rows(path: Path, run_id: str) -> str:
    """Return the rows of a run's per_image.csv; none where there is no such file.

    A file as we write it is taken as it stands; one with other columns or quotes goes through
    pandas. One that is spoilt, or another run's, is left out, which is said.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if (plain := _PLAIN_IMAGES.fullmatch(text)) is not None:
            rows = plain[1]
            alien = rows.count("\n") != f"\n{rows}".count(f"\n{run_id},")
        else:
            frame = _read_images(io.StringIO(text))
            rows = frame.to_csv(index=False, header=False, lineterminator="\n")
            alien = bool((frame["run_id"] != run_id).any())
        if alien:
            raise StoreError(f"rows of another run than {run_id}")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, StoreError) as error:  # pandas' own errors are ValueErrors
        warnings.warn(f"{path}: left out ({_why(error)})", stacklevel=5)
        return ""
    return rows


def _read_images(text: io.StringIO) -> "DataFrame":
    from pandas import read_csv

    types = {**dict.fromkeys(PER_IMAGE, "str"), **dict.fromkeys(COUNTS, "int64")}
    return _with_columns(read_csv(text, dtype=types, keep_default_na=False), PER_IMAGE)


def _with_columns(frame: "DataFrame", names: Sequence[str]) -> "DataFrame":
    """Return the columns *names*; StoreError where some are missing."""
    missing = [name for name in names if name not in frame]
    if missing:
        raise StoreError(f"lacks the columns {', '.join(missing)}")
    return frame[list(names)]


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, StoreError) else type(error).__name__


_CELL = r'[^,"\r\n]*'
_PLAIN_IMAGES = re.compile(
    ",".join(PER_IMAGE) + "\n"
    rf"((?:{_CELL},{_CELL},{_CELL},{_CELL},[0-9]+,[0-9]+,[0-9]+,[0-9]+\n)*+)"
)


def _epoch_rows(path: Path) -> str:
    """Return the rows of a run's history.csv, its last one only if whole; none without a file.

    One with other columns goes through pandas; one that is spoilt is left out, which is said.
    """
    from pandas import read_csv

    try:
        text = path.read_text(encoding="utf-8")
        if (plain := _PLAIN_EPOCHS.fullmatch(text)) is not None:
            return plain[1]
        frame = _with_columns(read_csv(io.StringIO(text)), HISTORY).astype(float)
        return str(frame.to_csv(index=False, header=False, lineterminator="\n"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError, StoreError) as error:  # pandas' own errors are ValueErrors
        warnings.warn(f"{path}: left out ({_why(error)})", stacklevel=5)
        return ""


_NUMBER = r"(?:[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?|[-+]?inf|nan)?"
_PLAIN_EPOCHS = re.compile(
    ",".join(HISTORY) + "\n" + rf"((?:[0-9]+(?:,{_NUMBER}){{{len(HISTORY) - 1}}}\n)*+)"
)
