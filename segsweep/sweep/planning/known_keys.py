"""The keys of a config, for messages that name the nearest one."""

import dataclasses
from typing import cast, get_type_hints

from segsweep.config import run_config
from segsweep.config.schema import Config, DataConfig, SplitConfig

SECTIONS = {"data.split": SplitConfig, **run_config.SECTIONS}
"""Sections of the config by their dotted key."""


def known_keys() -> list[str]:
    """Return all dotted keys of a config."""
    return [*keys_of(Config), *(f"data.{key}" for key in keys_of(DataConfig))]


def keys_of(section: type, above: str = "") -> list[str]:
    """Return the keys of a section, those of sections in it dotted, *above* in front."""
    keys = []
    for name, hint in get_type_hints(section).items():
        keys.append(above + name)
        if dataclasses.is_dataclass(hint):
            keys += keys_of(cast(type, hint), f"{above}{name}.")
    return keys
