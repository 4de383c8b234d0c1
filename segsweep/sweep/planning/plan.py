"""From composed configs to frozen runs: check, give each its id, write its config."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from segsweep import __version__
from segsweep.config.cells import cell_name, flat_values, run_names, swept_among
from segsweep.config.check import check_built, check_config, image_size, source_node, split_config
from segsweep.config.identity import IDENTITY_VERSION, contents, run_id
from segsweep.config.schema import COMMAND_KEYS
from segsweep.config.targets import build
from segsweep.data.cache import Prepared, prepare
from segsweep.data.split import split_samples
from segsweep.errors import ConfigError, DataError
from segsweep.store.paths import RunPaths, SweepPaths, folder_name
from segsweep.store.records import (
    add_to_plan,
    config_text,
    missing_rows,
    read_rows,
    write_config_text,
)
from segsweep.system.clock import time_text
from segsweep.system.files import has_content, holds, locked
from segsweep.system.progress import Counter

FACTS = ("run_id", "identity_version", "segsweep_version", "data_fingerprint", "contents")
"""What a frozen config holds beside the config."""


@dataclass(frozen=True)
class Planned:
    """A run that is ready to be launched by the path of its frozen config."""

    config: dict[str, Any]
    paths: RunPaths
    command: dict[str, Any] = field(default_factory=dict)
    """Keys that steer the command which asks for it; not in the frozen config."""

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
    return plan_checked(check_without_data(values, choices))


def check_without_data(values: Mapping[str, Any], choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config checked as far as that goes without its images: reading them takes long.

    What a sweep's earlier runs may have had built before is left: that takes seconds of imports.
    """
    config = check_config(values, choices, built=False)
    if not sweep_of(config).plan.exists():
        check_built(config)
    return config


def plan_checked(config: dict[str, Any]) -> Planned:
    """Check a config with its data and return the run it is; writes no run file."""
    try:
        prepared = prepared_data(config)
    except OSError:
        check_writable(config["outputs"])
        raise
    check_batch(config, prepared)
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
    paths = sweep_of(config).run(name)
    if not paths.result.exists():  # else it was built before, which takes seconds of imports
        check_built(config)
    return Planned(frozen, paths, {key: config[key] for key in COMMAND_KEYS})


def sweep_of(config: Mapping[str, Any]) -> SweepPaths:
    """Return the sweep that a config belongs to."""
    return SweepPaths(Path(config["outputs"]) / config["sweep"])


def cells_of(planned: Sequence[Planned]) -> dict[str, str]:
    """Return the cell of each run, by its name."""
    values = {run.name: flat_values(run.config) for run in planned}
    swept = swept_among([run.config for run in planned], list(values.values()))
    return {name: cell_name(flat, swept) for name, flat in values.items()}


def freeze(planned: Sequence[Planned], request: str) -> None:
    """Write the runs' configs and add them to their sweep's plan; what stands is kept."""
    config, sweep = planned[0].config, sweep_of(planned[0].config)
    new, rows = _new_texts(planned), _plan_rows(planned, request)
    if not new and not missing_rows(read_rows(sweep.plan), rows):
        return
    check_writable(config["outputs"])
    sweep.root.mkdir(parents=True, exist_ok=True)
    with locked(sweep.plan_lock):
        for path, text in new.items():
            write_config_text(path, text)
        add_to_plan(sweep, rows)


def _new_texts(planned: Sequence[Planned]) -> dict[Path, str]:
    """Return path -> text of the configs that do not stand yet, or stand with other places.

    A finished run keeps the config that it was carried out with.
    """
    known: dict[str, str] = {}
    todo = [
        run for run in planned if not (run.paths.result.exists() and has_content(run.paths.config))
    ]
    texts = {run.paths.config: config_text(run.config, known) for run in todo}
    return {path: text for path, text in texts.items() if not holds(path, text)}


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


@lru_cache(maxsize=64)
def _prepared(
    node: str, size: tuple[int, int], channels: int, cache: str, allow: tuple[str, ...]
) -> Prepared:
    source = build("data", json.loads(node), allow)
    return prepare(source, size, channels, Path(cache), Counter("reading images"))


def check_batch(config: Mapping[str, Any], prepared: Prepared) -> None:
    """Raise ConfigError if no whole batch can be trained on."""
    batch, count = config["trainer"]["batch"], _training_images(config, prepared)
    if count < batch:
        raise ConfigError(
            f"trainer.batch={batch}: more than the {count} training images; "
            f"allowed are 1 to {count}"
        )


def _training_images(config: Mapping[str, Any], prepared: Prepared) -> int:
    split = config["data"]["split"]
    key = (prepared.fingerprint, str(split))
    if split["file"] or key not in _counts:  # a file may have other content by now
        _counts[key] = split_samples(prepared.samples, split_config(config)).count("train")
    return _counts[key]


_counts: dict[tuple[str, str], int] = {}


def _plan_rows(planned: Sequence[Planned], request: str) -> list[dict[str, Any]]:
    values = [flat_values(run.config) for run in planned]
    swept = swept_among([run.config for run in planned], values)
    asked = {"requested_at": time_text(), "request": request}
    return [
        {
            **run_names(run.config),
            "folder": run.name,
            "cell": cell_name(flat, swept),
            **asked,
        }
        for run, flat in zip(planned, values, strict=True)
    ]


def check_frozen(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a frozen config after checking that it still is the run it says it is.

    Raises ConfigError if the schema no longer accepts it or its hash is another, DataError
    if the data changed since.
    """
    facts = (*FACTS, "choices")
    values = {key: value for key, value in config.items() if key not in facts}
    checked = check_config(values, config["choices"], built=False)
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
