"""The paths and files of runs and sweeps; tidy tables out of them. No torch here.

A run is finished exactly when its `result.json` exists: it is written last.
"""

import csv
import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

import yaml

from segsweep.errors import StoreError
from segsweep.files import csv_text, is_locked, read_json, write_json, write_text

if TYPE_CHECKING:
    from pandas import DataFrame

RETRIED = "retried"
"""The cause in `failure.json` once a failed run was started anew."""
COUNTS = ("tp", "fp", "fn", "tn")
PER_IMAGE = ("run_id", "split", "at", "image", *COUNTS)
HISTORY = ("epoch", "train_loss", "val_loss", "val_iou", "val_dice", "val_score", "lr", "seconds")
MEASURED = (
    *("seed", "fold", "lr", "status", "epochs", "best_epoch"),
    *("val_loss", "val_iou", "val_dice", "val_score"),
    *("test_iou", "test_dice", "test_score", "n_test"),
    *("parameters", "seconds", "peak_memory_mb", "device", "version", "git_commit"),
    *("data_fingerprint", "started", "finished", "error"),
)
PLAN = (
    "run_id",
    "kind",
    "cell",
    "model",
    "loss",
    "seed",
    "fold",
    "folder",
    "requested_at",
    "request",
)

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _PlainDumper(_Dumper):
    """Writes a list that stands in two places twice, not as a reference."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that nothing is to be referred to."""
        return True


@dataclass(frozen=True)
class RunPaths:
    """Every file of one run."""

    root: Path

    @property
    def config(self) -> Path:
        """The frozen config: what this run is, whatever happens to `conf/`."""
        return self.root / "config.yaml"

    @property
    def split(self) -> Path:
        """Which sample was in which part."""
        return self.root / "split.csv"

    @property
    def environment(self) -> Path:
        """Machine, versions, device, threads."""
        return self.root / "environment.json"

    @property
    def history(self) -> Path:
        """A row per epoch."""
        return self.root / "history.csv"

    @property
    def per_image(self) -> Path:
        """Counts of each validation and test image."""
        return self.root / "per_image.csv"

    @property
    def outlines(self) -> Path:
        """Outlines of truth and prediction on the test images."""
        return self.root / "outlines.json"

    @property
    def test_reads(self) -> Path:
        """When and why the test set was scored."""
        return self.root / "test_reads.csv"

    @property
    def result(self) -> Path:
        """The result; its existence says that the run is finished."""
        return self.root / "result.json"

    @property
    def failure(self) -> Path:
        """Why the last attempt failed, until a result replaces it."""
        return self.root / "failure.json"

    @property
    def log(self) -> Path:
        """What the run said."""
        return self.root / "train.log"

    @property
    def preview(self) -> Path:
        """Pictures of validation images."""
        return self.root / "preview"

    @property
    def checkpoints(self) -> Path:
        """Best and last weights."""
        return self.root / "checkpoints"

    @property
    def claim(self) -> Path:
        """Locked by the process that trains this run."""
        return self.root / ".claim"

    def status(self) -> str:
        """Return planned | running | interrupted | failed | finished."""
        if read_json(self.result) is not None:  # one that is cut short has to be made again
            return "finished"
        if is_locked(self.claim):
            return "running"
        failure = read_json(self.failure)
        if failure is not None:
            return "interrupted" if failure.get("cause") == RETRIED else "failed"
        started = self.history.exists() or self.environment.exists()
        return "interrupted" if started else "planned"


@dataclass(frozen=True)
class SweepPaths:
    """Every file of a sweep beside its runs."""

    root: Path

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def plan(self) -> Path:
        """All that was ever asked for in this sweep."""
        return self.root / "plan.csv"

    @property
    def trials(self) -> Path:
        """The runs of searches."""
        return self.root / "trials.csv"

    @property
    def results(self) -> Path:
        """A row per run."""
        return self.root / "results.csv"

    @property
    def per_image(self) -> Path:
        """Counts of all runs."""
        return self.root / "per_image.csv"

    @property
    def comparison(self) -> Path:
        """A row per cell."""
        return self.root / "comparison.csv"

    @property
    def pairs(self) -> Path:
        """A row per contrast of cells, architectures, losses."""
        return self.root / "pairs.csv"

    @property
    def answer(self) -> Path:
        """What is settled and what is not, in sentences."""
        return self.root / "answer.json"

    @property
    def page(self) -> Path:
        """The report to look at."""
        return self.root / "report.html"

    @property
    def curves(self) -> Path:
        """Loss and score over the epochs, per architecture."""
        return self.root / "curves.png"

    @property
    def lock(self) -> Path:
        """Held by the one command that carries runs of this sweep out."""
        return self.root / "lock"

    @property
    def plan_lock(self) -> Path:
        """Held for the moment in which plan and configs are written."""
        return self.root / ".plan.lock"

    def run(self, folder: str) -> RunPaths:
        """Return the paths of the run in *folder* below `runs/`."""
        return RunPaths(self.runs / folder)

    def run_folders(self) -> list[RunPaths]:
        """Return the runs there are, by name; folders without a config are none."""
        found = sorted(self.runs.iterdir()) if self.runs.is_dir() else []
        return [RunPaths(path) for path in found if (path / "config.yaml").is_file()]


