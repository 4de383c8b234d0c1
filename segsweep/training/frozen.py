"""Check that a frozen config is unchanged since its run was planned. No torch."""

from segsweep.config.check import check_config
from segsweep.config.identity import IDENTITY_VERSION, completed, run_id
from segsweep.config.run_config import FACTS, FrozenConfig, RunConfig, without_command
from segsweep.errors import ConfigError, DataError
from segsweep.training.dataset import prepared_data


def check_frozen(config: FrozenConfig) -> FrozenConfig:
    """Return the config, checked and complete.

    Raises ConfigError if the schema no longer accepts it or it was edited, DataError if the
    data have changed since the run was planned.
    """
    facts = (*FACTS, "choices")
    values = {key: value for key, value in config.values.items() if key not in facts}
    checked = check_config(completed(values), config.choices)
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
    kept = {key: config.values[key] for key in facts if key in config.values}
    return FrozenConfig.of({**kept, **without_command(checked)})
