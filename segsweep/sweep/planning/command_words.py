"""Checks of the command line: one sweep folder, one value for each setting of the command."""

import re
from collections import Counter
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from segsweep.config.schema import COMMAND_KEYS, COMMAND_SECTIONS
from segsweep.errors import ConfigError
from segsweep.sweep.planning.plain_words import check_no_password
from segsweep.system.names import plural


def check_one_sweep(arguments: Sequence[str]) -> None:
    """Raise ConfigError for several sweep folders or several values of a command's setting."""
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        key = override.get_key_element()
        if override.is_sweep_override() and key in ("sweep", "outputs"):
            raise ConfigError(
                f"{override.input_line}: only one folder is allowed per command; "
                "run a separate command for each"
            )
        if override.is_sweep_override() and (key in COMMAND_KEYS or _is_of_group(key)):
            raise ConfigError(
                f"{override.input_line}: only one value is allowed, "
                "because it applies to the whole command"
            )


def _is_of_group(key: str) -> bool:
    """Whether a key steers the command's search, race or tracker.

    `search.params` alone holds several values.
    """
    groups = ("search", *COMMAND_SECTIONS)
    return key.split(".")[0] in groups and not key.startswith("search.params")


def repeated_values(arguments: Sequence[str], asked: int, made: int) -> list[str]:
    """Return a line if the command asks for the same run more than once.

    Args:
        arguments: the words of the command.
        asked: combinations of values that they make.
        made: different runs among them.

    """
    if asked == made:
        return []
    runs = plural(made, "run")
    given: dict[str, int] = {}
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        if override.is_sweep_override():
            values = Counter(override.sweep_string_iterator())
            given |= {f"{override.get_key_element()}={word}": n for word, n in values.items()}
    repeated = [(word, f"{n} times") for word, n in given.items() if n > 1]
    if not repeated:
        return [f"{asked} combinations of values make {runs}: some are the same run"]
    (first, times), *others = repeated
    words = ", ".join([f"{first} is given {times}", *map(" ".join, others)])
    return [f"{words}: {runs}, not {asked}"]


def check_search(config: DictConfig) -> None:
    """Raise ConfigError unless a search maximizes and its runs are trials (no test set)."""
    direction = config.hydra.sweeper.get("direction", "maximize")
    if config.kind != "trial" or str(getattr(direction, "name", direction)) != "maximize":
        raise ConfigError(
            "a search maximizes validation IoU and never reads the test set: "
            "add experiment=optuna_lr (kind=trial hydra.sweeper.direction=maximize)"
        )


def check_own_values(config: DictConfig, arguments: Sequence[str]) -> None:
    """Raise ConfigError if a command without `-m` chooses an experiment with values for runs.

    Only a sweeper reads `hydra.sweeper.params`; a word of the command replaces a key's values.
    """
    given = {word.lstrip("+").partition("=")[0] for word in arguments}
    params = dict(config.hydra.sweeper.get("params") or {})
    words = [f"{key}={value}" for key, value in params.items() if key not in given]
    if words:
        experiment = config.hydra.runtime.choices.get("experiment")
        place = f"experiment={experiment}" if experiment else "hydra.sweeper.params"
        raise ConfigError(f"{place}: sets {' '.join(words)} for a sweep; add -m")


def check_storage(config: DictConfig) -> None:
    """Raise ConfigError if the config, as it was written, has a password in `search.storage`."""
    written = OmegaConf.to_container(config.search, resolve=False)
    address = written.get("storage") if isinstance(written, dict) else None
    if isinstance(address, str):
        check_no_password([f"search.storage={address}"])


def per_run(words: list[str]) -> list[str]:
    """Return a `-m` command line in which keys below a swept group are set per run.

    Hydra first composes a config without the swept groups. In it, `loss.gamma=3` of
    `loss=focal,focal_lin loss.gamma=3` would be an unknown key; `loss.gamma=choice(3)` is
    applied only to each run.
    """
    if not {"-m", "--multirun", "hydra.mode=MULTIRUN"} & {*words}:
        return words
    swept = {word.partition("=")[0] for word in words if re.fullmatch(r"\w+=.*,.*", word)}
    return [
        f"{key}=choice({value})"
        if "." in key and key.split(".")[0] in swept and re.fullmatch(r"[\w.+-]+", value)
        else word
        for word, (key, _, value) in ((word, word.partition("=")) for word in words)
    ]