def folder_name(model: str, loss: str, seed: int, run_id: str) -> str:
    """Return the name of a run's folder: readable first, unique by its id."""
    return f"{model}-{loss}-s{seed}-{run_id}"


def config_text(config: Mapping[str, Any], known: dict[str, str] | None = None) -> str:
    """Return a frozen config as YAML.

    *known* remembers the text of each top-level key: those of many runs have most in common.
    """
    known = {} if known is None else known
    parts = []
    for item in config.items():
        name = repr(item)
        if name not in known:
            known[name] = yaml.dump(
                dict([item]), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True
            )
        parts.append(known[name])
    return "".join(parts)


def holds(path: Path, text: str) -> bool:
    """Whether the file at *path* is there and holds *text*."""
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write a frozen config, unless it stands there already."""
    text = config_text(config)
    if not holds(path, text):
        write_config_text(path, text)


def write_config_text(path: Path, text: str) -> None:
    """Write a frozen config, whole or not at all.

    Nobody waits for the disk here: what a power failure takes, the same command writes again.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_config(path: Path) -> dict[str, Any]:
    """Return a frozen config; StoreError if it cannot be read."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StoreError(f"{path}: cannot be read ({type(error).__name__})") from error
    if not isinstance(values, dict):
        raise StoreError(f"{path}: holds no config")
    return values


def readable_configs(runs: Iterable[RunPaths]) -> Iterator[dict[str, Any]]:
    """Yield the frozen configs of *runs*, without those that cannot be read."""
    for paths in runs:
        with suppress(StoreError):
            yield read_config(paths.config)


def write_history(paths: RunPaths, history: Sequence[Mapping[str, float]]) -> None:
    """Write the epochs' rows."""
    write_text(paths.history, csv_text(history, HISTORY))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return a CSV's rows as text; an absent file has none, and a last one cut short is none."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return []
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    return rows if text.endswith("\n") else rows[:-1]


def add_test_read(paths: RunPaths, when: str, images: int) -> None:
    """Note, before it happens, that the test set is about to be scored."""
    rows: list[Mapping[str, Any]] = list(read_rows(paths.test_reads))
    before = len(list(paths.root.parents[1].glob(f"earlier/{paths.root.name}-*")))
    reason = "repeat after a crash" if len(rows) > before else "the run's one reading"
    if before and len(rows) <= before:
        reason = "the run was done again"
    rows.append({"time": when, "reason": reason, "images": images})
    write_text(paths.test_reads, csv_text(rows, ("time", "reason", "images")))


def record_failure(paths: RunPaths, cause: str, error: str, trace: str, when: str) -> None:
    """Write `failure.json`, counting attempts.

    Args:
        paths: the run.
        cause: raised | non-finite | refused, and where a process ended without a word
            killed | exited | time-limit.
        error: one line.
        trace: the traceback, or the last lines of output, for whoever mends it.
        when: time of the failure, ISO 8601.

    """
    attempts = (read_json(paths.failure) or {}).get("attempts", 0) + 1
    values = {"cause": cause, "error": error, "attempts": attempts, "time": when}
    write_json(paths.failure, {**values, "traceback": trace})


