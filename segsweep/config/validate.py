"""Check values against the schema: type, range, unknown keys; one line for each problem."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from segsweep.config.schema import MISSING
from segsweep.errors import ConfigError


def check_section(section: type, values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return *values* with every field of *section*, coerced; missing ones get their default.

    Raises ConfigError with one line for each key that is unknown, of the wrong type or
    out of range. Fields of type Any (option nodes) are passed through.
    """
    hints = hints_of(section)
    fields = {item.name: item for item in dataclasses.fields(section)}
    problems = [unknown_key(where + key, fields) for key in values if key not in fields]
    checked: dict[str, Any] = {}
    for name, item in fields.items():
        try:
            checked[name] = _check_field(item, hints[name], values, where)
        except ConfigError as error:
            problems.append(str(error))
    raise_all(problems)
    return checked


@cache
def hints_of(section: type) -> dict[str, Any]:
    """Return the fields' types of a schema section, by name."""
    return get_type_hints(section)


def _check_field(
    item: dataclasses.Field[Any], hint: Any, values: Mapping[str, Any], where: str
) -> Any:
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
    limits = item.metadata["limits"]
    return within(key, coerce(key, value, hint, limits_text(limits)), limits)


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def coerce(key: str, value: Any, hint: Any, limits: str = "") -> Any:
    """Return *value* as the annotated type, or raise ConfigError saying what is wanted."""
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


def _words(hint: Any) -> list[str]:
    """Return the words that a type allows, also as one of several types."""
    if get_origin(hint) is Literal:
        return [str(item) for item in get_args(hint)]
    return [word for item in get_args(hint) for word in _words(item)]


def _wanted(hint: Any, limits: str) -> str:
    return type_text(hint) + (f", {limits}" if limits else "")


@cache
def _adapter(hint: Any, text: str) -> TypeAdapter[Any]:
    """Return what turns a value into *hint*; making one takes much longer than using it.

    By *text* too: `int | float` equals `float | int`, yet "3" is 3 to the one, 3.0 to the other.
    """
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def within(key: str, value: Any, limits: Mapping[str, Any]) -> Any:
    """Return *value*, or raise ConfigError if it (or an item of it) is outside *limits*."""
    for one in value if isinstance(value, list) else [value]:
        if one is None:
            continue
        if limits["allowed"] and str(one) not in limits["allowed"]:
            close = nearest(str(one), limits["allowed"])
            raise ConfigError(f"{key}={one}: allowed are {', '.join(limits['allowed'])}{close}")
        inside = (
            (limits["low"] is None or one >= limits["low"])
            and (limits["above"] is None or one > limits["above"])
            and (limits["high"] is None or one <= limits["high"])
            and (limits["below"] is None or one < limits["below"])
        )
        if not inside or one != one or one in (float("inf"), float("-inf")):
            raise ConfigError(f"{key}={one}: must be {limits_text(limits) or 'a number'}")
    return value


def limits_text(limits: Mapping[str, Any]) -> str:
    """Return limits in words: `> 0 and <= 1`, or the allowed words."""
    if limits["allowed"]:
        return "one of " + ", ".join(limits["allowed"])
    signs = {"low": ">=", "above": ">", "high": "<=", "below": "<"}
    return " and ".join(f"{sign} {limits[k]}" for k, sign in signs.items() if limits[k] is not None)


def type_text(hint: Any) -> str:
    """Return a type as a user would say it: `number`, `whole number or null`."""
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
    """Raise ConfigError for a *word* that is none of the *allowed*; *what* says of what."""
    names = list(allowed)
    if word not in names:
        hint = nearest(word.lower(), names)
        raise ConfigError(f"{what} {word}: allowed are {', '.join(names)}{hint}")


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """Return the line for a key that nothing knows."""
    above, _, name = key.rpartition(".")
    names = sorted(allowed)
    place = f"{above} has" if above else "keys are"
    return f"{key}: no such key; {place} {', '.join(names)}{nearest(name, names)}"


def raise_all(problems: list[str]) -> None:
    """Raise one ConfigError that lists every problem, a line each; nothing if there is none."""
    if problems:
        raise ConfigError("\n".join(problems))
