"""A command with a search: the trials of each cell, then its runs at the values they led to."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from segsweep.config.cells import cell_id, title_of
from segsweep.errors import ConfigError
from segsweep.store.outcome import Outcome
from segsweep.sweep import session
from segsweep.sweep.freezing import freeze_work, with_sweep_choices
from segsweep.sweep.places.place import Place
from segsweep.sweep.planning.budget import Cost, Room
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.expand import check_count
from segsweep.sweep.planning.plan import PlannedRun, sweep_of
from segsweep.sweep.planning.preflight import budget_for, repeated_costs
from segsweep.sweep.planning.work import Work, outcomes_before, work_for
from segsweep.sweep.search.cell import CellSearch, group_runs, own_values
from segsweep.sweep.search.fixed import fixed_values
from segsweep.sweep.search.plan_text import Groups, print_search_plan, search_lines
from segsweep.sweep.search.planner import Planner
from segsweep.sweep.search.search import Search
from segsweep.sweep.search.settings import Settings
from segsweep.sweep.search.space import at_share, contains
from segsweep.sweep.search.storage import kept_open, open_storage, stored_name
from segsweep.sweep.search.study import Study, study_name


def run_search(
    planned: Sequence[PlannedRun], settings: Settings, place: Place, composer: Composer
) -> list[Outcome]:
    """Search the cells of *planned*, then train these runs at the values found.

    Returns the outcomes of all trials and runs.
    """
    current, planner = session.current, Planner(composer, settings)
    sweep, groups = sweep_of(planned[0].config), group_runs(planned)
    runs = len(planned) + settings.n_trials * len(groups)
    check_count(runs, planned[0].command_config.max_runs)
    firsts = _checked_trials(groups, planner)
    if current.plan_only:
        _print_plan(groups, firsts, planner, place)
        return []
    current.lock_sweep(sweep)
    work = with_sweep_choices(_examples(groups, firsts), sweep, place)
    search = search_of(groups, planner)
    search.start()
    outcomes: list[Outcome] = []
    left = search.left()
    for line in search_lines(groups, settings, left):
        print(line, file=sys.stderr)
    if any(map(any, left.values())):
        todo, slots, costs = place.prepare(work.todo, _times(groups, firsts, left))
        planner.lean = _saves_memory(work.todo, todo)
        search.seconds = _seconds(groups, firsts, costs)
        current.name_page()
        with kept_open(settings.config.storage):
            outcomes = place.launch(replace(work, todo=todo), slots, costs, search)
    current.planned = search.planned
    return [*search.outcomes, *outcomes]


def _print_plan(
    groups: Groups, firsts: Sequence[PlannedRun], planner: Planner, place: Place
) -> None:
    settings, first = planner.settings, firsts[0]
    sweep = sweep_of(first.config)
    left = {title_of(*names): (settings.n_trials, len(runs)) for names, runs in groups.items()}
    if sweep.search.exists():
        search = search_of(groups, planner)
        left |= {cell.title: (cell.left(), len(cell.bases)) for cell in search.cells}
    work = with_sweep_choices(_examples(groups, firsts), sweep, place)
    times = _times(groups, firsts, left)
    _, slots, costs = place.prepare(work.todo, times)
    every = repeated_costs(costs, times)
    budget, room = budget_for(every, slots, first, sweep) if every else (None, Room())
    seconds = _seconds(groups, firsts, costs)
    print_search_plan(groups, settings, left, seconds, budget, room)


def _examples(groups: Groups, firsts: Sequence[PlannedRun]) -> Work:
    """Return a trial and a run of each cell: what the search's runs are like."""
    return Work([], [*firsts, *(runs[0] for runs in groups.values())], [], [], {})


def _times(
    groups: Groups, firsts: Sequence[PlannedRun], left: Mapping[str, tuple[int, int]]
) -> dict[str, int]:
    """Return name of each example -> how many runs like it are to do.

    *left* is title of a cell's search -> trials and final runs that are to do.
    """
    times = {}
    for (names, runs), first in zip(groups.items(), firsts, strict=True):
        times[first.name], times[runs[0].name] = left[title_of(*names)]
    return times


def _saves_memory(asked: Sequence[PlannedRun], prepared: Sequence[PlannedRun]) -> bool:
    """Whether the place made runs save memory, because it is short."""
    pairs = zip(asked, prepared, strict=True)
    return any(one.config.trainer.lean != other.config.trainer.lean for one, other in pairs)


def _checked_trials(groups: Groups, planner: Planner) -> list[PlannedRun]:
    """Return a trial of each cell; ConfigError if the ends of the ranges make no valid run."""
    space = planner.settings.space
    ends = [{key: at_share(one, share) for key, one in space.items()} for share in (0.0, 1 - 1e-9)]
    found = []
    for runs in groups.values():
        try:
            low, _ = (planner.trial(runs[0], values, "check") for values in ends)
        except ConfigError as error:
            lines = [f"search.params: {line}" for line in str(error).splitlines()]
            raise ConfigError("\n".join(lines)) from error
        found.append(low)
    return found


def _seconds(
    groups: Groups,
    firsts: Sequence[PlannedRun],
    costs: Mapping[str, Cost],
) -> dict[str, tuple[float, float]]:
    """Return title of a cell's search -> expected seconds of a trial and of a final run."""
    found = {}
    for ((cell, fold), runs), first in zip(groups.items(), firsts, strict=True):
        pair = [costs[run.name].seconds if run.name in costs else 0.0 for run in (first, runs[0])]
        found[title_of(cell, fold)] = pair[0], pair[1]
    return found


def search_of(groups: Groups, planner: Planner) -> Search:
    """Return the search of the runs in *groups*, with the studies of earlier commands."""
    settings = planner.settings
    first = next(iter(groups.values()))[0]
    storage = open_storage(settings.config.storage, sweep_of(first.config))
    cells, ids = [], {}
    for (cell, fold), runs in groups.items():
        own = own_values(runs[0].config.values, list(settings.space))
        name = study_name(_short(runs[0]), _fixed(runs[0], settings))
        study = Study(
            storage,
            name,
            settings.space,
            settings.config.sampler,
            own if contains(settings.space, own) else None,
            stored_name(settings.config.storage, sweep_of(first.config), name),
        )
        retry = runs[0].command_config.retry_failed
        one = CellSearch(cell, fold, list(runs), study, settings.n_trials, retry)
        cells.append(one)
        ids[one.title] = cell_id(runs[0].config.values, settings.params)
    return Search(cells, planner, _freeze, ids)


def _short(run: PlannedRun) -> str:
    return f"{run.config.choices['model']}/{run.config.choices['loss']}"


def _fixed(run: PlannedRun, settings: Settings) -> list[object]:
    """Return everything that is the same in all trials of a study, as its name tells it apart."""
    values = fixed_values(run.config.values, settings.params)
    values.pop("seed", None)
    config = settings.config
    how = [config.sampler, config.pruner, settings.seed, settings.epochs(run.config)]
    return [values, run.config.data_fingerprint, settings.params, how]


def _freeze(runs: Sequence[PlannedRun], cells: Mapping[str, str]) -> list[PlannedRun]:
    """Write the configs of runs of a search; return those that are to do."""
    current = session.current
    work = work_for(runs, current.run_cache)
    for line in work.lines():  # damaged files of finished runs, as without a search
        print(line, file=sys.stderr)
    current.outcomes += [one for one in outcomes_before(work) if one.run in _finals(runs)]
    freeze_work(work, cells)
    return work.todo


def _finals(runs: Sequence[PlannedRun]) -> set[str]:
    return {run.name for run in runs if run.config.kind == "run"}
