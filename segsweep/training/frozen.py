"""Check that a frozen config is unchanged since its run was planned. No torch."""

from collections.abc import Sequence
from pathlib import Path

from segsweep.config.check import check_config
from segsweep.config.identity import IDENTITY_VERSION, completed, run_id
from segsweep.config.run_config import FACTS, FrozenConfig, RunConfig, Values, without_command
from segsweep.errors import ConfigError, DataError
from segsweep.training.dataset import prepared_data


def check_frozen(config: FrozenConfig) -> FrozenConfig:
    """Return the config, checked and complete.

    Raises ConfigError if the schema no longer accepts it or it was edited, DataError if the
    data have changed since the run was planned.
    """
    checked = check_values(config)
    prepared = prepared_data(RunConfig.of(checked))
    if prepared.fingerprint != config.data_fingerprint:
        raise DataError(
            f"the data have changed since run {config.run_id} was planned (fingerprint "
            f"{prepared.fingerprint}, planned {config.data_fingerprint}); "
            "restore them, or start the sweep's command again to plan new runs"
        )
    found = run_id(checked, prepared.fingerprint)
    if config.identity_version == IDENTITY_VERSION and found != config.run_id:
        raise ConfigError(
            f"config.yaml of run {config.run_id} was edited (its hash is {found}); "
            "restore it, or set the values on the command line to plan another run"
        )
    return with_facts(config, without_command(checked))


def at_current_place(config: FrozenConfig, path: Path, allow: Sequence[str]) -> FrozenConfig:
    """Return the config with the sweep and outputs folder that *path* is in, and *allow*."""
    sweep = path.resolve().parents[2]
    return config.with_values(
        {"allow": list(allow), "outputs": str(sweep.parent), "sweep": sweep.name}
    )


def check_values(config: FrozenConfig) -> dict[str, object]:
    """Return the values without the facts, checked and complete; the data are not needed."""
    facts = (*FACTS, "choices")
    values = {key: value for key, value in config.values.items() if key not in facts}
    return check_config(completed(values), config.choices)


def with_facts(config: FrozenConfig, checked: Values) -> FrozenConfig:
    """Return *checked* values with the facts about the run of *config*."""
    kept = {key: config.values[key] for key in (*FACTS, "choices") if key in config.values}
    return FrozenConfig.of({**kept, **checked})
