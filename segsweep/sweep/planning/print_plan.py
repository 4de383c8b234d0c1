"""Prints the plan: a row per cell, and what the runs to do need together."""

from collections.abc import Mapping, Sequence, Set

from segsweep.store.states import Status
from segsweep.sweep.planning.budget import Cost, Room
from segsweep.sweep.planning.plan import PlannedRun, cell_by_run, sweep_of
from segsweep.sweep.planning.plan_table import CellRow, plan_sums, plan_table
from segsweep.sweep.planning.preflight import budget_for
from segsweep.sweep.planning.work import Work
from segsweep.sweep.processes.slots import Slot

STATE_NAMES = {
    Status.FINISHED: "finished",
    Status.INTERRUPTED: "resumable",
    Status.RUNNING: "resumable",
    Status.FAILED: "failed",
    Status.PLANNED: "new",
}
"""The words of the plan for a run's status."""


def print_plan(work: Work, costs: Mapping[str, Cost], slots: Sequence[Slot]) -> None:
    """Print the plan: a row per cell, and what the runs to do need together."""
    from segsweep.system.console import console_on

    planned = [*work.finished, *work.skipped, *work.todo]
    names, cells = cell_by_run(planned), dict[str, list[PlannedRun]]()
    for run in planned:
        cells.setdefault(names[run.name], []).append(run)
    todo = {run.name for run in work.todo}
    rows = [_row(cell, runs, work.states, todo, costs) for cell, runs in cells.items()]
    budget, room = None, Room()
    if costs:
        first = work.todo[0]
        budget, room = budget_for(list(costs.values()), slots, first, sweep_of(first.config))
    console = console_on()
    console.print(plan_table(rows))
    console.print(plan_sums(rows, budget, room))


def _row(
    cell: str,
    runs: Sequence[PlannedRun],
    states: Mapping[str, Status],
    todo: Set[str],
    costs: Mapping[str, Cost],
) -> CellRow:
    names = {"finished": 0, "resumable": 0, "failed": 0, "new": 0}
    for run in runs:
        state = states[run.name]
        is_repeated = state == Status.FINISHED and run.name in todo
        names["new" if is_repeated else STATE_NAMES[state]] += 1
    known = [costs[run.name] for run in runs if run.name in costs]
    return CellRow(
        cell=cell,
        runs=len(runs),
        **names,
        seconds=sum(one.seconds for one in known) / len(known) if known else None,
        peak_mb=max(one.peak_mb for one in known) if known else None,
        kept_mb=max(one.kept_mb for one in known) if known else None,
    )
