"""One command with many runs: plan them, measure a step of each kind, freeze and launch them.

The same command starts, resumes, repairs and extends a sweep: it leaves finished runs alone
and trains every other run it asks for.
"""

import gc
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from segsweep.config.kept_checks import kept_checks
from segsweep.store.outcome import NAN, Outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.plan import read_plan
from segsweep.sweep import session
from segsweep.sweep.freezing import freeze_work, repair_runs, with_sweep_choices
from segsweep.sweep.places.place import Place
from segsweep.sweep.planning.announce import announce, announce_data, announce_race, idle_words
from segsweep.sweep.planning.budget import Cost
from segsweep.sweep.planning.command_words import check_one_sweep, check_storage, repeated_values
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.expand import expand_all
from segsweep.sweep.planning.kept_bases import KeptBases
from segsweep.sweep.planning.measure import remove_scratch
from segsweep.sweep.planning.plan import PlannedRun, each_once, freeze, sweep_of
from segsweep.sweep.planning.plan_runs import plan_all
from segsweep.sweep.planning.print_plan import print_plan
from segsweep.sweep.planning.work import Work, keep_whole, outcomes_before, work_for
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.race.settings import race_of
from segsweep.sweep.run_race import rows_of_race, run_race
from segsweep.sweep.run_search import run_search
from segsweep.sweep.search.planner import Planner
from segsweep.sweep.search.reuse import Reused, reused
from segsweep.sweep.search.settings import settings_of

COLLECTED_AT = 100_000
"""New objects after which garbage is collected while planning: some 20 MB, Python's own is 700."""


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
    check_storage(config)
    words = list(config.hydra.overrides.hydra)
    cache = Path(config.outputs) / ".cache"
    composer = Composer(KeptBases(cache, config.hydra.runtime.config_sources))
    runs = expand_all(arguments, params, words, composer, config.max_runs)
    if not config.plan and not _seems_finished(config):
        place.start({word for run in runs for word in run})
    with _rare_collections(), kept_checks(cache):
        planned, failed = plan_all([[*words, *run] for run in runs], composer)
    composer.save()
    remove_scratch(planned[0].config.outputs)
    current.sweep, current.planned = sweep_of(planned[0].config), planned
    repeated = repeated_values(arguments, len(runs), len(planned) + len(failed))
    current.outcomes += failed
    current.outcomes += _run_planned(planned, failed, place, composer, arguments, repeated)


def _run_planned(
    planned: Sequence[PlannedRun],
    failed: Sequence[Outcome],
    place: Place,
    composer: Composer,
    arguments: Sequence[str],
    repeated: Sequence[str],
) -> list[Outcome]:
    """Hold the search or the race that the runs ask for, or train them; return the outcomes.

    Args:
        planned: the runs that can start.
        failed: the outcomes of those that cannot.
        place: where runs execute.
        composer: has composed them.
        arguments: the words of the command.
        repeated: lines about runs that it asks for more than once.

    """
    current = session.current
    race, settings, reuse = race_of(planned, failed), settings_of(planned, arguments), None
    if settings is not None and settings.config.reuse is not None:
        reuse = reused(planned, settings, Planner(composer, settings))
        planned = current.planned = reuse.planned
    elif settings is not None:
        _announce(planned, *repeated)
        if race is None:
            announce_race(sweep_of(planned[0].config))
        return run_search(planned, settings, place, composer)
    if race is not None:
        rows_of_race(planned, race)  # refused in one line if it is another race
    if reuse is not None:
        print("\n".join(reuse.lines), file=sys.stderr)
    if race is not None:
        _announce(planned, *repeated)
        return run_race(planned, race, place, reuse)
    work = work_for(planned, current.run_cache)
    announce(planned, work, current.request.split())
    for line in repeated:
        print(line, file=sys.stderr)
    outcomes = run_work(work, place, reuse)
    if work.todo and not current.plan_only:
        current.wait_for_refresh()  # it reads runs into the same cache
        keep_whole(planned, current.run_cache)
    return outcomes


def _announce(planned: Sequence[PlannedRun], *lines: str) -> None:
    """Print problems of the data, what has no effect, and *lines*."""
    announce_data(planned)
    for line in (*idle_words(planned, session.current.request.split()), *lines):
        print(line, file=sys.stderr)


@contextmanager
def _rare_collections() -> Iterator[None]:
    """Collect garbage rarely in a block, and never imported objects: a fifth of planning time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECTED_AT)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _seems_finished(config: DictConfig) -> bool:
    """Whether every run in the sweep's plan is finished: the command then probably trains none."""
    sweep = SweepPaths(Path(config.outputs) / config.sweep)
    folders = {row["folder"] for row in read_plan(sweep.plan).rows if row.get("folder")}
    return bool(folders) and all(sweep.run(folder).result.exists() for folder in folders)


def run_batch(planned: Sequence[PlannedRun], place: Place) -> list[float]:
    """Run what another sweeper asks for next; return validation IoUs, NaN for failures.

    A run that it asks for several times is executed once.
    """
    current = session.current
    current.sweep = current.sweep or sweep_of(planned[0].config)
    outcomes = run_work(work_for(each_once(planned), current.run_cache), place)
    current.outcomes += outcomes
    values = {outcome.run: outcome.value for outcome in outcomes}
    return [values.get(run.name, NAN) for run in planned]


def run_work(work: Work, place: Place, reuse: Reused | None = None) -> list[Outcome]:
    """Train the runs to do; return the outcomes of all requested runs, [] for `plan=true`.

    *reuse* is recorded before the first one starts, if their values were found elsewhere.
    """
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
    if reuse is not None and not reuse.is_recorded():
        current.lock_sweep(current.sweep)
        reuse.record()
    if not work.todo:
        if work.damages or plan_lacks(current.sweep, work.finished):
            current.lock_sweep(current.sweep)
            repair_runs(work, current.sweep)
            freeze(work.finished or work.skipped, current.request)
        return before
    freeze_work(work)
    current.name_page()
    return [*before, *place.launch(work, slots, costs)]


def as_in_work(planned: Sequence[PlannedRun], work: Work) -> list[PlannedRun]:
    """Return *planned* with each run as it is in *work*."""
    known = {run.name: run for run in (*work.finished, *work.skipped, *work.todo)}
    return [known.get(run.name, run) for run in planned]


def plan_lacks(sweep: SweepPaths, runs: Sequence[PlannedRun]) -> bool:
    """Whether the plan is damaged or has no row of one of *runs*."""
    plan = read_plan(sweep.plan)
    planned = {row.get("folder") for row in plan.rows}
    return plan.damage is not None or any(run.name not in planned for run in runs)
