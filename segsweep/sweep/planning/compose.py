"""Composes many runs fast: Hydra once per choice of options, plain values set on copies.

Hydra takes 40 to 80 ms to compose a run, but setting `trainer.epochs=3` is one call of
OmegaConf. This module makes that call itself, on the top-level key of the value. Everything
less simple is left to Hydra, so that results and errors are always those of Hydra.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias, cast

from hydra import initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType, ValueType
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segsweep.errors import ConfigError
from segsweep.system.installation import conf_folder

CONFIG = "config"
Composed: TypeAlias = tuple[dict[str, object], dict[str, str]]
"""A run's resolved values and the chosen option of each group."""
_SETS = (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)
_KEY = re.compile(r"\w+(\.\w+)*")
_REFERENCE = re.compile(r"\$\{([^\W\d]\w*)(?:\.\w+)*\}")
"""An interpolation that reads one key: `${data.channels}` depends only on `data`."""


def compose(overrides: Sequence[str]) -> DictConfig:
    """Return the config of one run as Hydra composes it, Hydra's own part included."""
    hydra = GlobalHydra.instance().hydra
    if hydra is None:  # Hydra is not running, for example because it refused the command line
        with initialize_config_dir(str(conf_folder()), job_name="segsweep"):
            return compose(overrides)
    return hydra.compose_config(
        config_name=CONFIG,
        overrides=list(overrides),
        run_mode=RunMode.RUN,
        with_log_configuration=False,
    )


def resolve(cfg: DictConfig) -> dict[str, object]:
    """Return a composed config as plain values, without Hydra's own part."""
    task = {key: value for key, value in cfg.items_ex(resolve=False) if key != "hydra"}
    try:
        values = OmegaConf.to_container(OmegaConf.create(task), resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"config: {str(error).splitlines()[0]}") from error
    if not isinstance(values, dict):
        raise ConfigError("config: not a mapping")
    return {str(key): value for key, value in values.items()}


class _NotPlain(Exception):  # noqa: N818  a reason to use Hydra, not an error
    """An override does more than set a plain value."""


class Composer:
    """Composes the runs of one command; common work is done once.

    `conf/` is read once per choice of options; the environment is assumed not to change.
    """

    def __init__(self) -> None:
        """Start with nothing composed."""
        self._bases: dict[tuple[str, ...], _Base] = {}
        self._groups: dict[tuple[str, ...], frozenset[str]] = {}

    def composed(self, overrides: Sequence[str]) -> Composed:
        """Return a run's resolved values, without Hydra's own part, and its choices.

        Equal to `resolve(compose(overrides))` and that config's `hydra.runtime.choices`.
        The values of several runs may share sections: treat them as read-only. Raises what
        Hydra raises, and ConfigError for an interpolation of a missing key.
        """
        with suppress(Exception):  # errors and complex overrides are left to Hydra
            return self._set_on_base([_parsed(word) for word in overrides])
        cfg = compose(overrides)
        return resolve(cfg), dict(cfg.hydra.runtime.choices)

    def sweep_params(self, overrides: Sequence[str]) -> dict[str, str]:
        """Return `hydra.sweeper.params` of a run's options; {} if they do not compose."""
        with suppress(Exception):
            parsed = [_parsed(word) for word in overrides]
            groups = self._group_names(parsed)
            return self._base(
                tuple(str(one.input_line) for one in parsed if _is_choice(one, groups))
            ).params
        return {}

    def _set_on_base(self, overrides: list[Override]) -> Composed:
        chosen: list[str] = []
        values: dict[str, list[Override]] = {}
        groups = self._group_names(overrides)
        for override in overrides:
            if _is_choice(override, groups):
                chosen.append(str(override.input_line))
            elif _is_plain(override):
                values.setdefault(override.key_or_group.split(".")[0], []).append(override)
            else:
                raise _NotPlain
        base = self._base(tuple(chosen))
        return base.with_values(values), dict(base.choices)

    def _group_names(self, overrides: list[Override]) -> frozenset[str]:
        """Return the keys that choose an option, on the search path that *overrides* set."""
        key = tuple(str(item.input_line) for item in overrides if item.is_hydra_override())
        if key not in self._groups:
            loader = config_loader()
            if loader is None:
                raise _NotPlain
            names = loader.get_group_options("", ObjectType.GROUP, CONFIG, list(key))
            self._groups[key] = frozenset(names)
        return self._groups[key]

    def _base(self, chosen: tuple[str, ...]) -> "_Base":
        if chosen not in self._bases:
            self._bases[chosen] = _Base(compose(chosen))
        return self._bases[chosen]


@dataclass(frozen=True)
class _Part:
    """A top-level key of a config."""

    node: object
    """The node of OmegaConf, with interpolations."""
    values: object
    """The same as plain values, with interpolations as text."""
    needs: frozenset[str] | None
    """Top-level keys that its interpolations read; None if unknown."""