def add_to_plan(sweep: SweepPaths, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add the runs that the plan does not hold yet; a run stands there once per request."""
    known = read_rows(sweep.plan)
    fresh = missing_rows(known, rows)
    if fresh:
        write_text(sweep.plan, csv_text([*known, *fresh], PLAN))


def missing_rows(
    known: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return those of *rows* whose run the plan's *known* rows do not hold for that request."""
    stands = {(row["run_id"], row["request"]) for row in known}
    asked = {(row["run_id"], row["request"]): row for row in rows}
    return [row for key, row in asked.items() if key not in stands]


@dataclass
class _Run:
    """What a run's folder says."""

    stamp: tuple[int, ...] | None
    """Of `result.json`; None for a run that is not finished."""
    config: dict[str, Any]
    values: dict[str, Any]
    """The config as dotted key -> value."""
    record: dict[str, Any]
    images: str | None = None
    """The rows of `per_image.csv`, once they were asked for."""


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

    def images(self, path: str) -> str:
        """Return the rows of `per_image.csv` of the finished run in folder *path*."""
        run = self._runs[path]
        if run.images is None:
            run.images = _image_rows(RunPaths(Path(path)).per_image, run.record["run_id"])
        return run.images


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
        """A row per run that is no trial (DESIGN: results.csv)."""
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
        finished = [run["path"] for run in self.runs if run["status"] == "finished"]
        return ",".join(PER_IMAGE) + "\n" + "".join(map(self.known.images, finished))

    @cached_property
    def history(self) -> "DataFrame":
        """Columns run_id, kind, cell, model, loss, seed and those of history.csv."""
        from pandas import DataFrame

        names_of_a_run = ("run_id", "kind", "cell", "model", "loss", "seed")
        parts = []
        for run in self.runs:
            frame = _read_table(RunPaths(Path(run["path"])).history, HISTORY)
            if frame is not None:
                names = {key: run[key] for key in names_of_a_run}
                parts.append(frame.assign(**names))
        columns = [*names_of_a_run, *HISTORY]
        return _concatenated(parts, columns) if parts else DataFrame(columns=columns)

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
    from segsweep.cells import cell_name, swept_among

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
    swept = swept_among([run.config for run in runs], [run.values for run in runs])
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
    from segsweep.cells import flat_values

    config = read_config(paths.config)
    record = _record(paths, config)
    finished = record["status"] == "finished"
    return _Run(stamp if finished else None, config, flat_values(config), record)


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _record(paths: RunPaths, config: dict[str, Any]) -> dict[str, Any]:
    """Return one run as a flat record: its config's names, its result or its failure."""
    status = paths.status()
    result = read_json(paths.result)
    if result is None and paths.result.exists():
        warnings.warn(f"{paths.result}: cut short; the run counts as {status}", stacklevel=5)
    failure = (read_json(paths.failure) or {}) if status == "failed" else {}
    record: dict[str, Any] = {
        "path": str(paths.root),
        "run_id": config["run_id"],
        "kind": config["kind"],
        "model": config["choices"]["model"],
        "loss": config["choices"]["loss"],
        "seed": config["seed"],
        "fold": config["data"]["split"]["fold"],
        "lr": config["optimizer"].get("lr"),
        "data_fingerprint": config["data_fingerprint"],
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
    except (OSError, ValueError, KeyError, StoreError) as error:  # pandas' errors are ValueErrors
        why = str(error) if isinstance(error, StoreError) else type(error).__name__
        warnings.warn(f"{path}: left out ({why})", stacklevel=5)
        return ""
    return rows


def _read_images(text: io.StringIO) -> "DataFrame":
    from pandas import read_csv

    types = {**dict.fromkeys(PER_IMAGE, "str"), **dict.fromkeys(COUNTS, "int64")}
    return read_csv(text, dtype=types, keep_default_na=False)[list(PER_IMAGE)]


_CELL = r'[^,"\r\n]*'
_PLAIN_IMAGES = re.compile(
    ",".join(PER_IMAGE) + "\n"
    rf"((?:{_CELL},{_CELL},{_CELL},{_CELL},[0-9]+,[0-9]+,[0-9]+,[0-9]+\n)*+)"
)


def _read_table(path: Path, columns: Sequence[str]) -> "DataFrame | None":
    """Return *columns* of a CSV; None where there is none, or it is spoilt, which is said."""
    from pandas import read_csv

    try:
        return read_csv(path)[list(columns)]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as error:  # pandas' own errors are ValueErrors
        warnings.warn(f"{path}: left out ({type(error).__name__})", stacklevel=3)
        return None


def _concatenated(parts: "list[DataFrame]", columns: Sequence[str]) -> "DataFrame":
    from pandas import concat

    return concat(parts, ignore_index=True)[list(columns)]


def per_image_text(run_id: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a run's per_image.csv from rows of split, at, image and counts."""
    return csv_text([{"run_id": run_id, **row} for row in rows], PER_IMAGE)
