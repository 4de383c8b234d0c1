"""Check values against the schema: type, limits, unknown keys; one line for each problem."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from segsweep.config.limits import Limits
from segsweep.config.run_config import copied
from segsweep.config.schema import MISSING
from segsweep.errors import ConfigError

Hint: TypeAlias = Any
"""A type annotation, read at run time."""


def check_section(
    section: type, values: Mapping[str, object], where: str = ""
) -> dict[str, object]:
    """Return *values* with every field of *section*, coerced; missing ones get their default.

    Fields of type Any (option nodes) are passed through. *where* is written before each key.
    Raises ConfigError with one line for each key that is unknown, of the wrong type or out of
    range.
    """
    hints, fields = hints_of(section), _fields_of(section)
    problems = [unknown_key(where + key, fields) for key in values if key not in fields]
    checked: dict[str, object] = {}
    for name, item in fields.items():
        try:
            checked[name] = _check_field(item, hints[name], values, where)
        except ConfigError as error:
            problems.append(str(error))
    raise_all(problems)
    return checked


@cache
def _fields_of(section: type) -> dict[str, "dataclasses.Field[object]"]:
    return {item.name: item for item in dataclasses.fields(section)}


@cache
def hints_of(section: type) -> dict[str, Hint]:
    """Return the types of a schema section's fields, by name."""
    return get_type_hints(section)


def _check_field(
    item: "dataclasses.Field[object]", hint: Hint, values: Mapping[str, object], where: str
) -> object:
    key = where + item.name
    value = values[item.name] if item.name in values else _default(item)
    if dataclasses.is_dataclass(hint):
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}={value!r}: a section, not a value; set {key}.<key>")
        return check_section(hint, value, key + ".")  # type: ignore[arg-type]
    if hint is Any:
        return value
    text = repr(value)  # in which 1, 1.0 and true differ; the runs of a sweep share most values
    if (item, text) not in _fitting:
        limits: Limits = item.metadata["limits"]
        _fitting[item, text] = within(key, coerce(key, value, hint, limits), limits)
    return copied(_fitting[item, text])


_fitting: dict[tuple["dataclasses.Field[object]", str], object] = {}
"""Field and value as text -> the value, coerced, of those that fitted."""


def _default(item: "dataclasses.Field[object]") -> object:
    make = item.default_factory
    return make() if callable(make) else item.default


def coerce(key: str, value: object, hint: Hint, limits: Limits | None = None) -> Any:
    """Return *value* as type *hint*; ConfigError names the key, the value and what is wanted."""
    if value == MISSING:
        raise ConfigError(f"{key} is not set; give it as {key}=<{_wanted(hint, limits)}>")
    takes_flag = bool in (hint, *get_args(hint)) or hint is Any
    items = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(item, bool) for item in items) and not takes_flag:  # true would pass as 1
        raise ConfigError(f"{key}={value!r}: wanted {_wanted(hint, limits)}")
    try:
        return _adapter(hint, repr(hint)).validate_python(value)
    except ValidationError:
        close = nearest(value, _words(hint)) if isinstance(value, str) else ""
        raise ConfigError(f"{key}={value!r}: wanted {_wanted(hint, limits)}{close}") from None


def _words(hint: Hint) -> list[str]:
    """Return the words that a Literal type allows, also within a union."""
    if get_origin(hint) is Literal:
        return [str(item) for item in get_args(hint)]
    return [word for item in get_args(hint) for word in _words(item)]


def _wanted(hint: Hint, limits: Limits | None) -> str:
    return ", ".join(filter(None, [type_text(hint), str(limits or "")]))


@cache
def _adapter(hint: Hint, text: str) -> "TypeAdapter[Any]":
    """Return what converts a value into *hint*; making one takes much longer than using it.

    *text* is part of the cache's key: `int | float` equals `float | int`, yet "3" becomes 3 in
    the first and 3.0 in the second.
    """
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def within(key: str, value: Any, limits: Limits) -> Any:
    """Return *value*; raise ConfigError if it, or an item of a list, is outside *limits*."""
    for one in value if isinstance(value, list) else [value]:
        if one is None:
            continue
        if limits.allowed and str(one) not in limits.allowed:
            close = nearest(str(one), limits.allowed)
            raise ConfigError(f"{key}={one}: allowed are {', '.join(limits.allowed)}{close}")
        if isinstance(one, int | float) and not limits.contain(one):
            why = f"; {limits.why}" if limits.why else ""
            raise ConfigError(f"{key}={one}: must be {str(limits) or 'a number'}{why}")
    return value


def type_text(hint: Hint) -> str:
    """Return a type in words: `number`, `whole number or null`."""
    words = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    if hint in words:
        return words[hint]
    if hint is type(None):
        return "null"
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    arguments = [item for item in get_args(hint) if item is not Ellipsis]
    if get_origin(hint) in (list, tuple):
        return "list of " + (type_text(arguments[0]) if arguments else "values")
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        known = [item for item in arguments if getattr(item, "__name__", "") != "Tensor"]
        return " or ".join(dict.fromkeys(map(type_text, known)))
    return {"Path": "path"}.get(getattr(hint, "__name__", ""), getattr(hint, "__name__", str(hint)))


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the closest allowed word, or nothing."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_word(what: str, word: str, allowed: Iterable[str]) -> None:
    """Raise ConfigError if *word* is not one of *allowed*; *what* names it in the message."""
    names = list(allowed)
    if word not in names:
        hint = nearest(word.lower(), names)
        raise ConfigError(f"{what} {word}: allowed are {', '.join(names)}{hint}")


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """Return the line for a key that does not exist."""
    above, _, name = key.rpartition(".")
    names = sorted(allowed)
    place = f"{above} has" if above else "keys are"
    if not names:
        return f"{key}: no such key; {above or 'this config'} has no key that can be set"
    return f"{key}: no such key; {place} {', '.join(names)}{nearest(name, names)}"


def raise_all(problems: list[str]) -> None:
    """Raise one ConfigError that lists every problem, a line each; do nothing if there is none."""
    if problems:
        raise ConfigError("\n".join(problems))
