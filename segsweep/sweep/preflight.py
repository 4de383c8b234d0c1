"""Before the first run starts: compose and check all of them, say how long they take."""

import sys
from collections.abc import Sequence
from typing import Any

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

from segsweep.errors import ConfigError
from segsweep.sweep import session
from segsweep.sweep.session import Ended

BASIC = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"


class Preflight(Callback):
    """Hydra's callback; what it finds wrong ends the command with exit code 2."""

    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Plan the one run of a command without `-m`."""
        _refusing(plan_all, [list(config.hydra.overrides.task)])

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Plan every run of a sweep; of a search, whose values are not known yet, its frame."""
        arguments = list(config.hydra.overrides.task)
        _refusing(check_one_sweep, arguments)
        if config.hydra.sweeper._target_ == BASIC:
            _refusing(plan_all, *[expand(arguments, config.hydra.sweeper.get("params"))])
        else:
            _refusing(check_search, config)
            _refusing(check_frame, arguments)


def expand(arguments: Sequence[str], params: Any = None) -> list[list[str]]:
    """Return the overrides of each run of a sweep, in Hydra's own order."""
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    beside = [f"{key}={value}" for key, value in (params or {}).items()]
    overrides = OverridesParser.create().parse_overrides([*beside, *arguments])
    return BasicSweeper.split_arguments(overrides, None)[0]


def check_one_sweep(arguments: Sequence[str]) -> None:
    """Raise ConfigError if a command asks for runs in several folders."""
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        if override.get_key_element() in ("sweep", "outputs") and override.is_sweep_override():
            raise ConfigError(f"{override.input_line}: one command fills one sweep folder")


def check_search(config: DictConfig) -> None:
    """Raise ConfigError unless a search looks for a high value, and only on validation images."""
    direction = config.hydra.sweeper.get("direction", "maximize")
    if config.kind != "trial" or str(getattr(direction, "name", direction)) != "maximize":
        raise ConfigError(
            "a search maximizes validation IoU and never reads the test set: "
            "add experiment=optuna_lr (kind=trial hydra.sweeper.direction=maximize)"
        )


def compose(overrides: Sequence[str]) -> DictConfig:
    """Return the config of one run, Hydra's part included."""
    hydra = GlobalHydra.instance().hydra
    if hydra is None:  # Hydra has ended, as when it refused the command line
        from segsweep.config import conf_folder

        with initialize_config_dir(str(conf_folder()), job_name="segsweep"):
            return compose(overrides)
    return hydra.compose_config(
        config_name="config",
        overrides=list(overrides),
        run_mode=RunMode.RUN,
        with_log_configuration=False,
    )


def plan_all(runs: Sequence[Sequence[str]]) -> None:
    """Check and freeze every run; raise ConfigError naming the cells that do not fit."""
    from segsweep.explain import one_line
    from segsweep.sweep.plan import freeze, plan_run, resolve, sweep_of

    planned = []
    misfits: dict[str, list[str]] = {}
    fixed = set.intersection(*map(set, runs)) if len(runs) > 1 else set()
    for overrides in runs:
        try:
            cfg = compose(overrides)
            planned.append(plan_run(resolve(cfg), cfg.hydra.runtime.choices))
        except Exception as error:
            if len(runs) == 1:
                raise
            cell = " ".join(word for word in overrides if word not in fixed)
            for line in one_line(error, overrides).splitlines():
                misfits.setdefault(line, []).append(cell)
    _raise_misfits(misfits, len(runs))
    session.current.sweep = sweep_of(planned[0].config)
    session.current.planned = planned
    freeze(planned, session.current.request)
    announce(planned)


def check_frame(arguments: Sequence[str]) -> None:
    """Check what a search's command fixes: the first value stands for each that is searched."""
    from segsweep.sweep.plan import check_writable, plan_run, resolve, sweep_of

    parsed = OverridesParser.create().parse_overrides(list(arguments))
    fixed = [item.input_line for item in parsed if not item.is_sweep_override()]
    cfg = compose([line for line in fixed if line is not None])
    planned = plan_run(resolve(cfg), cfg.hydra.runtime.choices)
    check_writable(planned.config["outputs"])
    session.current.sweep = sweep_of(planned.config)
    session.current.sweep.root.mkdir(parents=True, exist_ok=True)


def announce(planned: Sequence[Any]) -> None:
    """Say what will run, what is wrong with the data, and how long it will take."""
    from segsweep.checks import split_config
    from segsweep.data.check import format_problems
    from segsweep.data.source import Problem
    from segsweep.data.split import crossing_groups, split_samples
    from segsweep.progress import duration
    from segsweep.sweep.estimate import estimate_seconds
    from segsweep.sweep.plan import prepared_data

    found: dict[Any, None] = {}
    for run in planned:
        prepared = prepared_data(run.config)
        parts = split_samples(prepared.samples, split_config(run.config))
        crossing = crossing_groups(prepared.samples, parts)
        found.update(dict.fromkeys(prepared.warnings))
        found.update(dict.fromkeys(Problem("warning", "split", line) for line in crossing))
    if found:
        print(format_problems(found), file=sys.stderr)
    todo = [run for run in planned if not run.paths.result.exists()]
    done = len(planned) - len(todo)
    text = f"{len(planned)} runs in {session.current.sweep.root}" if session.current.sweep else ""
    if len(planned) > 1 or done:
        print(f"{text}: {done} finished, {len(todo)} to do", file=sys.stderr)
    if len(todo) > 1:
        try:
            seconds = estimate_seconds([run.config for run in todo], [run.paths for run in todo])
        except Exception:  # whatever a run does wrong is that run's failure, said when it runs
            return
        print(f"about {duration(seconds)}, from timing the first steps", file=sys.stderr)


def _raise_misfits(misfits: dict[str, list[str]], total: int) -> None:
    """Raise one error: each different reason once, with the runs that have it."""
    lines = []
    for reason, cells in misfits.items():
        more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
        where = f" [in {'; '.join(cells[:3])}{more}]" if len(cells) < total else ""
        lines.append(reason + where)
    if lines:
        raise ConfigError("\n".join(lines))


def _refusing(function: Any, *arguments: Any) -> None:
    """Call; Hydra swallows a callback's exceptions but not the end of the program."""
    try:
        function(*arguments)
    except Exception as error:
        raise Ended(error) from error
