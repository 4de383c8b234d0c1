"""Hydra's callback: what a command asks for is planned before its first run starts.

segsweep's own sweeper plans by itself; here stand single runs and Hydra's other sweepers.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from segsweep.config.schema import Config
from segsweep.errors import ConfigError
from segsweep.sweep import session
from segsweep.sweep.planning.compose import Composer, expand
from segsweep.sweep.session import Ended

MANY_ONLY = ("plan", "rerun", "retry_failed", "time_limit", "keep_gb")
"""Keys of commands that one run without `-m` has no use for."""
OURS = "segsweep.plugins.sweeper.SegsweepSweeper"
BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


class Planning(Callback):
    """What it finds wrong ends the command with exit code 2."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Plan the one run of a command without `-m`."""
        _refusing(check_single, config)
        _refusing(_plan_and_freeze, config, [list(config.hydra.overrides.task)])

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Plan a sweep of Hydra's basic sweeper; of a search, whose values come later, a frame."""
        arguments = list(config.hydra.overrides.task)
        if config.hydra.sweeper._target_ == OURS:
            return
        _refusing(check_one_sweep, arguments)
        if config.hydra.sweeper._target_ == BASIC:
            params = config.hydra.sweeper.get("params")
            _refusing(_plan_and_freeze, config, expand(arguments, params))
        else:
            _refusing(check_search, config)
            _refusing(check_frame, arguments)
            _refusing(_go_on_searching, config)


def check_one_sweep(arguments: Sequence[str]) -> None:
    """Raise ConfigError if a command asks for runs in several folders, or has several minds."""
    from segsweep.config.schema import COMMAND_KEYS

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


def check_frame(arguments: Sequence[str]) -> None:
    """Check what a search's command fixes: the first value stands for each that is searched."""
    from segsweep.sweep.planning.plan import check_writable, plan_run, sweep_of

    parsed = OverridesParser.create().parse_overrides(list(arguments))
    fixed = [item.input_line for item in parsed if not item.is_sweep_override()]
    planned = plan_run(*Composer().composed([line for line in fixed if line is not None]))
    check_writable(planned.config["outputs"])
    session.current.sweep = sweep_of(planned.config)
    session.current.sweep.root.mkdir(parents=True, exist_ok=True)


def _go_on_searching(config: DictConfig) -> None:
    from segsweep.sweep.planning.resume_search import take_up

    current = session.current
    if current.sweep is not None and not config.plan:
        current.hold(current.sweep)
        take_up(config.hydra.sweeper, current.sweep.root)


def _plan_and_freeze(config: DictConfig, runs: Sequence[Sequence[str]]) -> None:
    from segsweep.sweep.command import announce, plan_all
    from segsweep.sweep.planning.plan import freeze, sweep_of

    words = list(config.hydra.overrides.hydra)
    planned = plan_all([[*words, *run] for run in runs])
    current = session.current
    current.sweep, current.planned = sweep_of(planned[0].config), planned
    freeze(planned, current.request)
    announce(planned)


def _refusing(function: Any, *arguments: Any) -> None:
    """Call; Hydra swallows a callback's exceptions but not the end of the program."""
    try:
        function(*arguments)
    except Exception as error:
        raise Ended(error) from error
