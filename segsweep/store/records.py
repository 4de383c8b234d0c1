"""Read and write the stored files of runs and sweeps. No torch.

A run is finished exactly when its `result.json` exists: that file is written last.
"""

import csv
import errno
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING

import yaml

from segsweep.config.cells import as_cell_name
from segsweep.config.run_config import FrozenConfig, Values
from segsweep.errors import StoreError
from segsweep.metrics import COUNTS, columns, stored_columns
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.states import Cause
from segsweep.system.csv_cells import exact
from segsweep.system.files import csv_text, read_json, write_json, write_text

PER_IMAGE = ("run_id", "split", "at", "image", *COUNTS)
"""The fixed columns of per_image.csv; stored metrics follow (`image_columns`)."""
EPOCH = ("epoch", "train_loss", "val_loss", "lr", "seconds")
"""The fixed columns of history.csv; validation metrics come before lr (`history_columns`)."""
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
    "epochs",
)
"""The columns of plan.csv."""

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
if TYPE_CHECKING:
    from yaml import SafeDumper as _Dumper
else:
    _Dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _PlainDumper(_Dumper):
    """Writes YAML without anchors: a list used twice is written twice."""

    def ignore_aliases(self, data: object) -> bool:
        """Return True: write every value in full."""
        return True


def config_text(config: Values, cache: dict[str, str] | None = None) -> str:
    """Return a frozen config as YAML.

    *cache* keeps the text of each top-level key and value: the runs of a sweep share most of
    them, and dumping is slow.
    """
    cache = {} if cache is None else cache
    parts = []
    for item in config.items():
        name = repr(item)
        if name not in cache:
            cache[name] = yaml.dump(
                dict([item]), Dumper=_PlainDumper, sort_keys=False, allow_unicode=True
            )
        parts.append(cache[name])
    return "".join(parts)


def write_config_text(path: Path, text: str) -> None:
    """Write the text of a frozen config atomically.

    Without fsync: a config that is lost in a power failure is written again by the next command.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_config(path: Path) -> FrozenConfig:
    """Return a frozen config; StoreError if it cannot be read or is incomplete."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StoreError(f"{path}: cannot be read ({type(error).__name__})") from error
    if not isinstance(values, dict):
        raise StoreError(f"{path}: not a config")
    try:
        return FrozenConfig.of(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: incomplete ({type(error).__name__}: {error})") from error


def readable_configs(runs: Iterable[RunPaths]) -> Iterator[FrozenConfig]:
    """Yield the frozen configs of *runs*; skip those that cannot be read."""
    for paths in runs:
        with suppress(StoreError):
            yield read_config(paths.config)


def history_columns() -> tuple[str, ...]:
    """Return all columns of history.csv."""
    return (*EPOCH[:3], *columns("val"), *EPOCH[3:])


def image_columns() -> tuple[str, ...]:
    """Return all columns of per_image.csv."""
    return (*PER_IMAGE, *stored_columns())


def write_history(paths: RunPaths, history: Sequence[Mapping[str, float]]) -> None:
    """Write history.csv from one row per epoch."""
    write_text(paths.history, csv_text(history, history_columns()))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV as text: none if the file is missing, without a torn last row."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return []
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows = [{key: exact(cell) for key, cell in row.items()} for row in reader]
    return rows if text.endswith("\n") else rows[:-1]


def add_test_read(paths: RunPaths, when: str, images: int) -> None:
    """Record in test_reads.csv that the test set is read; call this before reading it."""
    rows: list[Mapping[str, object]] = list(read_rows(paths.test_reads))
    before = _earlier_copies(paths)
    reason = "repeat after a crash" if len(rows) > before else "the run's one reading"
    if before and len(rows) <= before:
        reason = "the run was done again"
    rows.append({"time": when, "reason": reason, "images": images})
    write_text(paths.test_reads, csv_text(rows, ("time", "reason", "images")))


def _earlier_copies(paths: RunPaths) -> int:
    """Return how often the run was moved to `earlier/`: as NAME-1, NAME-2, ... without a gap."""
    place = paths.root.parents[1] / "earlier" / paths.root.name
    return next(n for n in count() if not place.with_name(f"{place.name}-{n + 1}").exists())


def record_failure(paths: RunPaths, cause: Cause, error: str, trace: str, when: str) -> None:
    """Write `failure.json`, with the number of attempts.

    Args:
        paths: the run.
        cause: why it failed.
        error: the error in one line.
        trace: the traceback, or the last lines of output, for debugging.
        when: time of the failure, ISO 8601.

    """
    attempts = (read_json(paths.failure) or {}).get("attempts", 0) + 1
    values = {"cause": cause, "error": error, "attempts": attempts, "time": when}
    write_json(paths.failure, {**values, "traceback": trace})


def add_to_plan(sweep: SweepPaths, rows: Sequence[Mapping[str, object]]) -> None:
    """Add those of *rows* that the plan lacks; a run has one row per request.

    The caller holds the plan's lock. Rows are appended, because a search adds one run at a
    time, thousands of times.
    """
    new = missing_rows(sweep, rows)
    if not new:
        return
    keys = _plan_keys(sweep.plan)
    if _can_be_appended(sweep.plan):
        _append(sweep.plan, csv_text(new, PLAN).partition("\n")[2])
    else:
        write_text(sweep.plan, csv_text([*read_rows(sweep.plan), *new], PLAN))
    keys.update(map(_plan_key, new))
    _plans[sweep.plan] = (file_stamp(sweep.plan), keys)


def cell_in_plan(row: Mapping[str, str]) -> str:
    """Return the cell in a row of the plan; early plans had none."""
    return as_cell_name(row.get("cell") or f"{row.get('model')}/{row.get('loss')}")


def missing_rows(
    sweep: SweepPaths, rows: Sequence[Mapping[str, object]]
) -> list[Mapping[str, object]]:
    """Return those of *rows* whose run and request the plan does not contain."""
    planned = _plan_keys(sweep.plan)
    requested = {_plan_key(row): row for row in rows}
    return [row for key, row in requested.items() if key not in planned]


def _plan_key(row: Mapping[str, object]) -> tuple[object, object]:
    return row["run_id"], row["request"]


def _plan_keys(plan: Path) -> set[tuple[object, object]]:
    """Return run_id and request of each row; the file is read again only if it has changed."""
    stamp = file_stamp(plan)
    cached = _plans.get(plan)
    if cached is None or cached[0] != stamp:
        cached = _plans[plan] = (stamp, set(map(_plan_key, read_rows(plan))))
    return cached[1]


_plans: dict[Path, tuple[tuple[int, ...], set[tuple[object, object]]]] = {}


def file_stamp(path: Path) -> tuple[int, ...]:
    """Return what tells one version of a file from another; empty if there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _can_be_appended(plan: Path) -> bool:
    """Whether the file has the current columns and ends with a complete row."""
    header = f"{','.join(PLAN)}\n".encode()
    try:
        with plan.open("rb") as file:
            start = file.readline()
            file.seek(-1, os.SEEK_END)
            return start == header and file.read() == b"\n"
    except OSError:
        return False


def _append(path: Path, text: str) -> None:
    """Append *text* to a file completely, or leave the file as it was."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(data := text.encode()) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def per_image_text(run_id: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Return the text of per_image.csv from rows of split, at, image, counts, stored metrics."""
    return csv_text([{"run_id": run_id, **row} for row in rows], image_columns())
