"""Say in one line what Hydra and OmegaConf say in several."""

import re
from collections.abc import Iterable

from segsweep.config import nearest
from segsweep.errors import SegsweepError


def one_line(error: BaseException) -> str:
    """Return what is wrong, where, and what is allowed, as short as it can be said.

    Our own errors are passed on; a config with several problems has a line for each.
    """
    if isinstance(error, SegsweepError):
        return str(error)
    module = type(error).__module__
    if module.startswith(("hydra", "omegaconf")):
        return _hydra(error)
    if isinstance(error, OSError):
        return f"{error.filename or 'file'}: {error.strerror or error}"
    return f"{type(error).__name__}: {_first(str(error))}"


def _hydra(error: BaseException) -> str:
    text = str(error)
    cause = error.__cause__ if error.__cause__ is not None else error
    for pattern, explain in _PATTERNS:
        match = re.search(pattern, f"{text}\n{cause}", re.DOTALL)
        if match:
            return explain(match)
    return _first(text)


def _unknown_option(match: re.Match[str]) -> str:
    group, word = match["group"], match["word"]
    options = match["options"].split()
    allowed = ", ".join(options)
    return f"{group}={word}: no such option; allowed are {allowed}{nearest(word, options)}"


def _unknown_key(match: re.Match[str]) -> str:
    key = match["key"]
    known = _known_keys()
    name = f"{key}: no such key"
    close = nearest(key, known) or nearest(key.split(".")[-1], known)
    return f"{name}{close}; `segsweep-train --cfg job` shows all keys"


def _wrong_type(match: re.Match[str]) -> str:
    words = {"Float": "number", "Integer": "whole number", "Boolean": "true or false"}
    wanted = words.get(match["type"], match["type"])
    return f"{match['key']}={match['value']}: wanted {wanted}"


def _several(match: re.Match[str]) -> str:
    return f"{match['key']} has several values; add -m to run one after the other"


def _grammar(match: re.Match[str]) -> str:
    return f"{match['text']}: cannot be read as key=value"


def _known_keys() -> list[str]:
    from segsweep.config import OPTION_NODES, Config

    return _keys(Config) + [f"{node}" for node in OPTION_NODES]


def _keys(section: type, above: str = "") -> list[str]:
    import dataclasses
    from typing import get_type_hints

    keys = []
    for name, hint in get_type_hints(section).items():
        keys.append(above + name)
        if dataclasses.is_dataclass(hint):
            keys += _keys(hint, f"{above}{name}.")  # type: ignore[arg-type]
    return keys


def _first(text: str, lines: Iterable[str] = ()) -> str:
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(kept[:2]) if kept else "unknown error"


_PATTERNS = (
    (
        r"Could not find '(?P<group>[\w/]+)/(?P<word>[^'/]*)'.*?"
        r"Available options in '[\w/]+':\s+(?P<options>.*?)(?:\n\n|\nConfig search|$)",
        _unknown_option,
    ),
    (r"Ambiguous value for argument '(?P<key>[^=']+)=", _several),
    (
        r"Value '(?P<value>[^']*)'.*?converted to (?P<type>\w+).*?full_key: (?P<key>[\w.]+)",
        _wrong_type,
    ),
    (r"Could not override '(?P<key>[^']+)'", _unknown_key),
    (r"Error parsing override '(?P<text>[^']*)'", _grammar),
)
