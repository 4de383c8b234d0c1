"""Turns composed configs into frozen runs: checks them, computes ids, writes config.yaml."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segsweep import __version__
from segsweep.config.cells import cells_of, run_names
from segsweep.config.check import check_config
from segsweep.config.identity import IDENTITY_VERSION, contents, run_id
from segsweep.config.run_config import (
    FrozenConfig,
    RunConfig,
    Values,
    command_config,
    mapping,
    without_command,
)
from segsweep.config.schema import CommandConfig, RaceConfig, SearchConfig, TrackerConfig
from segsweep.config.truth import VALIDATION_ONLY, target_of
from segsweep.errors import ConfigError
from segsweep.store.paths import RunPaths, SweepPaths, folder_name
from segsweep.store.plan import (
    add_to_plan,
    lost_rows,
    missing_rows,
    needs_rebuilding,
    read_plan,
)
from segsweep.store.records import config_text, write_config_text
from segsweep.sweep.planning import user_code
from segsweep.system.clock import time_text
from segsweep.system.files import has_content, has_text, locked
from segsweep.training.dataset import checked_data

LARGE = 2048 * 2048
"""Pixels of an image from which on the network is checked before images are decoded."""


@dataclass(frozen=True)
class PlannedRun:
    """A checked run with its id; once frozen, it is launched by the path of its config.yaml."""

    config: FrozenConfig
    paths: RunPaths
    command_config: CommandConfig = field(default_factory=CommandConfig)
    """Settings of the command that requests the run; not in the frozen config."""
    words: tuple[str, ...] = ()
    """The words that it was composed from, where a search plans further runs from them."""
    search: SearchConfig = field(default_factory=SearchConfig)
    """The search that the command makes."""
    race: RaceConfig = field(default_factory=RaceConfig)
    """The race that the command runs; without looks none."""
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    """What else records the command's runs."""

    @property
    def name(self) -> str:
        """The run's folder name."""
        return self.paths.root.name


def plan_run(values: Values, choices: Mapping[str, str]) -> PlannedRun:
    """Check a resolved config with its data; return its run. Writes no file of the run."""
    return plan_checked(check_without_data(values, choices))


def check_without_data(values: Values, choices: Mapping[str, str]) -> RunConfig:
    """Return the checked config; its images, which take long to read, are not checked yet.

    Builds network and loss only if the sweep has no plan yet, because building takes seconds,
    or if images are large: decoding them may need more memory or disk than there is.
    """
    user_code.describe(values)
    config = RunConfig.of(check_config(values, choices))
    if _is_built_first(config):
        _check_built(config)
    return config


def _is_built_first(config: RunConfig) -> bool:
    """Whether network and loss are checked before images are decoded."""
    height, width = config.data.height_width
    return height * width > LARGE or not sweep_of(config).plan.exists()


def plan_checked(config: RunConfig) -> PlannedRun:
    """Check a config with its data; return its run. Writes no file of the run."""
    checked = config.values
    try:
        prepared, parts = checked_data(config, user_code.prepare)
    except OSError:
        check_writable(config.outputs)
        raise
    identity = run_id(checked, prepared.fingerprint)
    frozen = {
        "run_id": identity,
        "identity_version": IDENTITY_VERSION,
        "segsweep_version": __version__,
        "data_fingerprint": prepared.fingerprint,
        "data_target": target_of(mapping(checked, "data")),
        **({} if "test" in parts else {VALIDATION_ONLY: True}),
        "contents": contents(checked),
        **without_command(checked),
    }
    name = folder_name(config.choices["model"], config.choices["loss"], config.seed, identity)
    paths = sweep_of(config).run(name)
    if not _is_built_first(config) and not paths.result.exists():  # else it was built before
        _check_built(config)
    return PlannedRun(
        FrozenConfig.of(frozen),
        paths,
        command_config(checked),
        search=config.search,
        race=config.race,
        tracker=config.tracker,
    )


def _check_built(config: RunConfig) -> None:
    from segsweep.training.check_built import check_built  # imports torch

    check_built(config, user_code.run_check)


def sweep_of(config: RunConfig) -> SweepPaths:
    """Return the sweep that a config belongs to."""
    return SweepPaths(Path(config.outputs) / config.sweep)


def each_once(planned: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Return the different runs of *planned*, in order."""
    found: dict[str, PlannedRun] = {}
    for run in planned:
        found.setdefault(run.name, run)
    return list(found.values())


def cell_by_run(planned: Sequence[PlannedRun]) -> dict[str, str]:
    """Return run name -> cell."""
    cells = cells_of([run.config.values for run in planned])
    return {run.name: cell for run, cell in zip(planned, cells, strict=True)}


def freeze(
    planned: Sequence[PlannedRun], request: str, cells: Mapping[str, str] | None = None
) -> None:
    """Write the runs' configs and add them to their sweep's plan; existing rows are kept.

    *cells* is run name -> cell, where *planned* are not all runs of the command.
    """
    config, sweep = planned[0].config, sweep_of(planned[0].config)
    new, rows = _new_texts(planned), _plan_rows(planned, request, cells or cell_by_run(planned))
    rebuild = needs_rebuilding(sweep)
    if not new and not rebuild and not missing_rows(sweep, rows):
        return
    check_writable(config.outputs)
    sweep.root.mkdir(parents=True, exist_ok=True)
    with locked(sweep.plan_lock):
        for path, text in new.items():
            write_config_text(path, text)
        if rebuild:
            wrong = read_plan(sweep.plan).damage or f"{sweep.plan}: missing"
            print(f"{wrong}; written again from the runs", file=sys.stderr)
            rows += lost_rows(sweep, {run.name for run in planned})
        add_to_plan(sweep, rows)


def _new_texts(planned: Sequence[PlannedRun]) -> dict[Path, str]:
    """Return path -> text of the configs that are missing or differ from the file.

    A finished run keeps the config that it was trained with.
    """
    known: dict[str, str] = {}
    todo = [
        run for run in planned if not (run.paths.result.exists() and has_content(run.paths.config))
    ]
    texts = {run.paths.config: config_text(run.config.values, known) for run in todo}
    return {path: text for path, text in texts.items() if not has_text(path, text)}


def check_writable(outputs: str) -> None:
    """Raise ConfigError unless files can be written in the folder *outputs*."""
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


def _plan_rows(
    planned: Sequence[PlannedRun], request: str, cells: Mapping[str, str]
) -> list[dict[str, object]]:
    asked = {"requested_at": time_text(), "request": request}
    return [
        {
            **run_names(run.config.values),
            "epochs": run.config.trainer.epochs,
            "folder": run.name,
            "cell": cells[run.name],
            **asked,
        }
        for run in planned
    ]
