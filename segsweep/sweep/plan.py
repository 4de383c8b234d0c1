"""From composed configs to frozen runs: check, give each its id, write its config."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segsweep import __version__
from segsweep.cells import cell_name, flat_values, swept_keys
from segsweep.checks import check_config, image_size, source_node, split_config
from segsweep.config import COMMAND_KEYS
from segsweep.data.cache import Prepared, prepare
from segsweep.data.source import Sample
from segsweep.data.split import split_samples
from segsweep.errors import ConfigError, DataError
from segsweep.files import locked
from segsweep.identity import IDENTITY_VERSION, contents, run_id
from segsweep.progress import Counter
from segsweep.store import RunPaths, SweepPaths, add_to_plan, folder_name, write_config
from segsweep.targets import build

FACTS = ("run_id", "identity_version", "segsweep_version", "data_fingerprint", "contents")
"""What a frozen config holds beside the config."""


@dataclass(frozen=True)
class Planned:
    """A run that is ready to be launched by the path of its frozen config."""

    config: dict[str, Any]
    paths: RunPaths

    @property
    def name(self) -> str:
        """The run's folder name."""
        return self.paths.root.name


def resolve(cfg: DictConfig) -> dict[str, Any]:
    """Return a composed config as plain values, Hydra's own part left out."""
    task = {key: value for key, value in cfg.items_ex(resolve=False) if key != "hydra"}
    try:
        values = OmegaConf.to_container(OmegaConf.create(task), resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(f"config: {str(error).splitlines()[0]}") from error
    if not isinstance(values, dict):
        raise ConfigError("config: not a mapping")
    return {str(key): value for key, value in values.items()}


def plan_run(values: Mapping[str, Any], choices: Mapping[str, Any]) -> Planned:
    """Check a resolved config with its data and return the run it is; writes no run file."""
    config = check_config(values, choices)
    try:
        prepared = prepared_data(config)
    except OSError:
        check_writable(config["outputs"])
        raise
    check_batch(config, prepared.samples)
    identity = run_id(config, prepared.fingerprint)
    frozen = {
        "run_id": identity,
        "identity_version": IDENTITY_VERSION,
        "segsweep_version": __version__,
        "data_fingerprint": prepared.fingerprint,
        "contents": contents(config),
        **_without_command(config),
    }
    model, loss = config["choices"]["model"], config["choices"]["loss"]
    name = folder_name(model, loss, config["seed"], identity)
    return Planned(frozen, sweep_of(config).run(name))


def sweep_of(config: Mapping[str, Any]) -> SweepPaths:
    """Return the sweep that a config belongs to."""
    return SweepPaths(Path(config["outputs"]) / config["sweep"])


def freeze(planned: Sequence[Planned], request: str) -> None:
    """Write the runs' configs and add them to their sweep's plan; what stands is kept."""
    todo = [run for run in planned if not run.paths.result.exists()]
    config = planned[0].config
    if todo:
        check_writable(config["outputs"])
    sweep = sweep_of(config)
    sweep.root.mkdir(parents=True, exist_ok=True)
    with locked(sweep.lock):
        for run in todo:  # a config that stands has the same id: only places may be new
            write_config(run.paths.config, run.config)
        add_to_plan(sweep, _plan_rows(planned, request))


def check_writable(outputs: str) -> None:
    """Raise ConfigError unless files can be made below the folder *outputs*."""
    folder = Path(outputs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe.{os.getpid()}"
        probe.write_text("x" * 4096, encoding="utf-8")
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"outputs={outputs}: cannot be written ({error.strerror}); "
            "choose another with outputs=<folder>"
        ) from error


def prepared_data(config: Mapping[str, Any]) -> Prepared:
    """Return the config's data set, checked and cached; once per process and setting."""
    node = json.dumps(source_node(config), sort_keys=True)
    cache = str(Path(config["outputs"], ".cache").resolve())
    allow = tuple(config["allow"])
    return _prepared(node, image_size(config), config["data"]["channels"], cache, allow)


@lru_cache(maxsize=8)
def _prepared(
    node: str, size: tuple[int, int], channels: int, cache: str, allow: tuple[str, ...]
) -> Prepared:
    source = build("data", json.loads(node), allow)
    return prepare(source, size, channels, Path(cache), Counter("reading images"))


def check_batch(config: Mapping[str, Any], samples: Sequence[Sample]) -> list[str]:
    """Return the part of each sample; raise ConfigError if no whole batch can be trained on."""
    parts = split_samples(samples, split_config(config))
    batch, count = config["trainer"]["batch"], parts.count("train")
    if count < batch:
        raise ConfigError(
            f"trainer.batch={batch}: more than the {count} training images; "
            f"allowed are 1 to {count}"
        )
    return parts


def _plan_rows(planned: Sequence[Planned], request: str) -> list[dict[str, Any]]:
    swept = swept_keys([run.config for run in planned])
    return [_plan_row(run, request, swept) for run in planned]


def _plan_row(run: Planned, request: str, swept: Sequence[str]) -> dict[str, Any]:
    config = run.config
    return {
        "run_id": config["run_id"],
        "kind": config["kind"],
        "cell": cell_name(flat_values(config), swept),
        "model": config["choices"]["model"],
        "loss": config["choices"]["loss"],
        "seed": config["seed"],
        "fold": config["data"]["split"]["fold"],
        "folder": run.name,
        "requested_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "request": request,
    }


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
    return {**{key: config[key] for key in facts}, **_without_command(checked)}


def _without_command(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in COMMAND_KEYS}
