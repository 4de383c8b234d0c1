"""One command with many runs: plan them, measure a step of each kind, freeze and launch them.

The same command starts, resumes, repairs and extends a sweep: it leaves finished runs alone
and trains every other run it asks for.
"""

import gc
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from segsweep.config.kept_checks import kept_checks
from segsweep.store.outcome import NAN, Outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.plan import read_plan
from segsweep.store.records import readable_configs
from segsweep.store.retention import keep_checkpoints
from segsweep.sweep import session
from segsweep.sweep.housekeeping import move_earlier, repair
from segsweep.sweep.places.place import Place
from segsweep.sweep.planning.announce import announce
from segsweep.sweep.planning.budget import Cost
from segsweep.sweep.planning.command_words import check_one_sweep, repeated_values
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.expand import expand_all
from segsweep.sweep.planning.kept_bases import KeptBases
from segsweep.sweep.planning.measure import remove_scratch
from segsweep.sweep.planning.plan import PlannedRun, freeze, sweep_of
from segsweep.sweep.planning.plan_runs import plan_all
from segsweep.sweep.planning.print_plan import print_plan
from segsweep.sweep.planning.sweep_choices import sweep_choices, with_choices
from segsweep.sweep.planning.work import Work, outcomes_before, work_for
from segsweep.sweep.processes.slots import Slot


def run_sweep(
    arguments: Sequence[str], params: Mapping[str, str], place: Place, config: DictConfig
) -> None:
    """Run a `-m` command in *place*; the outcomes of its runs are in the session.

    Raises ConfigError, DataError or SweepLockedError before any run starts, CommandExit if
    something ends the command midway, and KeyboardInterrupt if the user stops it.
    """
    current = session.current
    current.plan_only = bool(config.plan)
    check_one_sweep(arguments)
    words = list(config.hydra.overrides.hydra)
    cache = Path(config.outputs) / ".cache"
    composer = Composer(KeptBases(cache, config.hydra.runtime.config_sources))
    runs = expand_all(arguments, params, words, composer, config.max_runs)
    if not config.plan and not _seems_finished(config):
        place.start()
    gc.freeze()  # skips imported objects in garbage collection, a tenth of the planning time
    with kept_checks(cache):
        planned, failed = plan_all([[*words, *run] for run in runs], composer)
    composer.save()
    remove_scratch(planned[0].config.outputs)
    current.sweep, current.planned = sweep_of(planned[0].config), planned
    work = work_for(planned, current.run_cache)
    announce(planned, work, current.request.split())
    for line in repeated_values(arguments, len(runs), len(planned) + len(failed)):
        print(line, file=sys.stderr)
    current.outcomes += [*failed, *run_work(work, place)]


def _seems_finished(config: DictConfig) -> bool:
    """Whether every run in the sweep's plan is finished: the command then probably trains none."""
    sweep = SweepPaths(Path(config.outputs) / config.sweep)
    folders = {row["folder"] for row in read_plan(sweep.plan).rows if row.get("folder")}
    return bool(folders) and all(sweep.run(folder).result.exists() for folder in folders)


def run_batch(planned: Sequence[PlannedRun], place: Place) -> list[float]:
    """Run what another sweeper asks for next; return validation IoUs, NaN for failures."""
    current = session.current
    current.sweep = current.sweep or sweep_of(planned[0].config)
    outcomes = run_work(work_for(planned, current.run_cache), place)
    current.outcomes += outcomes
    values = {outcome.run: outcome.value for outcome in outcomes}
    return [values.get(run.name, NAN) for run in planned]


def run_work(work: Work, place: Place) -> list[Outcome]:
    """Train the runs to do; return the outcomes of all requested runs, [] for `plan=true`."""
    current, before = session.current, outcomes_before(work)
    assert current.sweep is not None
    slots: list[Slot] = []
    costs: dict[str, Cost] = {}
    if work.todo:
        if not current.plan_only:
            current.lock_sweep(current.sweep)
        work = with_sweep_choices(work, current.sweep, place)
        todo, slots, costs = place.prepare(work.todo)
        work = replace(work, todo=todo)
        current.planned = as_in_work(current.planned, work)
    if current.plan_only:
        print_plan(work, costs, slots)
        return []
    if not work.todo:
        if work.damages or plan_lacks(current.sweep, work.finished):
            current.lock_sweep(current.sweep)
            repair_runs(work, current.sweep)
            freeze(work.finished or work.skipped, current.request)
        return before
    freeze_work(work)
    current.name_page()
    return [*before, *place.launch(work, slots, costs)]


def with_sweep_choices(work: Work, sweep: SweepPaths, place: Place) -> Work:
    """Return *work* with what is chosen once per sweep in the config of each run."""
    current = session.current
    if current.choices is None:
        current.choices = sweep_choices(sweep, lambda: place.threads(work.todo))
    todo, skipped, repeated = (
        with_choices(runs, current.choices) for runs in (work.todo, work.skipped, work.repeated)
    )
    return replace(work, todo=todo, skipped=skipped, repeated=repeated)


def as_in_work(planned: Sequence[PlannedRun], work: Work) -> list[PlannedRun]:
    """Return *planned* with each run as it is in *work*."""
    known = {run.name: run for run in (*work.finished, *work.skipped, *work.todo)}
    return [known.get(run.name, run) for run in planned]


def freeze_work(work: Work) -> None:
    """Move repeated runs to `earlier/`, then write the configs of all runs to do."""
    current = session.current
    assert current.sweep is not None
    if not current.repaired:
        repair(current.sweep)
        current.repaired = True
    for run in work.repeated:
        move_earlier(current.sweep, run.paths)
    repair_runs(work, current.sweep)
    for run in work.finished:
        _complete(run)
    freeze([*work.finished, *work.skipped, *work.todo], current.request)


def plan_lacks(sweep: SweepPaths, runs: Sequence[PlannedRun]) -> bool:
    """Whether the plan is damaged or has no row of one of *runs*."""
    plan = read_plan(sweep.plan)
    planned = {row.get("folder") for row in plan.rows}
    return plan.damage is not None or any(run.name not in planned for run in runs)


def repair_runs(work: Work, sweep: SweepPaths) -> None:
    """Write the damaged files of finished runs again, where the rest has their content."""
    current = session.current
    damaged = [run for run in work.finished if run.name in work.damages]
    choices = current.choices or sweep_choices(sweep, lambda: 0)  # those of its intact runs
    for run in with_choices(damaged, choices):
        work.damages[run.name].repair(run.config, current.run_cache)


def _complete(run: PlannedRun) -> None:
    """Delete what a kill after a run wrote its result left behind."""
    run.paths.failure.unlink(missing_ok=True)
    if (run.paths.checkpoints / "last.pt").exists():
        config = next(readable_configs([run.paths]), None)
        keep_checkpoints(run.paths, "both" if config is None else config.keep)
