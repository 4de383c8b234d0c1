"""Rows of the sweep's tables from the CSV files of one run, and metrics from its counts."""

import csv
import io
import re
from collections.abc import Sequence
from functools import cache
from math import inf, isnan, nan
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep import metrics
from segsweep.errors import StoredFileError, StoreError
from segsweep.store.records import (
    EPOCH,
    PER_IMAGE,
    history_columns,
    image_columns,
    image_header,
    is_count,
)
from segsweep.system.csv_cells import STARTS, exact_frame, frame_text
from segsweep.system.files import read_plain

if TYPE_CHECKING:
    from pandas import DataFrame

FIRST = 2
"""The number of the first row after the header, as in a spreadsheet."""
LONGEST = 40
"""Of a longer wrong cell only the start is said."""


def image_rows(path: Path, run_id: str) -> str:
    """Return the rows of a run's per_image.csv as text; "" if there is no such file.

    A file with the current columns, no quotes and no formulas is copied; any other goes through
    pandas. StoredFileError if the file is damaged, or has rows of another run.
    """
    text = _text(path)
    return "" if text is None else checked_images(text, path, run_id)


def _text(path: Path) -> str | None:
    """Return the text of a file; None if there is none, StoredFileError if it is not text."""
    try:
        return read_plain(path).decode()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoredFileError(path, f"damaged, cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise StoredFileError(path, "damaged, not text") from error


def checked_images(text: str, path: Path, run_id: str) -> str:
    """Return the rows in the *text* of a run's per_image.csv; StoredFileError naming *path*."""
    try:
        if (plain := _plain(text)) is not None:
            rows = without_empty(plain[1])
            foreign = rows.count("\n") != f"\n{rows}".count(f"\n{run_id},")
        else:
            frame = read_images(io.StringIO(text))
            counts = frame[list(PER_IMAGE)]
            stored = frame.drop(columns=list(PER_IMAGE))
            rows = frame_text(counts if stored.isna().all(axis=None) else frame, header=False)
            foreign = bool((frame["run_id"] != run_id).any())
    except (ValueError, OverflowError, StoreError) as error:  # pandas' own are ValueErrors
        further = metrics.stored_columns()
        reason = _wrong_cell(text, PER_IMAGE, metrics.COUNTS, further) or "damaged, not a table"
        raise StoredFileError(path, reason) from error
    if foreign:
        raise StoredFileError(path, f"contains rows of another run than {run_id}")
    return rows


def _plain(text: str) -> re.Match[str] | None:
    """Match a per_image.csv without quotes and formulas, with one of the two current headers."""
    header, further = ",".join(PER_IMAGE), text.find("\n")
    columns = PER_IMAGE if text[:further] == header else image_columns()
    return _plain_images(columns).fullmatch(text)


def without_empty(rows: str) -> str:
    """Return *rows*, which have no quotes, without the columns of stored metrics if all are empty.

    A sweep's table has these columns for the runs that have such a metric.
    """
    empty = "," * len(metrics.stored_columns()) + "\n"
    none = empty != "\n" and rows.count(empty) == rows.count("\n")
    return rows.replace(empty, "\n") if none else rows


def with_empty(rows: str) -> str:
    """Return *rows* with the columns of stored metrics, empty where a run has none."""
    if not rows or image_header(rows) == image_columns():
        return rows
    if '"' not in rows:
        return rows.replace("\n", "," * len(metrics.stored_columns()) + "\n")
    return frame_text(images_of(rows).reindex(columns=list(image_columns())), header=False)


def read_images(text: io.StringIO) -> "DataFrame":
    """Return per-image counts with the columns of per_image.csv; StoreError if some are missing.

    The columns of stored metrics are there, all of them, if the text has one.
    """
    from pandas import read_csv

    types = {**dict.fromkeys(PER_IMAGE, "str"), **dict.fromkeys(metrics.COUNTS, "int64")}
    more = dict.fromkeys(metrics.stored_columns(), "float64")
    missing = {name: [""] for name in more}
    frame = read_csv(text, dtype=types | more, keep_default_na=False, na_values=missing)
    columns = PER_IMAGE if more.keys().isdisjoint(frame) else image_columns()
    return exact_frame(_with_columns(frame, PER_IMAGE, columns))


def means_of(images: "DataFrame", columns: Sequence[str], empty: metrics.Empty) -> dict[str, float]:
    """Return the mean of each metric column over a run's test or validation images."""
    found = {}
    for column in columns:
        part, _, name = column.partition("_")
        at = metrics.METRICS[name].size("train")
        rows = images[(images["split"] == part) & (images["at"] == at)]
        values = metrics.of_rows(name, rows, empty)
        known = values[values == values]
        if len(known):
            found[column] = float(known.mean())
    return found


def _with_columns(frame: "DataFrame", needed: Sequence[str], columns: Sequence[str]) -> "DataFrame":
    """Return *columns*, those that are missing empty; StoreError if a *needed* one is missing."""
    missing = [name for name in needed if name not in frame]
    if missing:
        raise StoreError(f"columns missing: {', '.join(missing)}")
    return frame.reindex(columns=list(columns))


def _wrong_cell(
    text: str, columns: Sequence[str], counts: Sequence[str] = (), numbers: Sequence[str] = ()
) -> str:
    """Return in words why a table cannot be read; "" if its shape and its counts are right.

    Args:
        text: the file's text.
        columns: those that it must have.
        counts: columns that hold whole numbers, 0 or more.
        numbers: columns that hold a number or nothing, if they are there.

    """
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        missing = [name for name in columns if name not in (reader.fieldnames or ())]
        if not text.strip():
            return "damaged, it is empty"
        if missing:
            return f"damaged, columns missing: {', '.join(missing)}"
        for number, row in enumerate(reader, FIRST):
            if None in row or None in row.values():
                return f"damaged, row {number} has not as many cells as the header"
            for name in counts:
                if not is_count(row[name]):
                    return f"damaged, {name}={row[name][:LONGEST]} in row {number}"
            for name in numbers:
                if row.get(name) and isnan(number_of(row[name])):
                    return f"damaged, {name}={row[name][:LONGEST]} in row {number}"
    except csv.Error as error:
        return f"damaged, not a table ({error})"
    return ""


def number_of(text: str) -> float:
    """Return the number in a cell, NaN if it is none."""
    try:
        return float(text)
    except ValueError:
        return nan


def images_of(rows: str) -> "DataFrame":
    """Return the table of *rows* of a per_image.csv."""
    return read_images(io.StringIO(f"{','.join(image_header(rows))}\n{rows}"))


def count_test_images(rows: str) -> int:
    """Return how many test images have counts in *rows* of a per_image.csv."""
    return rows.count(",test,train,")


_CELL = r'[^,"\r\n]*'
_NUMBER = r"(?:[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?|[-+]?inf|nan)?"


@cache
def _plain_images(columns: tuple[str, ...]) -> re.Pattern[str]:
    stored = f",{_NUMBER}" * (len(columns) - len(PER_IMAGE))
    row = rf"{_CELL},{_CELL},{_CELL},(?![{STARTS}]){_CELL}(?:,[0-9]{{1,18}}){{4}}{stored}\n"
    return re.compile(rf"{','.join(columns)}\n((?:{row})*+)")


@cache
def _plain_epochs(columns: tuple[str, ...]) -> re.Pattern[str]:
    row = rf"[0-9]{{1,18}}(?:,{_NUMBER}){{{len(columns) - 1}}}\n"
    return re.compile(rf"{','.join(columns)}\n((?:{row})*+)")


def epoch_rows(path: Path) -> str:
    """Return the rows of a run's history.csv as text; "" if there is no such file.

    A file with other columns goes through pandas. StoredFileError if the file is damaged.
    """
    from pandas import read_csv

    text, columns = _text(path), history_columns()
    if text is None:
        return ""
    try:
        if (plain := _plain_epochs(columns).fullmatch(text)) is not None:
            return plain[1]
        frame = _with_columns(read_csv(io.StringIO(text)), EPOCH, columns).astype(float)
        if not frame["epoch"].abs().lt(inf).all():  # NaN fails too
            raise ValueError("an epoch without a number")
        return str(frame.to_csv(index=False, header=False, lineterminator="\n"))
    except (ValueError, OverflowError, StoreError) as error:
        reason = _wrong_cell(text, EPOCH) or "damaged, not a table of numbers"
        raise StoredFileError(path, reason) from error
