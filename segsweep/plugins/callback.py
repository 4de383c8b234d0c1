"""Hydra's callback: plans what a command asks for before its first run starts.

It plans single runs and the runs of Hydra's other sweepers; segsweep's own sweeper plans by
itself.
"""

import sys
from collections.abc import Callable, Sequence
from typing import TypeVarTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from segsweep.errors import ConfigError
from segsweep.sweep import session
from segsweep.sweep.places.hydra_keys import check_hydra_keys
from segsweep.sweep.places.ways import BASIC, OPTUNA, OURS, Way, check_way, tracker_config, way_of
from segsweep.sweep.planning.command_words import (
    check_one_sweep,
    check_own_values,
    check_search,
    repeated_values,
)
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.expand import check_count, expand, expand_all
from segsweep.sweep.session import CommandExit

Arguments = TypeVarTuple("Arguments")


class Planning(Callback):
    """Plans a command; an error ends the command with exit code 2.

    Hydra passes more keyword arguments to a callback than are needed here (`**_`).
    """

    def on_run_start(self, config: DictConfig, **_: object) -> None:
        """Plan the run of a command without `-m`."""
        _or_exit(check_way, config, True)
        _or_exit(check_hydra_keys, config, True)
        words = list(config.hydra.overrides.task)
        _or_exit(check_own_values, config, words)
        _or_exit(_plan_and_freeze, config, [words])

    def on_multirun_start(self, config: DictConfig, **_: object) -> None:
        """Plan a sweep of Hydra's basic sweeper; for a search, check only its fixed values."""
        arguments = list(config.hydra.overrides.task)
        _or_exit(check_way, config)
        _or_exit(check_hydra_keys, config)
        if config.hydra.sweeper._target_ == OURS:
            return
        _or_exit(check_one_sweep, arguments)
        if config.hydra.sweeper._target_ == BASIC:
            _or_exit(_plan_basic, config, arguments)
        else:
            _or_exit(check_search, config)
            _or_exit(check_count, int(config.hydra.sweeper.get("n_trials") or 0), config.max_runs)
            _or_exit(_prepare_search, config, arguments)
            if way_of(config) is Way.SEARCH_BY_HYDRA:  # its jobs plan their runs themselves
                session.current.track_all(tracker_config(config))


def _prepare_search(config: DictConfig, arguments: Sequence[str]) -> None:
    from segsweep.sweep.planning.announce import announce_race

    if config.hydra.sweeper._target_ == OPTUNA:
        from segsweep.sweep.search.one_study import prepare_study

        prepare_study(config, arguments)
    else:
        check_fixed_values(arguments)
    if session.current.sweep is not None:
        announce_race(session.current.sweep)


def check_fixed_values(arguments: Sequence[str]) -> None:
    """Check the fixed values of a search, with defaults for those that are searched."""
    from segsweep.sweep.planning.plan import check_writable, plan_run, sweep_of

    parsed = OverridesParser.create().parse_overrides(list(arguments))
    fixed = [item.input_line for item in parsed if not item.is_sweep_override()]
    planned = plan_run(*Composer().composed([line for line in fixed if line is not None]))
    check_writable(planned.config.outputs)
    session.current.sweep = sweep_of(planned.config)
    session.current.lock_sweep(session.current.sweep)


def _plan_basic(config: DictConfig, arguments: Sequence[str]) -> None:
    params = dict(config.hydra.sweeper.get("params") or {})
    runs, words = expand(arguments, params, config.max_runs), list(config.hydra.overrides.hydra)
    if expand_all(arguments, params, words, Composer(), config.max_runs) != runs:
        raise ConfigError(
            "an option that the command sweeps sets hydra.sweeper.params, which "
            "hydra/sweeper=basic ignores; leave out hydra/sweeper=basic"
        )
    _plan_and_freeze(config, runs)


def _plan_and_freeze(config: DictConfig, runs: Sequence[Sequence[str]]) -> None:
    from segsweep.sweep.freezing import repair_runs
    from segsweep.sweep.housekeeping import move_earlier
    from segsweep.sweep.planning.announce import announce
    from segsweep.sweep.planning.measure import remove_scratch
    from segsweep.sweep.planning.plan import each_once, freeze, sweep_of
    from segsweep.sweep.planning.plan_runs import plan_by_words
    from segsweep.sweep.planning.sweep_choices import sweep_choices, with_choices
    from segsweep.sweep.planning.work import work_for

    session.current.plan_only = bool(config.plan)
    words = list(config.hydra.overrides.hydra)
    asked = [(*words, *run) for run in runs]
    by_words, failed = plan_by_words(asked)
    planned = each_once(by_words.values())
    remove_scratch(planned[0].config.outputs)
    current, sweep = session.current, sweep_of(planned[0].config)
    current.outcomes += failed
    planned = with_choices(planned, sweep_choices(sweep, lambda: 0))
    current.sweep, current.planned = sweep, planned
    places = {run.name: place for place, run in enumerate(planned)}
    current.jobs = [places[by_words[run].name] if run in by_words else None for run in asked]
    work = work_for(planned, current.run_cache)
    if not current.plan_only:
        for run in work.repeated:  # damaged
            move_earlier(sweep, run.paths)
        repair_runs(work, sweep)
        freeze(planned, current.request)
    announce(planned, work, current.request.split())
    given = list(config.hydra.overrides.task)
    for line in repeated_values(given, len(asked), len(planned) + len(failed)):
        print(line, file=sys.stderr)
    if not current.plan_only:
        current.track(work.todo)


def _or_exit(function: Callable[[*Arguments], None], *arguments: *Arguments) -> None:
    """Call *function*; turn an exception, which Hydra would ignore, into `CommandExit`."""
    try:
        function(*arguments)
    except Exception as error:
        raise CommandExit(error) from error
