"""YAML of many similar files, fast: each top-level key is parsed once for all files. No torch.

The configs of a sweep's runs differ in their seed and their id; parsing each in full takes most
of the time of reading a large sweep.
"""

import re
from functools import lru_cache
from typing import cast

import yaml

from segsweep.config.run_config import copied

MOST_LEVELS = 1000
"""Levels that libyaml nests without harm, many times over."""
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_START = re.compile(r"^(?=[A-Za-z_]\w*:[ \n])", re.MULTILINE)
"""Where a top-level key starts."""
_DOCUMENTS = re.compile(r"^(---|\.\.\.|%)", re.MULTILINE)
"""What concerns a text as a whole."""


def load_yaml(text: str) -> object:
    """Return the values of a YAML text, as `yaml.safe_load`; raises what that raises.

    A text that is not simply one key after the other is parsed as a whole.
    """
    if _DOCUMENTS.search(text) is None and "\r" not in text:
        parts = _START.split(text)
        if len(parts) > 1 and not parts[0]:
            try:
                found = [_part(part) for part in parts[1:]]
            except yaml.YAMLError:  # a part that needs another, or an error with its true place
                return yaml.load(text, Loader=_loader(text))
            if all(isinstance(values, dict) and len(values) == 1 for values in found):
                return {key: copied(value) for part in found for key, value in part.items()}
    return yaml.load(text, Loader=_loader(text))


@lru_cache(maxsize=4096)
def _part(text: str) -> dict[str, object]:
    return cast("dict[str, object]", yaml.load(text, Loader=_loader(text)))


def _loader(text: str) -> type:
    """Return the fast loader, or Python's own for what could be nested more deeply.

    A text of 40,000 brackets ends the process in libyaml, by its stack; Python's loader raises
    RecursionError. A level takes one of these characters, or one more column of indentation.
    """
    deep = sum(map(text.count, "[{-?")) > MOST_LEVELS
    return yaml.SafeLoader if deep else _Loader
