"""Checks of a finished run's per_image.csv: possible counts, and each image exactly once. No torch.

Rows are numbered as a spreadsheet does: the header is row 1.
"""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from segsweep.errors import StoredFileError
from segsweep.metrics import COUNTS, METRICS
from segsweep.store.records import PER_IMAGE, image_header
from segsweep.store.run_rows import FIRST, images_of, number_of
from segsweep.system.csv_cells import exact
from segsweep.system.files import read_plain

MOST = 1e9
"""No distance in an image is greater."""
OWN_SIZES = 2**50
"""The most pixels of an image where each keeps its own size, which is not known here."""
SPLITS_KEPT = 64
"""Contents of split.csv that are remembered: the runs of a sweep share a few."""


@dataclass(frozen=True)
class _Rows:
    """The rows of a per_image.csv by column, as text."""

    parts: Sequence[str]
    ats: Sequence[str]
    images: Sequence[str]
    counts: Sequence[Sequence[str]]
    """tp, fp, fn, tn."""
    stored: Mapping[str, Sequence[str]]
    """Stored metrics by column; none where the file has none."""

    def numbers(self, part: str, at: str) -> dict[str, int]:
        """Return image -> the number of its row, for a part of the data at a size."""
        keys = zip(self.parts, self.ats, self.images, strict=True)
        wanted = (part, at)
        return {key[2]: row for row, key in enumerate(keys, FIRST) if key[:2] == wanted}


def check_images(
    rows: str,
    path: Path,
    split: Path | None,
    wanted: int | None,
    stored: Sequence[str] = (),
    most: int | None = None,
) -> None:
    """Raise StoredFileError unless *rows* can be those of a finished run.

    Args:
        rows: the rows of a per_image.csv, without the header.
        path: the file that the error names.
        split: the run's split.csv with the ids; one that is missing or damaged is not used.
        wanted: the number of test images in the run's result; None if that is not known.
        stored: the columns of stored metrics that the run must have.
        most: where pixels may be ignored, the pixels of an image at the training size, of which
            fewer may count; OWN_SIZES with tiles; None: all images have equally many.

    """
    found = _by_column(rows)
    if reason := _wrong_counts(found, most) or _repeated(found) or _unequal_sizes(found):
        raise StoredFileError(path, reason)
    if reason := _wrong_stored(found, stored if rows else ()):
        raise StoredFileError(path, reason)
    there = len(found.numbers("test", "train"))
    if wanted is not None and there != wanted:
        raise StoredFileError(path, f"has {there} of {wanted} test images")
    if split is not None and (reason := _wrong_parts(found, _parts_of(split))):
        raise StoredFileError(path, reason)


def quick_damage(path: Path, wanted: int | None) -> str:
    """Say what is obviously wrong with a finished run's per_image.csv; "" if nothing is.

    No cell is looked at: this takes microseconds, and `check_images` knows the rest.

    Args:
        path: the file; it may be missing unless *wanted* is known.
        wanted: the number of test images in the run's result; None if that is not known.

    """
    try:
        content = read_plain(path)
    except FileNotFoundError:
        return "missing" if wanted is not None else ""
    except OSError as error:
        return f"damaged, cannot be read ({error.strerror})"
    header, _, rows = content.partition(b"\n")
    columns = header.rstrip(b"\r").split(b",")
    if [name.decode("latin-1") for name in columns[: len(PER_IMAGE)]] != list(PER_IMAGE):
        return "damaged, not a table" if content else "damaged, it is empty"
    cells = rows.count(b",") - rows.count(b"\n") * (len(columns) - 1)
    if (rows and not rows.endswith(b"\n")) or (cells and b'"' not in rows):
        return "damaged, a row has not as many cells as the header"
    there = rows.count(b",test,train,")
    lacks = wanted is not None and there != wanted
    return f"has {there} of {wanted} test images" if lacks else ""


def _by_column(rows: str) -> _Rows:
    first, last, header = PER_IMAGE.index(COUNTS[0]), len(PER_IMAGE), image_header(rows)
    if '"' in rows or ",'" in rows:  # quoted cells, or formulas that were made safe
        frame = images_of(rows)
        texts = frame.fillna("") if header != PER_IMAGE else frame
        columns = [list(map(str, texts[name].tolist())) for name in header]
    else:
        cells = rows.replace("\n", ",").split(",")[:-1]
        columns = [cells[place :: len(header)] for place in range(len(header))]
    stored = dict(zip(header[last:], columns[last:], strict=True))
    return _Rows(columns[1], columns[2], columns[3], columns[first:last], stored)


