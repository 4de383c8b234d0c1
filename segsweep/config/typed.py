"""Check that stored values have the types of a dataclass's fields. Nothing is converted."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import TypeAlias, Union, get_args, get_origin, get_type_hints

Hint: TypeAlias = object
"""A type annotation, read at run time."""

LARGEST = 2**63
"""A whole number outside +-LARGEST does not fit into a table."""
LONGEST = 20
"""Characters of a wrong value that a message shows."""


def wrong_type(kind: type, values: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the first key in *values* whose type is not that of *kind*'s field, and why.

    Keys that *kind* does not have, and fields that *values* lack, are not looked at.
    """
    for name, fits, hint in _checks(kind):
        if name in values and not fits(values[name]):
            from segsweep.config.validate import type_text

            return name, f"{shortened(values[name])} is not a {type_text(hint)}"
    return None


def shortened(value: object) -> str:
    """Return a value as text, cut after some characters: a damaged one may be very long."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= LARGEST:
        return "a very large number"  # Python refuses to print thousands of digits
    text = repr(value) if isinstance(value, str | int | float | NoneType) else type(value).__name__
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


@cache
def _checks(kind: type) -> tuple[tuple[str, Callable[[object], bool], Hint], ...]:
    hints = get_type_hints(kind)
    names = [item.name for item in dataclasses.fields(kind)]
    return tuple((name, _check(hints[name]), hints[name]) for name in names)


def _check(hint: Hint) -> Callable[[object], bool]:
    """Return a function that says whether a value is of type *hint*."""
    plain: dict[object, Callable[[object], bool]] = {
        int: is_whole,
        float: is_number,
        str: lambda value: isinstance(value, str),
        bool: lambda value: isinstance(value, bool),
        NoneType: lambda value: value is None,
    }
    if hint in plain:
        return plain[hint]
    inside = [_check(item) for item in get_args(hint)]
    if get_origin(hint) in (Union, UnionType):
        return lambda value: any(fits(value) for fits in inside)
    if get_origin(hint) is list:
        return lambda value: isinstance(value, list) and all(map(inside[0], value))
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return lambda value: isinstance(value, Mapping)
    return lambda value: True


def is_whole(value: object) -> bool:
    """Whether *value* is a whole number that fits into a table; true and false are none."""
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < LARGEST


def is_number(value: object) -> bool:
    """Whether *value* is a finite number that fits into a table; true and false are none."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))
