"""Read and write the stored files of runs and sweeps. No torch.

A run is finished exactly when its `result.json` exists: that file is written last.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING

import yaml

from segsweep.config.run_config import FrozenConfig, Values
from segsweep.config.stored import wrong_value
from segsweep.config.truth import VALIDATION_ONLY
from segsweep.errors import StoredFileError, StoreError
from segsweep.metrics import COUNTS, columns, stored_columns
from segsweep.store.json_files import Failure, known_failure
from segsweep.store.paths import RunPaths
from segsweep.store.states import Cause
from segsweep.store.yaml_parts import load_yaml
from segsweep.system.csv_cells import exact
from segsweep.system.files import csv_text, read_plain, write_json, write_text
from segsweep.system.terminal import visible

PER_IMAGE = ("run_id", "split", "at", "image", *COUNTS)
"""The fixed columns of per_image.csv; stored metrics may follow (`image_columns`)."""
EPOCH = ("epoch", "train_loss", "val_loss", "lr", "seconds")
"""The fixed columns of history.csv; validation metrics come before lr (`history_columns`)."""
SPLIT = ("id", "group", "split")
"""The columns of split.csv."""
READS = ("time", "reason", "images")
"""The columns of test_reads.csv."""
LOOK = "look {} of the race"
"""The reason for reading the stored counts of the test images while a race decides by them."""
OUTLINES_AGAIN = "outlines made again"
"""The reason for reading the test images because outlines.json was damaged."""
LOST_READS = "the record of earlier readings was damaged"
MOST_CONFIG_BYTES = 1 << 20
"""A larger config was not written by a command."""

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
    """Return a frozen config; StoredFileError if it is missing, damaged or incomplete."""
    try:
        values = load_yaml(read_plain(path, MOST_CONFIG_BYTES).decode())
    except OSError as error:
        raise StoredFileError(path, f"damaged, cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        raise StoredFileError(path, "damaged, not YAML") from error
    if not isinstance(values, dict):
        raise StoredFileError(path, "damaged, not a config")
    if (wrong := wrong_value(values)) is not None:
        raise StoredFileError(path, wrong[1], wrong[0])
    try:
        return FrozenConfig.of(values)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoredFileError(path, f"incomplete ({type(error).__name__}: {error})") from error


def readable_configs(runs: Iterable[RunPaths]) -> Iterator[FrozenConfig]:
    """Yield the frozen configs of *runs*; skip those that cannot be read."""
    for paths in runs:
        with suppress(StoreError):
            yield read_config(paths.config)


def history_columns() -> tuple[str, ...]:
    """Return all columns of history.csv."""
    return (*EPOCH[:3], *columns("val"), *EPOCH[3:])


def image_columns() -> tuple[str, ...]:
    """Return all columns that a per_image.csv can have: those of stored metrics stand after tn."""
    return (*PER_IMAGE, *stored_columns())


def image_header(rows: str) -> tuple[str, ...]:
    """Return the columns of *rows* of a per_image.csv: without stored metrics, or with all."""
    first = next(csv.reader(io.StringIO(rows, newline="")), PER_IMAGE)
    return PER_IMAGE if len(first) == len(PER_IMAGE) else image_columns()


def write_history(paths: RunPaths, history: Sequence[Mapping[str, float]]) -> None:
    """Write history.csv from one row per epoch."""
    write_text(paths.history, csv_text(history, history_columns()))


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV as text: none if the file is missing.

    The file is written at once, so one without a header, or with a torn last row, is damaged:
    StoredFileError, as for what is no table.
    """
    rows, torn = read_appended(path)
    if torn is not None:
        raise torn
    return rows


