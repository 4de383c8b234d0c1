"""What a command line may say: one sweep folder, one value for each key of the command."""

import dataclasses
import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig

from segsweep.config.schema import COMMAND_KEYS, Config
from segsweep.errors import ConfigError

MANY_ONLY = ("plan", "rerun", "retry_failed", "time_limit", "keep_gb")
"""Keys of commands that one run without `-m` has no use for."""


def check_one_sweep(arguments: Sequence[str]) -> None:
    """Raise ConfigError if a command asks for runs in several folders, or has several minds."""
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        key = override.get_key_element()
        if override.is_sweep_override() and key in ("sweep", "outputs"):
            raise ConfigError(f"{override.input_line}: one command fills one sweep folder")
        if override.is_sweep_override() and key in COMMAND_KEYS:
            raise ConfigError(f"{override.input_line}: one value, it holds for the whole command")


def check_single(config: DictConfig) -> None:
    """Raise ConfigError for what only a `-m` command heeds: `plan=true` would train."""
    for item in dataclasses.fields(Config):
        if item.name in MANY_ONLY and config[item.name] != item.default:
            raise ConfigError(f"{item.name}={config[item.name]}: only with -m; add -m")


def check_search(config: DictConfig) -> None:
    """Raise ConfigError unless a search looks for a high value, and only on validation images."""
    direction = config.hydra.sweeper.get("direction", "maximize")
    if config.kind != "trial" or str(getattr(direction, "name", direction)) != "maximize":
        raise ConfigError(
            "a search maximizes validation IoU and never reads the test set: "
            "add experiment=optuna_lr (kind=trial hydra.sweeper.direction=maximize)"
        )


def per_run(words: list[str]) -> list[str]:
    """Return a multirun's command line with keys below a swept group made values per run.

    Hydra first composes a config without the swept groups, in which `loss.gamma=3` of
    `loss=focal,focal_lin loss.gamma=3` would have nowhere to go: `choice(3)` is only
    looked at for each run.
    """
    if not {"-m", "--multirun"} & {*words}:
        return words
    swept = {word.partition("=")[0] for word in words if re.fullmatch(r"\w+=.*,.*", word)}
    return [
        f"{key}=choice({value})"
        if "." in key and key.split(".")[0] in swept and re.fullmatch(r"[\w.+-]+", value)
        else word
        for word, (key, _, value) in ((word, word.partition("=")) for word in words)
    ]
