"""Values that no word may have: Hydra would end with an internal error, or take them in silence.

A deleted key, an option that is not a name, a range within a list, a range without an end.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Override, RangeSweep, Sweep

from segsweep.config.cells import is_compared
from segsweep.config.schema import OPTION_NODES, Config
from segsweep.config.usage import groups
from segsweep.config.validate import hints_of
from segsweep.errors import ConfigError
from segsweep.sweep.planning.shadowed import folders_of
from segsweep.system.files import resolved
from segsweep.system.installation import conf_folder

PLUGINS = ("hydra/launcher", "hydra/sweeper")
"""Groups of Hydra of which a command needs an option."""


def check_values(words: Sequence[str], given: Sequence[str]) -> None:
    """Raise ConfigError for a word that deletes a key, and for a value that none may have.

    Args:
        words: the words of the form key=value or ~key.
        given: the whole command line, with the folders of the user's options.

    """
    for override in _overrides(words):
        if override.is_hydra_override() and override.is_sweep_override():
            raise ConfigError(
                f"{override.input_line}: only one value is allowed, because it applies to the "
                "whole command"
            )
        if override.is_delete():
            _check_deleted(override)
        elif _is_group(override.key_or_group, given):
            _check_option(override, given)
        check_range(override)


def check_one_value(words: Sequence[str]) -> None:
    """Raise ConfigError for a word with several values, where one config is composed."""
    for override in _overrides(words):
        if override.is_sweep_override():
            raise ConfigError(
                f"{override.input_line}: several values, but one data set is looked at; give one"
            )


def check_range(override: Override) -> None:
    """Raise ConfigError for a range that cannot be counted, or that is an item of a list."""
    value = override.value() if override.is_sweep_override() else None
    if isinstance(value, ChoiceSweep):
        inside = [one for one in value.list if isinstance(one, Sweep | Glob)]
        if inside:
            raise ConfigError(
                f"{override.input_line}: a range, an interval or a pattern cannot be an item of a "
                "list; write out its values, as in 0,1,3"
            )
    if not isinstance(value, RangeSweep):
        return
    numbers = (value.start, value.stop, value.step)
    if not all(isinstance(one, int | float) and math.isfinite(one) for one in numbers):
        raise ConfigError(f"{override.input_line}: a range needs numbers: range(start,stop,step)")
    if value.step == 0:
        raise ConfigError(f"{override.input_line}: the step, the third number, must not be 0")


def interval_line(word: str, *, several: bool) -> str:
    """Return why an interval is refused, and how a search is asked for.

    *several* says whether the command has `-m`.
    """
    key, _, value = word.lstrip("+").partition("=")
    add = "" if several else "-m "
    if is_compared(key):
        return f"{word}: cells are compared by {key}: give it values, as in {add}{key}=<a>,<b>"
    search = f"{add}\"+search.params.{key}='{value}'\""
    if key == "optimizer.lr":
        own = f"\"search.params={{{key}:'{value}'}}\""
        search = f"{add}search=lr, or with this range {add}search=lr {own}"
    other = "; with Hydra's Optuna sweeper: experiment=optuna_lr" if several else ""
    return f"{word}: an interval is for a search (docs/search.md): {search}{other}"


def without_m(word: str) -> str:
    """Return why a word with several values is refused in a command without `-m`."""
    if any(one.is_interval_sweep() for one in _overrides([word])):
        return interval_line(word, several=False)
    return f"{word.partition('=')[0]} has several values; add -m to run one after the other"


def _overrides(words: Sequence[str]) -> Iterator[Override]:
    """Yield the words as Hydra reads them; those that it cannot read are left to Hydra."""
    parser = OverridesParser.create()
    for word in words:
        with suppress(Exception):
            yield parser.parse_overrides([word])[0]


def _check_deleted(override: Override) -> None:
    """Raise ConfigError for a key that every run has; what does not exist is left to Hydra."""
    key = override.key_or_group
    first, _, inside = key.partition(".")
    if key in ("hydra", "hydra.launcher", "hydra.sweeper") or key.startswith("hydra/"):
        raise ConfigError(f"~{key}: cannot be deleted; leave the word out")
    if first not in hints_of(Config) and first not in groups():
        return
    if first == "experiment" or key.startswith("search.params."):
        return  # a command without it is complete
    if inside and first not in OPTION_NODES and not _in_schema(key):
        return
    how = f"{key}=<option>" if key in groups() else f"{key}=<value>"
    raise ConfigError(f"~{key}: a run's keys cannot be deleted; leave the word out, or set {how}")


def _in_schema(key: str) -> bool:
    """Whether the schema has a dotted key."""
    hints = hints_of(Config)
    *above, name = key.split(".")
    for section in above:
        if not isinstance(hints.get(section), type):
            return False
        hints = hints_of(hints[section])
    return name in hints


def _is_group(key: str, given: Sequence[str]) -> bool:
    return "/" in key or key in groups() or any((one / key).is_dir() for one in folders_of(given))


def _check_option(override: Override, given: Sequence[str]) -> None:
    """Raise ConfigError for a value that names no option, such as a number or a mapping."""
    group, value = override.key_or_group, override.value()
    if isinstance(value, RangeSweep):
        items: Sequence[object] = [value]
    else:
        items = value.list if isinstance(value, ChoiceSweep) else [value]
    for item in items:
        if isinstance(item, dict) and item:
            name = next(iter(item))
            said = f"its keys are set one by one, as in {group.replace('/', '.')}.{name}=<value>"
        elif isinstance(item, RangeSweep | dict) or _names_none(group, item):
            said = "no such option"
        else:
            continue
        allowed = ", ".join(options_of(group, given))
        raise ConfigError(f"{override.input_line}: {said}; allowed are {allowed or 'none'}")


def _names_none(group: str, item: object) -> bool:
    if isinstance(item, list):
        return group in PLUGINS or not item or not all(isinstance(one, str) for one in item)
    if item is None:
        return group in PLUGINS
    return isinstance(item, bool | int | float)


def options_of(group: str, given: Sequence[str]) -> list[str]:
    """Return the options of a group: segsweep's, Hydra's with its plugins, and the user's own."""
    if not group.startswith("hydra/"):
        places = [conf_folder(), *folders_of(given)]
        files = [file for place in places for file in Path(place, group).glob("*.yaml")]
        return sorted({file.stem for file in files})
    from hydra import initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    with initialize_config_dir(str(conf_folder()), job_name="segsweep"):
        loader = GlobalHydra.instance().config_loader()
        own = [str(resolved(folder)) for folder in folders_of(given)]
        search_path = [f"hydra.searchpath=[{','.join(map(repr, own))}]"] if own else []
        return sorted(loader.get_group_options(group, config_name="config", overrides=search_path))
