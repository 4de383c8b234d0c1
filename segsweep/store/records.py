"""What runs and sweeps store, one file at a time. No torch here.

A run is finished exactly when its `result.json` exists: it is written last.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import get_ident
from typing import Any

import yaml

from segsweep.errors import StoreError
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.system.files import csv_text, holds, read_json, write_json, write_text

COUNTS = ("tp", "fp", "fn", "tn")
PER_IMAGE = ("run_id", "split", "at", "image", *COUNTS)
HISTORY = ("epoch", "train_loss", "val_loss", "val_iou", "val_dice", "val_score", "lr", "seconds")
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


def per_image_text(run_id: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Return a run's per_image.csv from rows of split, at, image and counts."""
    return csv_text([{"run_id": run_id, **row} for row in rows], PER_IMAGE)
