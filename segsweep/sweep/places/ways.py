"""The one table of the command's keys: which way of running heeds a key, and why another cannot.

A way is a sweeper with a launcher. What a way does not heed, it refuses before anything starts.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence

from omegaconf import DictConfig, OmegaConf

from segsweep.config.schema import IN_RUN, Config, RaceConfig, SearchConfig, TrackerConfig
from segsweep.errors import ConfigError
from segsweep.tracking.tracker import check_tracker

OURS = "segsweep.plugins.sweeper.SegsweepSweeper"
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
LOCAL = "segsweep.plugins.launcher.SegsweepLauncher"
PLUGINS = ("hydra_plugins.", "hydra._internal.core_plugins.")
"""Where Hydra's own sweepers and launchers are."""


class Way(enum.Enum):
    """A way of running: the sweeper, and whether segsweep's own launcher executes the runs."""

    SINGLE = "a command without -m"
    OURS = "segsweep's sweeper and launcher, the default"
    OURS_BY_HYDRA = "segsweep's sweeper, one of Hydra's launchers"
    BASIC = "hydra/sweeper=basic, segsweep's launcher"
    BASIC_BY_HYDRA = "hydra/sweeper=basic, one of Hydra's launchers"
    SEARCH = "a search, such as hydra/sweeper=optuna, segsweep's launcher"
    SEARCH_BY_HYDRA = "a search, one of Hydra's launchers"


HEEDED = ""
ONE = "only with -m; add -m"
FOR_JOBS = (
    "names the run of a launcher's job; `segsweep show RUN` prints the command to run it again"
)
LAUNCHER = "not with hydra/launcher={launcher}{instead}"
SWEEPER = "not with hydra/sweeper={sweeper} and hydra/launcher={launcher}; leave out hydra/sweeper"
NO_PLAN = (
    "not with hydra/sweeper={sweeper}: a search chooses its runs while it runs; to see the cost "
    "of one, plan it as a run, without hydra/sweeper={sweeper} and its experiment"
)
NEW_RUNS = "not with hydra/sweeper={sweeper}: a search asks for new runs; start another study"
SEARCH_LAUNCHER = (
    "not with hydra/sweeper={sweeper} and hydra/launcher={launcher}; leave out hydra/launcher"
)
OWN_SEARCH = (
    "not with hydra/sweeper={sweeper}; leave out that sweeper and its experiment, or the search"
)
OWN_RACE = (
    "not with hydra/sweeper={sweeper}; leave out that sweeper and its experiment, or the race"
)
_ALL = (HEEDED,) * len(Way)
_SLOTS = (ONE, HEEDED, LAUNCHER, HEEDED, SWEEPER, HEEDED, SEARCH_LAUNCHER)

HEEDS: Mapping[str, tuple[str, ...]] = {
    # single, ours, ours by Hydra, basic, basic by Hydra, search, search by Hydra
    "plan": (ONE, HEEDED, HEEDED, HEEDED, SWEEPER, NO_PLAN, NO_PLAN),
    "max_runs": _ALL,
    "rerun": (ONE, HEEDED, HEEDED, HEEDED, SWEEPER, NEW_RUNS, NEW_RUNS),
    "retry_failed": (ONE, HEEDED, HEEDED, HEEDED, SWEEPER, HEEDED, SEARCH_LAUNCHER),
    "time_limit": (ONE, HEEDED, LAUNCHER, HEEDED, SWEEPER, HEEDED, SEARCH_LAUNCHER),
    "keep_gb": (ONE, HEEDED, HEEDED, HEEDED, SWEEPER, HEEDED, SEARCH_LAUNCHER),
    "slots": _SLOTS,
    "per_device": _SLOTS,
    "preflight": _ALL,  # a way that measures nothing heeds `false`; `true` is the default
    "check_limit": _ALL,
    "frozen": (FOR_JOBS,) * len(Way),
    # keys of a run, which its own process heeds wherever it is
    "sweep": _ALL,
    "outputs": _ALL,
    "device": _ALL,
    "threads": _ALL,
    "allow": _ALL,
    "keep": _ALL,
}
"""Key -> for each `Way`, in order: HEEDED, or why the key is refused."""
SEARCH = (ONE, HEEDED, HEEDED, OWN_SEARCH, OWN_SEARCH, OWN_SEARCH, OWN_SEARCH)
"""The same for the keys below `search` that steer a command."""
RACE = (ONE, HEEDED, HEEDED, OWN_RACE, OWN_RACE, OWN_RACE, OWN_RACE)
"""The same for the keys below `race`."""