def read_appended(path: Path) -> tuple[list[dict[str, str]], StoredFileError | None]:
    """Return the whole rows of a CSV to which rows are appended, and what is wrong with its end.

    No row if the file is missing; StoredFileError if the file is damaged otherwise.
    """
    try:
        text = read_plain(path).decode()
        reader = csv.DictReader(io.StringIO(text, newline=""))
        rows = [{key: exact(cell) for key, cell in row.items()} for row in reader]
    except FileNotFoundError:
        return [], None
    except OSError as error:
        raise StoredFileError(path, f"damaged, cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise StoredFileError(path, "damaged, not text") from error
    except csv.Error as error:
        raise StoredFileError(path, f"damaged, not a table ({error})") from error
    if not text.strip():
        return [], StoredFileError(path, "damaged, it is empty")
    if text.endswith("\n"):
        return rows, None
    return rows[:-1], StoredFileError(path, "damaged, its end is missing")


def readable_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV; none if it is missing or damaged."""
    try:
        return read_rows(path)
    except StoredFileError:
        return []


def read_split(path: Path) -> list[dict[str, str]]:
    """Return the rows of a split.csv, none if the file is missing; StoredFileError if damaged."""
    rows = read_rows(path)
    if not rows and path.exists():
        raise StoredFileError(path, "damaged, it has no row")
    for row in rows:
        if None in row or any(row.get(name) is None for name in SPLIT):
            raise StoredFileError(path, f"damaged, the columns are not {', '.join(SPLIT)}")
    return rows


def read_reads(path: Path) -> list[dict[str, str]]:
    """Return the rows of a test_reads.csv; none if the file is missing.

    StoredFileError if the file is damaged or a value has the wrong type.
    """
    rows = read_rows(path)
    if not rows and path.exists():
        raise StoredFileError(path, "damaged, it has no row")
    for row in rows:
        if set(row) != set(READS) or None in row.values():
            raise StoredFileError(path, f"damaged, the columns are not {', '.join(READS)}")
        if not is_count(row["images"]):
            raise StoredFileError(path, "damaged, not a whole number", "images")
    return rows


def is_count(text: str) -> bool:
    """Whether *text* is a whole number, not negative, that fits into a table."""
    return text.isdecimal() and len(text) < 19


def known_reads(path: Path, when: str = "") -> list[dict[str, str]]:
    """Return the rows of a test_reads.csv; of a damaged one, a row of time *when* that says so."""
    try:
        return read_reads(path)
    except StoredFileError:
        return [{"time": when, "reason": LOST_READS, "images": "0"}]


def is_validation_only(paths: RunPaths) -> bool:
    """Whether a run's config says that its split has no test part; the YAML is not parsed."""
    try:
        return f"\n{VALIDATION_ONLY}: true\n".encode() in b"\n" + paths.config.read_bytes()
    except OSError:
        return False


def add_test_read(paths: RunPaths, when: str, images: int) -> None:
    """Record in test_reads.csv that the test set is read; call this before reading it."""
    before = _earlier_copies(paths)
    scored = sum(not is_later(row["reason"]) for row in known_reads(paths.test_reads, when))
    reason = "repeat after a crash" if scored > before else "the run's one reading"
    if before and scored <= before:
        reason = "the run was done again"
    add_reading(paths.test_reads, when, reason, images)


def add_look(paths: RunPaths, when: str, look: int, images: int) -> None:
    """Record in test_reads.csv, once, that a look of a race decides by the run's test counts."""
    reason = LOOK.format(look)
    if all(row["reason"] != reason for row in known_reads(paths.test_reads, when)):
        add_reading(paths.test_reads, when, reason, images)


def add_reading(path: Path, when: str, reason: str, images: int) -> None:
    """Add a row to a test_reads.csv, of a run or of a sweep; call this before reading."""
    rows: list[Mapping[str, object]] = list(known_reads(path, when))
    rows.append({"time": when, "reason": reason, "images": images})
    write_text(path, csv_text(rows, READS))


def is_later(reason: str) -> bool:
    """Whether a reading came after the run's result, and changed none of its numbers."""
    return reason == OUTLINES_AGAIN or is_look(reason)


def is_look(reason: str) -> bool:
    """Whether a look of a race decided by what was read."""
    start, _, end = LOOK.partition("{}")
    return reason.startswith(start) and reason.endswith(end)


def _earlier_copies(paths: RunPaths) -> int:
    """Return how often the run was moved to `earlier/`: as NAME-1, NAME-2, ... without a gap."""
    place = paths.root.parents[1] / "earlier" / paths.root.name
    return next(n for n in count() if not place.with_name(f"{place.name}-{n + 1}").exists())


def record_failure(paths: RunPaths, cause: Cause, error: str, trace: str, when: str) -> None:
    """Write `failure.json`, with the number of attempts, and control characters visible.

    Args:
        paths: the run.
        cause: why it failed.
        error: the error in one line.
        trace: the traceback, or the last lines of output, for debugging.
        when: time of the failure, ISO 8601.

    """
    attempts = (known_failure(paths.failure) or Failure()).attempts + 1
    values = {"cause": cause, "error": visible(error), "attempts": attempts, "time": when}
    write_json(paths.failure, {**values, "traceback": visible(trace)})


def per_image_text(run_id: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Return the text of per_image.csv from rows of split, at, image, counts, stored metrics.

    The columns of stored metrics are there only if a row has one.
    """
    names = stored_columns()
    further = any(name in row for row in rows for name in names)
    columns_there = image_columns() if further else PER_IMAGE
    return csv_text([{"run_id": run_id, **row} for row in rows], columns_there)
