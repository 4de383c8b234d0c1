"""One command over many runs: plan them, try a step of each kind, freeze them, launch the rest.

The same command starts, resumes, repairs and extends a sweep: what is finished is left alone,
everything else that it asks for is carried out.
"""

import gc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from segsweep.store.outcome import NAN, Outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.records import read_rows, readable_configs
from segsweep.store.retention import keep_checkpoints
from segsweep.sweep import session
from segsweep.sweep.housekeeping import mend, move_earlier
from segsweep.sweep.places.place import Place
from segsweep.sweep.planning.announce import announce
from segsweep.sweep.planning.budget import Cost
from segsweep.sweep.planning.command_words import check_one_sweep
from segsweep.sweep.planning.compose import expand
from segsweep.sweep.planning.plan import Planned, freeze, sweep_of
from segsweep.sweep.planning.plan_runs import plan_all
from segsweep.sweep.planning.preflight import print_plan, sweep_threads
from segsweep.sweep.planning.work import Work, outcomes_before, sort_out
from segsweep.sweep.processes.slots import Slot
from segsweep.system.files import has_content


def carry_out(
    arguments: Sequence[str], params: Mapping[str, str], place: Place, config: DictConfig
) -> None:
    """Carry out a `-m` command in *place*; how its runs ended stands in the session.

    Raises ConfigError, DataError or SweepLockedError before anything is started, Ended where
    something ends a command midway, KeyboardInterrupt when it was asked to stop.
    """
    if not config.plan and not _seems_finished(config):
        place.start()
    check_one_sweep(arguments)
    words = list(config.hydra.overrides.hydra)
    gc.freeze()  # what is imported stays: looking through it again takes a tenth of the planning
    planned = plan_all([[*words, *run] for run in expand(arguments, params)])
    current = session.current
    current.sweep, current.planned = sweep_of(planned[0].config), planned
    work = sort_out(planned)
    current.only_plan = planned[0].command.plan
    announce(planned, work)
    current.outcomes += carry_out_work(work, place)


def _seems_finished(config: DictConfig) -> bool:
    """Whether all that was ever asked for in this sweep is finished: then perhaps all is."""
    sweep = SweepPaths(Path(config.outputs) / config.sweep)
    folders = {row["folder"] for row in read_rows(sweep.plan)}
    return bool(folders) and all(sweep.run(folder).result.exists() for folder in folders)


def carry_out_batch(planned: Sequence[Planned], place: Place) -> list[float]:
    """Carry out what another sweeper asks for next; return validation IoUs, NaN for failures."""
    current = session.current
    current.sweep = current.sweep or sweep_of(planned[0].config)
    outcomes = carry_out_work(sort_out(planned), place)
    current.outcomes += outcomes
    values = {outcome.run: outcome.value for outcome in outcomes}
    return [values.get(run.name, NAN) for run in planned]


def carry_out_work(work: Work, place: Place) -> list[Outcome]:
    """Carry out what is to do; return how all asked-for runs ended, none for a mere plan."""
    current, before = session.current, outcomes_before(work)
    assert current.sweep is not None
    slots: list[Slot] = []
    costs: dict[str, Cost] = {}
    if work.todo:
        if not current.only_plan:
            current.hold(current.sweep)
        work = with_threads(work, current.sweep, place)
        current.planned = with_the_same(current.planned, work)
        slots, costs = place.prepare(work.todo)
    if current.only_plan:
        if work.todo:
            freeze(current.planned, current.request)
        print_plan(work, costs, slots)
        return []
    if not work.todo:
        if lost := [run for run in work.done if not has_content(run.paths.config)]:
            current.hold(current.sweep)
            freeze(lost, current.request)
        return before
    freeze_all(work)
    return [*before, *place.launch(work, slots, costs)]


def with_threads(work: Work, sweep: SweepPaths, place: Place) -> Work:
    """Return *work* with CPU threads for each run: those of earlier runs, else what pays off.

    They stay, whatever runs beside it later: sums over other threads round differently.
    """
    current = session.current
    current.threads = current.threads or sweep_threads(sweep) or place.threads(work.todo)
    threads = current.threads

    def fixed(runs: Sequence[Planned]) -> list[Planned]:
        return [
            run
            if run.config.threads
            else replace(run, config=run.config.with_values(threads=threads))
            for run in runs
        ]

    return replace(work, todo=fixed(work.todo), left=fixed(work.left), again=fixed(work.again))


def with_the_same(planned: Sequence[Planned], work: Work) -> list[Planned]:
    """Return *planned* with each run as it is in *work*."""
    known = {run.name: run for run in (*work.done, *work.left, *work.todo)}
    return [known.get(run.name, run) for run in planned]


def freeze_all(work: Work) -> None:
    """Put aside what is to be done again, then write the configs of all that is to do."""
    current = session.current
    assert current.sweep is not None
    if not current.repaired:
        mend(current.sweep)
        current.repaired = True
    for run in work.again:
        move_earlier(current.sweep, run.paths)
    for run in work.done:
        _complete(run)
    freeze([*work.done, *work.left, *work.todo], current.request)


def _complete(run: Planned) -> None:
    """Do what a kill between a run's result and its end left undone."""
    run.paths.failure.unlink(missing_ok=True)
    if (run.paths.checkpoints / "last.pt").exists():
        config = next(readable_configs([run.paths]), None)
        keep_checkpoints(run.paths, "both" if config is None else config.keep)
