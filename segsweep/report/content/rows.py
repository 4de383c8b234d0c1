"""Columns and rows of a table of the page, as plain values."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeAlias

from pandas import DataFrame, isna

TEXT, COUNT, YES = -1, 0, -2
"""Kinds of columns other than a number of digits: text, whole numbers, yes or no."""


JsonValue: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True)
class Listing:
    """A table."""

    name: str
    columns: tuple[tuple[str, str, int], ...]
    """Key, title, and digits after the point, or TEXT, COUNT, YES."""
    rows: list[list[JsonValue]]


def frame_listing(name: str, columns: Sequence[tuple[str, str, int]], frame: DataFrame) -> Listing:
    """Return the table of the *columns* of a frame that are there and not empty."""
    there = [column for column in columns if column[0] in frame and frame[column[0]].notna().any()]
    return rows_listing(name, there, frame.to_dict("records") if there else [])


def rows_listing(
    name: str,
    columns: Sequence[tuple[str, str, int]],
    rows: Sequence[Mapping[Hashable, object]] | Sequence[Mapping[str, object]],
) -> Listing:
    """Return the table of *rows*, which map keys of *columns* to values."""
    kinds = [(key, digits) for key, _, digits in columns]
    values = [[plain(row.get(key), digits) for key, digits in kinds] for row in rows]
    return Listing(name, tuple(columns), values)


def plain(value: Any, digits: int = 6) -> JsonValue:
    """Return a value for JSON: whole, rounded, yes or no, or text; None where it is missing.

    Infinity counts as missing: JSON has no such number.
    """
    if value is None or isna(value):
        return None
    if digits == YES:
        return bool(value)
    if digits == TEXT:
        return f"{value:.3g}" if isinstance(value, float) else str(value)
    try:
        number = float(value)
    except ValueError:
        return str(value)
    if not isfinite(number):
        return None
    return round(number, max(digits, 0) + 2) if digits else round(number)
