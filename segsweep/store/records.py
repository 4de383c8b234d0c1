"""What runs and sweeps store, one file at a time. No torch here.

A run is finished exactly when its `result.json` exists: it is written last.
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
from typing import Any

import yaml

from segsweep.config.run_config import FrozenConfig, Values
from segsweep.errors import StoreError
from segsweep.metrics import COUNTS, columns, stored_columns
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.states import Cause
from segsweep.system.files import csv_text, has_text, read_json, write_json, write_text

PER_IMAGE = ("run_id", "split", "at", "image", *COUNTS)
"""Columns of every per_image.csv; stored metrics follow (`image_columns`)."""
EPOCH = ("epoch", "train_loss", "val_loss", "lr", "seconds")
"""Columns of every history.csv; validated metrics stand before lr (`history_columns`)."""
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

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _PlainDumper(_Dumper):
    """Writes a list that stands in two places twice, not as a reference."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that nothing is to be referred to."""
        return True


def config_text(config: Values, known: dict[str, str] | None = None) -> str:
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


def write_config(path: Path, config: Values) -> None:
    """Write a frozen config, unless it stands there already."""
    text = config_text(config)
    if not has_text(path, text):
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


def read_config(path: Path) -> FrozenConfig:
    """Return a frozen config; StoreError if it cannot be read or is not whole."""
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StoreError(f"{path}: cannot be read ({type(error).__name__})") from error
    if not isinstance(values, dict):
        raise StoreError(f"{path}: holds no config")
    try:
        return FrozenConfig.of(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{path}: is not whole, {error}") from error


def readable_configs(runs: Iterable[RunPaths]) -> Iterator[FrozenConfig]:
    """Yield the frozen configs of *runs*, without those that cannot be read."""
    for paths in runs:
        with suppress(StoreError):
            yield read_config(paths.config)


def history_columns() -> tuple[str, ...]:
    """Return the columns with which history.csv is written."""
    return (*EPOCH[:3], *columns("val"), *EPOCH[3:])


def image_columns() -> tuple[str, ...]:
    """Return the columns with which per_image.csv is written."""
    return (*PER_IMAGE, *stored_columns())


def write_history(paths: RunPaths, history: Sequence[Mapping[str, float]]) -> None:
    """Write the epochs' rows."""
    write_text(paths.history, csv_text(history, history_columns()))


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
    before = _times_put_aside(paths)
    reason = "repeat after a crash" if len(rows) > before else "the run's one reading"
    if before and len(rows) <= before:
        reason = "the run was done again"
    rows.append({"time": when, "reason": reason, "images": images})
    write_text(paths.test_reads, csv_text(rows, ("time", "reason", "images")))


def _times_put_aside(paths: RunPaths) -> int:
    """Return how often a run was moved to `earlier/`: as NAME-1, NAME-2, ... without a gap."""
    place = paths.root.parents[1] / "earlier" / paths.root.name
    return next(n for n in count() if not place.with_name(f"{place.name}-{n + 1}").exists())


def record_failure(paths: RunPaths, cause: Cause, error: str, trace: str, when: str) -> None:
    """Write `failure.json`, counting attempts.

    Args:
        paths: the run.
        cause: why it failed.
        error: one line.
        trace: the traceback, or the last lines of output, for whoever mends it.
        when: time of the failure, ISO 8601.

    """
    attempts = (read_json(paths.failure) or {}).get("attempts", 0) + 1
    values = {"cause": cause, "error": error, "attempts": attempts, "time": when}
    write_json(paths.failure, {**values, "traceback": trace})


def add_to_plan(sweep: SweepPaths, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add the runs that the plan does not hold yet; a run stands there once per request.

    Rows are appended: a search asks for one run at a time, thousands of times. For whoever
    holds the plan's lock.
    """
    fresh = missing_rows(sweep, rows)
    if not fresh:
        return
    keys = _plan_keys(sweep.plan)
    if _can_be_appended(sweep.plan):
        _append(sweep.plan, csv_text(fresh, PLAN).partition("\n")[2])
    else:
        write_text(sweep.plan, csv_text([*read_rows(sweep.plan), *fresh], PLAN))
    keys.update((row["run_id"], row["request"]) for row in fresh)
    _plans[sweep.plan] = (_stamp(sweep.plan), keys)


def missing_rows(sweep: SweepPaths, rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return those of *rows* whose run the plan does not hold for that request."""
    stands = _plan_keys(sweep.plan)
    asked = {(row["run_id"], row["request"]): row for row in rows}
    return [row for key, row in asked.items() if key not in stands]


def _plan_keys(plan: Path) -> set[tuple[str, str]]:
    """Return run_id and request of each row; read again only where the file has changed."""
    stamp = _stamp(plan)
    known = _plans.get(plan)
    if known is None or known[0] != stamp:
        known = (stamp, {(row["run_id"], row["request"]) for row in read_rows(plan)})
        _plans[plan] = known
    return known[1]


_plans: dict[Path, tuple[tuple[int, ...], set[tuple[str, str]]]] = {}


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _can_be_appended(plan: Path) -> bool:
    """Whether the file has today's columns and a whole last line."""
    header = f"{','.join(PLAN)}\n".encode()
    try:
        with plan.open("rb") as file:
            start = file.readline()
            file.seek(-1, os.SEEK_END)
            return start == header and file.read() == b"\n"
    except OSError:
        return False


def _append(path: Path, text: str) -> None:
    """Add *text* to the end of a file, whole or not at all."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(data := text.encode()) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def per_image_text(run_id: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a run's per_image.csv from rows of split, at, image, counts and stored metrics."""
    return csv_text([{"run_id": run_id, **row} for row in rows], image_columns())
