"""Hydra's own keys: those that have no effect here are refused, with what to use instead.

Hydra accepts them in every application, but a run of segsweep has a folder and a log of its
own and, with segsweep's launcher, a process that Hydra does not start.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from hydra.conf import HydraConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from segsweep.errors import ConfigError
from segsweep.sweep.places.ways import LOCAL, OURS, Way, way_of

FOLDER = (
    "every run has its own folder, <outputs>/<sweep>/runs/<run>; use outputs=<folder> sweep=<name>"
)
CONFIG = "the config of a run is its config.yaml"
LOG = "the output of a run is in its train.log"
NUMBER = "runs are named by their content, not by a number"
FACTS = "Hydra fills this in itself"
ENVIRONMENT = "set variables in front of the command: NAME=value segsweep-train ..."
OWN_CALLBACK = (
    "segsweep's callback plans the runs; other callbacks are added as hydra.callbacks.<name>"
)


def _always(way: Way, launcher: str) -> bool:
    return True


def _without_submitit(way: Way, launcher: str) -> bool:
    return not launcher.startswith("submitit")


def _in_slots(way: Way, launcher: str) -> bool:
    """Whether segsweep's own launcher executes the runs."""
    return way in (Way.OURS, Way.BASIC, Way.SEARCH)


def _here(way: Way, launcher: str) -> bool:
    """Whether runs are executed by this process, or by those that it starts."""
    return way is Way.SINGLE or _in_slots(way, launcher)


def _writes_nothing(way: Way, launcher: str) -> bool:
    """Whether nothing is written into Hydra's sweep folder: neither a search's result nor logs."""
    return way not in (Way.SEARCH, Way.SEARCH_BY_HYDRA) and not launcher.startswith("submitit")


@dataclass(frozen=True)
class HydraKey:
    """A key below `hydra` that has no effect in some ways of running."""

    reason: str
    refused: Callable[[Way, str], bool] = _always
    """Whether it is refused, given the way and the launcher's name."""


KEYS: Mapping[str, HydraKey] = {
    "run": HydraKey(FOLDER),
    "sweep.dir": HydraKey(FOLDER, _writes_nothing),
    "sweep.subdir": HydraKey(FOLDER),
    "output_subdir": HydraKey(CONFIG),
    "job.chdir": HydraKey("runs stay in the folder where the command starts; " + FOLDER),
    "job.num": HydraKey(NUMBER),
    "job.id": HydraKey(NUMBER),
    "job.name": HydraKey(f"{NUMBER}; use sweep=<name>", _without_submitit),
    "job.override_dirname": HydraKey(FOLDER),
    "job.config": HydraKey(FOLDER),
    "job.config_name": HydraKey(FACTS),
    "job.env_set": HydraKey(ENVIRONMENT, _in_slots),
    "job.env_copy": HydraKey("runs have the environment of the command anyway", _here),
    "verbose": HydraKey(f"{LOG}; HYDRA_FULL_ERROR=1 in front of the command shows tracebacks"),
    "job_logging": HydraKey(LOG, _in_slots),
    "env": HydraKey(ENVIRONMENT),
    "overrides": HydraKey(FACTS),
    "runtime": HydraKey(FACTS),
}
"""Keys below `hydra`, each with all keys below it. Keys that are not here have their effect."""
DEFAULTS: Mapping[str, object] = {
    "run.dir": "${outputs}/.cache/hydra",
    "sweep.dir": "${outputs}/.cache/hydra",
    "sweep.subdir": ".",
    "output_subdir": None,
    "job.chdir": False,
    "verbose": False,
    "job.env_set": {},
    "job.env_copy": [],
    "job_logging": {"version": 1, "root": None, "disable_existing_loggers": False},
}
"""The values in `conf/`: an experiment's file that sets another is refused like a word."""
OWN = {"launcher": LOCAL, "sweeper": OURS}
"""What of Hydra's is segsweep's own here; of its keys there is only the sweeper's `params`."""
MOST_TEXT = 120
"""Characters of a value from a file that are shown."""
TOP = tuple(one.name for one in fields(HydraConf))
"""The keys of Hydra."""


def check_hydra_keys(config: DictConfig, single: bool = False) -> None:
    """Raise ConfigError for a key of Hydra that has no effect in the command's way of running."""
    way, launcher = way_of(config, single), str(config.hydra.runtime.choices["hydra/launcher"])
    for key, text in [*_words(config.hydra.overrides.hydra), *_from_files(config)]:
        known = _known(key)
        if known is None and key.partition(".")[0] not in TOP:
            raise ConfigError(f"{text}: no such key; `segsweep-train --cfg hydra` lists Hydra's")
        part, _, name = key.partition(".")
        if part in OWN and config.hydra[part]._target_ == OWN[part] and name not in ("", "params"):
            raise ConfigError(
                f"{text}: hydra/{part}=segsweep has no such key; another is hydra/{part}=<name>"
            )
        if known is not None and known.refused(way, launcher):
            raise ConfigError(f"{text}: has no effect; {known.reason}")


def check_callback(words: Sequence[str]) -> None:
    """Raise ConfigError for a word that removes segsweep's callback, which plans the runs.

    Also for one that contradicts `-m`: Hydra would warn and heed `-m`.
    """
    several = bool({"-m", "--multirun"} & {*words})
    for word in words:
        name, _, value = word.lstrip("+").partition("=")
        if several and name == "hydra.mode" and value.strip("'\"") != "MULTIRUN":
            raise ConfigError(f"{word}: has no effect with -m; leave out one of them")
        key = word.lstrip("~").partition("=")[0]
        removes = word.startswith("~") or key == "hydra.callbacks"
        if removes and key in ("hydra.callbacks", "hydra.callbacks.segsweep"):
            raise ConfigError(f"{word}: {OWN_CALLBACK}")


def _known(key: str) -> HydraKey | None:
    for name, known in KEYS.items():
        if key == name or key.startswith(f"{name}."):
            return known
    return None


def _words(words: Sequence[str]) -> list[tuple[str, str]]:
    """Return key below `hydra` and text of each word of the command line about Hydra."""
    found = []
    for override in OverridesParser.create().parse_overrides(list(words)):
        key = override.key_or_group.replace("/", ".")
        if key.startswith("hydra."):
            found.append((key.removeprefix("hydra."), str(override.input_line)))
    return [(key, text) for key, text in found if not _is_default(key, text)]


def _is_default(key: str, text: str) -> bool:
    value = text.partition("=")[2]
    return key in DEFAULTS and value in (str(DEFAULTS[key]), str(DEFAULTS[key]).lower())


def _from_files(config: DictConfig) -> list[tuple[str, str]]:
    values = OmegaConf.to_container(config.hydra, resolve=False)
    found = [(key, _at(values, key)) for key in DEFAULTS]
    changed = [(key, value) for key, value in found if value != DEFAULTS[key]]
    return [(key, f"hydra.{key}={value}"[:MOST_TEXT]) for key, value in changed]


def _at(values: object, key: str) -> object:
    for name in key.split("."):
        values = values[name] if isinstance(values, dict) else None
    return values
