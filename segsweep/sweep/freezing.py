"""Writes the configs of runs that are to do, and mends what an earlier command left behind."""

from collections.abc import Mapping
from dataclasses import replace

from segsweep.store.paths import SweepPaths
from segsweep.store.records import readable_configs
from segsweep.store.retention import keep_checkpoints
from segsweep.sweep import session
from segsweep.sweep.housekeeping import move_earlier, repair
from segsweep.sweep.places.place import Place
from segsweep.sweep.planning.plan import PlannedRun, freeze
from segsweep.sweep.planning.sweep_choices import sweep_choices, with_choices
from segsweep.sweep.planning.work import Work


def with_sweep_choices(work: Work, sweep: SweepPaths, place: Place) -> Work:
    """Return *work* with what is chosen once per sweep in the config of each run."""
    current = session.current
    if current.choices is None:
        current.choices = sweep_choices(sweep, lambda: place.threads(work.todo))
    todo, skipped, repeated = (
        with_choices(runs, current.choices) for runs in (work.todo, work.skipped, work.repeated)
    )
    return replace(work, todo=todo, skipped=skipped, repeated=repeated)


def freeze_work(work: Work, cells: Mapping[str, str] | None = None) -> None:
    """Move repeated runs to `earlier/`, then write the configs of all runs to do.

    *cells* is run name -> cell, where the work is not all that the command asks for.
    """
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
    freeze([*work.finished, *work.skipped, *work.todo], current.request, cells)
    current.track(work.todo)


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