def way_of(config: DictConfig, single: bool = False) -> Way:
    """Return the way in which a command with the composed *config* runs."""
    if single:
        return Way.SINGLE
    local = config.hydra.launcher._target_ == LOCAL
    if config.hydra.sweeper._target_ == OURS:
        return Way.OURS if local else Way.OURS_BY_HYDRA
    if config.hydra.sweeper._target_ == BASIC:
        return Way.BASIC if local else Way.BASIC_BY_HYDRA
    return Way.SEARCH if local else Way.SEARCH_BY_HYDRA


def check_way(config: DictConfig, single: bool = False) -> None:
    """Raise ConfigError if a key of the command has a value that its way of running ignores.

    Also for a sweeper or launcher that is none: only a config file names a class for it.
    """
    for part in ("sweeper", "launcher"):
        target = str(config.hydra[part]._target_)
        if target not in (OURS, LOCAL) and not target.startswith(PLUGINS):
            raise ConfigError(
                f"hydra.{part}._target_={target}: not a {part} of segsweep or Hydra; leave it out "
                f"of the experiment, or choose one: override /hydra/{part}: <name>"
            )
    if single and config.hydra.sweeper._target_ not in (OURS, BASIC):
        raise ConfigError(f"hydra/sweeper={config.hydra.runtime.choices['hydra/sweeper']}: {ONE}")
    place = list(Way).index(way_of(config, single))
    for item in dataclasses.fields(Config):
        reason = HEEDS[item.name][place] if item.name in HEEDS else HEEDED
        if reason and config[item.name] != item.default:
            value = _text(config[item.name])
            raise ConfigError(f"{item.name}={value}: {_filled(reason, item.name, config)}")
    check_tracker(tracker_config(config))
    if SEARCH[place] and (word := _search_word(config)):
        raise ConfigError(f"{word}: {_filled(SEARCH[place], 'search', config)}")
    race = str(config.hydra.runtime.choices.get("race", "none"))
    if race != "none" and not config.race.looks:
        raise ConfigError(
            f"race.looks=[]: race={race} without looks races nothing; give it some, such as "
            f"race.looks=[3,5,8], or leave out race={race}"
        )
    if RACE[place] and (word := _race_word(config)):
        raise ConfigError(f"{word}: {_filled(RACE[place], 'race', config)}")


def tracker_config(config: DictConfig) -> TrackerConfig:
    """Return the tracker of a composed *config*; every way of running heeds it."""
    return TrackerConfig(name=str(config.tracker.name), mode=str(config.tracker.mode))


def _search_word(config: DictConfig) -> str:
    """Return the word of the command that asks for a search or steers one, empty without any."""
    return _word_of("search", SearchConfig(), IN_RUN, config)


def _race_word(config: DictConfig) -> str:
    """Return the word of the command that asks for a race or steers one, empty without any."""
    return _word_of("race", RaceConfig(), (), config)


def _word_of(
    group: str, default: SearchConfig | RaceConfig, in_run: Sequence[str], config: DictConfig
) -> str:
    chosen = config.hydra.runtime.choices.get(group, "none")
    if chosen != "none":
        return f"{group}={chosen}"
    for item in dataclasses.fields(default):
        value = config[group][item.name]
        if item.name not in in_run and value != getattr(default, item.name):
            return f"{group}.{item.name}={_text(value)}"
    return ""


def _filled(reason: str, key: str, config: DictConfig) -> str:
    from segsweep.sweep.places.launchers.launcher import launcher_named

    chosen = config.hydra.runtime.choices
    launcher = str(chosen["hydra/launcher"])
    instead = launcher_named(launcher).instead.get(key)
    words = f"; use {instead}" if instead else "; leave out hydra/launcher"
    return reason.format(sweeper=chosen["hydra/sweeper"], launcher=launcher, instead=words)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(OmegaConf.to_container(value) if OmegaConf.is_config(value) else value)
