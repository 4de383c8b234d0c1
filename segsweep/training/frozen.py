"""A run's frozen config: what it holds, and whether it still is the run that it says it is.

No torch: the command that plans runs uses it too.
"""

from collections.abc import Mapping
from typing import Any

from segsweep.config.check import check_config
from segsweep.config.identity import IDENTITY_VERSION, run_id
from segsweep.config.schema import COMMAND_KEYS
from segsweep.errors import ConfigError, DataError
from segsweep.training.dataset import prepared_data

FACTS = ("run_id", "identity_version", "segsweep_version", "data_fingerprint", "contents")
"""What a frozen config holds beside the config."""


def check_frozen(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a frozen config after checking that it still is the run it says it is.

    Raises ConfigError if the schema no longer accepts it or its hash is another, DataError
    if the data changed since.
    """
    facts = (*FACTS, "choices")
    values = {key: value for key, value in config.items() if key not in facts}
    checked = check_config(values, config["choices"])
    prepared = prepared_data(checked)
    if prepared.fingerprint != config["data_fingerprint"]:
        raise DataError(
            f"the data changed since run {config['run_id']} was planned (fingerprint "
            f"{prepared.fingerprint}, planned {config['data_fingerprint']}); "
            "put it back, or start the sweep's command again to plan new runs"
        )
    found = run_id(checked, prepared.fingerprint)
    if config["identity_version"] == IDENTITY_VERSION and found != config["run_id"]:
        raise ConfigError(
            f"config.yaml of run {config['run_id']} was edited (its hash is {found}); "
            "put it back, or set the values on the command line to make another run"
        )
    return {**{key: config[key] for key in facts}, **without_command(checked)}


def without_command(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a checked config that is the run, not the command that asks for it."""
    return {key: value for key, value in config.items() if key not in COMMAND_KEYS}