def _wrong_counts(rows: _Rows, most: int | None) -> str:
    """Say which count is negative, or which image has not as many pixels as it must have."""
    counts = [list(map(int, column)) for column in rows.counts]
    for name, column in zip(COUNTS, counts, strict=True):
        if column and min(column) < 0:
            row = next(row for row, value in enumerate(column) if value < 0)
            return f"damaged, {name}={column[row]} in row {row + FIRST}"
    sums = [sum(values) for values in zip(*counts, strict=True)]
    if most is not None:
        for row, (pixels, at) in enumerate(zip(sums, rows.ats, strict=True), FIRST):
            if at == "train" and pixels > most:
                return f"damaged, tp + fp + fn + tn = {pixels} in row {row}, at most {most}"
        return ""
    known = Counter(pixels for pixels, at in zip(sums, rows.ats, strict=True) if at == "train")
    if len(known) < 2:
        return ""
    usual = known.most_common(1)[0][0]
    row = next(
        row
        for row, (pixels, at) in enumerate(zip(sums, rows.ats, strict=True))
        if at == "train" and pixels != usual
    )
    return f"damaged, tp + fp + fn + tn = {sums[row]} in row {row + FIRST}, {usual} in others"


def _wrong_stored(rows: _Rows, needed: Sequence[str]) -> str:
    """Say which stored metric is impossible, or is missing where other images have it."""
    lost = [name for name in needed if not any(rows.stored.get(name, ()))]
    if lost:
        return f"damaged, columns missing: {', '.join(lost)}"
    for metric in METRICS.values():
        values = rows.stored.get(metric.stored or "", ())
        low, high = metric.limits
        for row, (text, part, at) in enumerate(zip(values, rows.parts, rows.ats, strict=False)):
            if text and not low <= number_of(text) <= min(high, MOST):
                return f"damaged, {metric.stored}={text} in row {row + FIRST}"
            if not text and any(values) and part == "test" and metric.at in (at, None):
                return f"damaged, {metric.stored} is empty in row {row + FIRST}"
    return ""


def _repeated(rows: _Rows) -> str:
    """Say which image is there twice."""
    keys = list(zip(rows.parts, rows.ats, rows.images, strict=True))
    if len(set(keys)) == len(keys):
        return ""
    seen: dict[tuple[str, str, str], int] = {}
    for row, key in enumerate(keys, FIRST):
        if key in seen:
            where = f"rows {seen[key]} and {row}"
            return f"damaged, image {key[2]} is in {where} ({key[0]}, {key[1]})"
        seen[key] = row
    return ""


def _unequal_sizes(rows: _Rows) -> str:
    """Say which image has counts at one size only, where there are counts at both."""
    if "native" not in rows.ats:
        return ""
    for part in ("test", "val"):
        train, native = rows.numbers(part, "train"), rows.numbers(part, "native")
        if part == "val" and not native:  # nothing follows from these
            continue
        for there, lacking, at in ((train, native, "native"), (native, train, "train")):
            if lost := [image for image in there if image not in lacking]:
                return f"damaged, {part} image {lost[0]} has no row with at={at}"
    return ""


def _wrong_parts(rows: _Rows, parts: Mapping[str, frozenset[str]]) -> str:
    """Say which image is not in its part of split.csv, or which is missing.

    A split.csv that names none of the images is damaged itself, and not used.
    """
    if frozenset[str]().union(*parts.values()).isdisjoint(rows.images):
        return ""
    for part in ("test", "val"):
        numbers = rows.numbers(part, "train")
        if not numbers or numbers.keys() == parts.get(part):
            continue
        wanted = parts.get(part, frozenset())
        for image, row in numbers.items():
            if image not in wanted:
                return f"damaged, image {image} in row {row} is no {part} image of split.csv"
        return f"damaged, {part} image {min(wanted - numbers.keys())} of split.csv is missing"
    return ""


def _parts_of(split: Path) -> Mapping[str, frozenset[str]]:
    """Return part -> ids of a split.csv; nothing if it is missing or damaged."""
    try:
        return _parts_in(read_plain(split))
    except (OSError, ValueError, KeyError, csv.Error):
        return {}


@lru_cache(maxsize=SPLITS_KEPT)
def _parts_in(text: bytes) -> Mapping[str, frozenset[str]]:
    """Return part -> ids from the content of a split.csv; an error if it is damaged."""
    if not text.endswith(b"\n"):
        return {}
    found: dict[str, set[str]] = {}
    for row in csv.DictReader(io.StringIO(text.decode(), newline="")):
        found.setdefault(row["split"], set()).add(exact(row["id"]))
    return {part: frozenset(ids) for part, ids in found.items()}
