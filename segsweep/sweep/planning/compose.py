"""Composes many runs fast: Hydra once per choice of options, plain values set on copies.

Hydra takes 40 to 80 ms to compose a run, but setting `trainer.epochs=3` is one call of
OmegaConf. This module makes that call itself, on the top-level key of the value. Everything
less simple is left to Hydra, so that results and errors are always those of Hydra.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TypeAlias

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
from segsweep.sweep.planning.kept_bases import Base, KeptBases, base_of
from segsweep.sweep.planning.parts import NotPlainError, Parts
from segsweep.system.installation import conf_folder

CONFIG = "config"
Composed: TypeAlias = tuple[dict[str, object], dict[str, str]]
"""A run's resolved values and the chosen option of each group."""
_SETS = (OverrideType.CHANGE, OverrideType.ADD, OverrideType.FORCE_ADD)
_KEY = re.compile(r"\w+(\.\w+)*")


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


class Composer:
    """Composes the runs of one command; common work is done once.

    `conf/` is read once per choice of options; the environment is assumed not to change.
    """

    def __init__(self, kept: KeptBases | None = None) -> None:
        """Start with what earlier commands composed and *kept*."""
        self._kept = kept
        self._parts = Parts()
        self._bases: dict[tuple[str, ...], Base] = {}
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

    def save(self) -> None:
        """Keep what was composed for the next command."""
        if self._kept is not None:
            self._kept.save()

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
                raise NotPlainError
        base = self._base(tuple(chosen))
        return self._parts.with_values(base.parts, values), dict(base.choices)

    def _group_names(self, overrides: list[Override]) -> frozenset[str]:
        """Return the keys that choose an option, on the search path that *overrides* set."""
        key = tuple(str(item.input_line) for item in overrides if item.is_hydra_override())
        if key not in self._groups:
            loader = config_loader()
            if loader is None:
                raise NotPlainError
            names = loader.get_group_options("", ObjectType.GROUP, CONFIG, list(key))
            self._groups[key] = frozenset(names)
        return self._groups[key]

    def _base(self, chosen: tuple[str, ...]) -> Base:
        if chosen not in self._bases:
            base = self._kept.base(chosen, self._parts) if self._kept is not None else None
            if base is None:
                cfg = compose(chosen)
                base = base_of(cfg, self._parts)
                if self._kept is not None:
                    self._kept.keep(chosen, base, cfg, self._parts)
            self._bases[chosen] = base
        return self._bases[chosen]


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
