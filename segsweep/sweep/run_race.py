"""A command with a race: seeds for all cells, then only for those that may still be the best."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from segsweep.errors import ConfigError, StoredFileError
from segsweep.store.outcome import Outcome, failed_outcome
from segsweep.store.race import RaceRow, end_of, read_race
from segsweep.store.states import Status
from segsweep.sweep import session
from segsweep.sweep.freezing import freeze_work, with_sweep_choices
from segsweep.sweep.places.place import Place
from segsweep.sweep.planning.budget import Room
from segsweep.sweep.planning.plan import PlannedRun, cell_by_run, sweep_of
from segsweep.sweep.planning.preflight import budget_for
from segsweep.sweep.planning.work import Work, outcomes_before, work_for
from segsweep.sweep.race.look import StoredCounts
from segsweep.sweep.race.plan_text import (
    end_line,
    look_line,
    print_race_plan,
    race_lines,
    time_line,
)
from segsweep.sweep.race.race import Race, State
from segsweep.sweep.race.settings import RaceSettings, check_same_race, race_cells
from segsweep.sweep.search.reuse import Reused

AFTER_END = "(not retried: the race has ended)"


def run_race(
    planned: Sequence[PlannedRun],
    settings: RaceSettings,
    place: Place,
    reuse: Reused | None = None,
) -> list[Outcome]:
    """Race the cells of *planned*; return the outcomes of the runs that this took.

    *reuse* is recorded before the first run starts, if their values were found elsewhere.
    """
    current, sweep = session.current, sweep_of(planned[0].config)
    rows = rows_of_race(planned, settings)
    if not (current.plan_only or end_of(rows)):
        current.lock_sweep(sweep)
        rows = rows_of_race(planned, settings)  # another command may have held the lock
    work = work_for(planned, current.run_cache)
    race = race_over(planned, settings, work, rows)
    if current.plan_only:
        _print_plan(race, work, place)
        return []
    for line in (*work.lines(), *race_lines(race, len(work.finished))):
        print(line, file=sys.stderr)
    before = _outcomes_before(race, work)
    outcomes: list[Outcome] = []
    if not race.end or race.waiting() or work.damages:
        current.lock_sweep(sweep)
        outcomes = _held(race, work, place, reuse)
    race.tell()
    current.planned = race.asked()
    if line := end_line(race):
        print(line, file=sys.stderr)
    return [*before, *outcomes]


def race_over(
    planned: Sequence[PlannedRun], settings: RaceSettings, work: Work, rows: Sequence[RaceRow]
) -> Race:
    """Return the race of *planned* as *work* and the *rows* of race.csv say it stands."""
    sweep = sweep_of(planned[0].config)
    states = {run.name: State.WAITING for run in work.todo}
    states |= {run.name: State.FINISHED for run in work.finished}
    states |= {run.name: State.FAILED for run in work.skipped}
    return Race(
        sweep,
        settings,
        race_cells(planned, settings),
        states,
        StoredCounts(sweep).judge,
        _freezer(work, planned),
        lambda rows: print(look_line(rows), file=sys.stderr, flush=True),
        [*rows],
    )


def rows_of_race(planned: Sequence[PlannedRun], settings: RaceSettings) -> list[RaceRow]:
    """Return the rows of race.csv; ConfigError if they are damaged or of another race."""
    try:
        rows = read_race(sweep_of(planned[0].config))
    except StoredFileError as error:
        raise ConfigError(
            f"{error}; put a copy of it back, or delete it: then the looks are taken again, from "
            "the stored runs"
        ) from error
    check_same_race(rows, race_cells(planned, settings), settings)
    return rows


def _held(race: Race, work: Work, place: Place, reuse: Reused | None) -> list[Outcome]:
    """Hold what is left of a race; return the outcomes of the runs that were started."""
    current = session.current
    if reuse is not None and not reuse.is_recorded():
        reuse.record()
    if work.todo:
        work = with_sweep_choices(work, race.sweep, place)
    if work.finished or work.skipped:
        freeze_work(replace(work, todo=[], repeated=[]), race.cell_names())
    if not (possible := race.possible()):
        race.start()
        return []
    chosen = {run.name: run for run in work.todo}
    todo, slots, costs = place.prepare([chosen[run.name] for run in possible])
    race.replace_runs(todo)
    race.seconds = {name: cost.seconds for name, cost in costs.items()}
    race.slots = max(1, len(slots))
    race.start()
    if not race.possible():
        return []
    if line := time_line(race, race.seconds, race.slots):
        print(line, file=sys.stderr)
    current.name_page()
    return place.launch(replace(work, todo=todo), slots, costs, race)


def _print_plan(race: Race, work: Work, place: Place) -> None:
    seconds, budget, room = dict[str, float](), None, Room()
    finished = len(work.finished)
    if possible := race.possible():
        work = with_sweep_choices(replace(work, todo=possible), race.sweep, place)
        _, slots, costs = place.prepare(work.todo)
        seconds = {name: cost.seconds for name, cost in costs.items()}
        if costs:
            budget, room = budget_for([*costs.values()], slots, possible[0], race.sweep)
    print_race_plan(race, seconds, finished, budget, room)


def _freezer(work: Work, planned: Sequence[PlannedRun]) -> Callable[[PlannedRun], None]:
    """Return a function that writes a run's config and its row of the plan."""
    cells, repeated = cell_by_run(planned), {run.name for run in work.repeated}

    def freeze_run(run: PlannedRun) -> None:
        again = [run] if run.name in repeated else []
        freeze_work(replace(work, finished=[], skipped=[], todo=[run], repeated=again), cells)

    return freeze_run


def _outcomes_before(race: Race, work: Work) -> list[Outcome]:
    """Return the outcomes of the runs that finished before, or failed and are not retried.

    Once a race has ended, those that failed in a cell that is left are among them.
    """
    found = outcomes_before(work)
    if race.end:
        seeds = race.settings.seeds[: race.settings.looks[race.looks_taken - 1]]
        for run in (run for cell in race.left for run in cell.runs(seeds)):
            if work.states[run.name] is Status.FAILED and race.states[run.name] is State.WAITING:
                failed = failed_outcome(run.paths)
                found.append(replace(failed, error=f"{failed.error} {AFTER_END}"))
    return found