class _Base:
    """A choice of options as composed by Hydra, on which values are set."""

    def __init__(self, cfg: DictConfig) -> None:
        self.choices = dict(cfg.hydra.runtime.choices)
        self.params = dict(cfg.hydra.sweeper.get("params") or {})
        self.root = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
        self.parts = _parts(self.root)
        self._changed: dict[tuple[str, ...], _Part] = {}
        self._resolved: dict[tuple[object, ...], object] = {}

    def with_values(self, overrides: Mapping[str, list[Override]]) -> dict[str, object]:
        """Return the resolved values; *overrides* are grouped by top-level key."""
        parts = dict(self.parts)
        for name, items in overrides.items():
            parts[name] = self._part_with(name, items)
        values = {name: part.values for name, part in parts.items()}
        for name, part in parts.items():
            if part.needs is None or part.needs:
                values[name] = self._looked_up(name, parts)
        return values

    def _part_with(self, name: str, overrides: list[Override]) -> _Part:
        """Return the top-level key *name* after *overrides*, in their order."""
        key = tuple(str(override.input_line) for override in overrides)
        if key not in self._changed:
            root = OmegaConf.masked_copy(self.root, name)
            OmegaConf.set_struct(root, True)
            for override in overrides:
                _set(root, override)
            self._changed[key] = _parts(root)[name]
        return self._changed[key]

    def _looked_up(self, name: str, parts: Mapping[str, _Part]) -> object:
        """Return the resolved values of *name*, cached by the parts that it depends on."""
        seen = {key: parts[key] for key in _dependencies(name, parts)}
        key = (name, *((other, id(part)) for other, part in seen.items()))
        if key not in self._resolved:
            cfg = OmegaConf.create({other: part.node for other, part in seen.items()})
            self._resolved[key] = _plain(cfg, resolve=True)[name]
        return self._resolved[key]


@cache
def _parsed(word: str) -> Override:
    return OverridesParser.create().parse_overrides([word])[0]


def config_loader() -> ConfigLoader | None:
    """Return the loader of the running Hydra, if it is running."""
    hydra = GlobalHydra.instance().hydra
    return None if hydra is None else hydra.config_loader


def _is_choice(override: Override, groups: frozenset[str]) -> bool:
    """Whether it selects what Hydra composes, instead of setting a value."""
    key = override.key_or_group
    if override.is_hydra_override() or override.package is not None or "/" in key:
        return True
    return key in groups and not isinstance(override.value(), dict)


def _is_plain(override: Override) -> bool:
    """Whether it sets one value: not several values, a deletion, an index or an unusual name."""
    return (
        override.type in _SETS
        and override.value_type is ValueType.ELEMENT
        and _KEY.fullmatch(override.key_or_group) is not None
    )


def _set(root: DictConfig, override: Override) -> None:
    """Set one value as Hydra does, if all keys above it are sections."""
    *above, name = override.key_or_group.split(".")
    values = _plain(root)
    for section in above:
        values = values.get(section)  # type: ignore[assignment]  # checked below
        if not isinstance(values, dict):  # an interpolation, null or a list: left to Hydra
            raise _NotPlain
    if override.is_add() and name in values:
        raise _NotPlain
    add = override.type is not OverrideType.CHANGE
    OmegaConf.update(root, override.key_or_group, override.value(), merge=True, force_add=add)


def _parts(root: DictConfig) -> dict[str, _Part]:
    values = _plain(root)
    nodes = root.items_ex(resolve=False)
    return {
        str(key): _Part(node, values[str(key)], _needs(values[str(key)])) for key, node in nodes
    }


def _plain(cfg: DictConfig, *, resolve: bool = False) -> dict[str, object]:
    return cast("dict[str, object]", OmegaConf.to_container(cfg, resolve=resolve))


def _needs(values: object) -> frozenset[str] | None:
    """Return the top-level keys that interpolations in *values* read; None: possibly any."""
    texts = [text for text in _texts(values) if "${" in text]
    if any("${" in _REFERENCE.sub("", text) for text in texts):
        return None
    return frozenset(name for text in texts for name in _REFERENCE.findall(text))


def _texts(values: object) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict | list | tuple):
        for item in values.values() if isinstance(values, dict) else values:
            yield from _texts(item)


def _dependencies(name: str, parts: Mapping[str, _Part]) -> list[str]:
    """Return *name* and all top-level keys that its values depend on, in the config's order."""
    found, new = {name}, [name]
    while new:
        needs = parts[new.pop()].needs
        if needs is None:
            return list(parts)
        new += [key for key in needs if key in parts and key not in found]
        found.update(new)
    return [key for key in parts if key in found]
