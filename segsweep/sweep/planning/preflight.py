"""Before runs start: measured costs of the runs are compared with what this machine has."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from segsweep.errors import ConfigError
from segsweep.store.paths import SweepPaths
from segsweep.store.records import readable_rows
from segsweep.store.retention import checkpoint_bytes
from segsweep.sweep.planning.budget import (
    Budget,
    Cost,
    Room,
    budget_of,
    check_budget,
    cost_of,
    is_short,
    room_of,
)
from segsweep.sweep.planning.cost import Measured, probe_key
from segsweep.sweep.planning.measure import measure_kinds
from segsweep.sweep.planning.plan import PlannedRun, cell_by_run
from segsweep.sweep.planning.plan_table import cost_lines
from segsweep.sweep.planning.sweep_choices import with_trainer
from segsweep.sweep.processes.slots import Slot, find_slots
from segsweep.system.machine import available_memory_mb
from segsweep.system.units import MIB


def prepare_slots(
    todo: Sequence[PlannedRun],
    sweep: SweepPaths,
    stop: Callable[[], bool],
    at_once: int | None = None,
    times: Mapping[str, int] | None = None,
) -> tuple[list[PlannedRun], list[Slot], dict[str, Cost]]:
    """Return the runs to do, their slots, and what each run costs, by name.

    *at_once* is the number of slots if the command does not set it. *times* is run name -> how many
    runs like it there will be, where that is not one. If memory is short, runs
    with `trainer.lean=auto` are returned with `on`.

    Raises ConfigError naming the cells that need more memory or disk than this machine has.
    A cell whose first steps fail for another reason is only reported: its own runs will fail,
    the others are not affected. With `preflight=false` no cost is known.
    """
    slots = slots_for(todo, slots=at_once)
    if not todo[0].command_config.preflight:
        return list(todo), slots, {}
    runs, costs = _measured_runs(todo, slots, stop)
    if costs:
        slots = _fitting_slots(runs, list(costs.values()), at_once)
        every = repeated_costs(costs, times or {})
        budget, room = budget_for(every, slots, runs[0], sweep)
        check_budget(every, budget, room, runs[0].config.outputs)
        if len(costs) > 1 and not runs[0].command_config.plan:
            print("; ".join(cost_lines(budget, room)), file=sys.stderr)
    return runs, slots, costs


def repeated_costs(costs: Mapping[str, Cost], times: Mapping[str, int]) -> list[Cost]:
    """Return the cost of every run, of which those in *costs* are examples."""
    return [cost for name, cost in costs.items() for _ in range(times.get(name, 1))]


def _measured_runs(
    todo: Sequence[PlannedRun], slots: Sequence[Slot], stop: Callable[[], bool]
) -> tuple[list[PlannedRun], dict[str, Cost]]:
    """Return the runs to do and their costs; the runs save memory if it would be short."""
    can_save = any(run.config.trainer.lean == "auto" for run in todo)
    try:
        costs = _costs(todo, slots, stop)
    except ConfigError:  # out of memory
        if not can_save:
            raise
    else:
        enough = not is_short(list(costs.values()), len(slots), available_memory_mb())
        if enough or not can_save:
            return list(todo), costs
    saving = [_saving_memory(run) for run in todo]
    return saving, _costs(saving, slots, stop)


def _saving_memory(run: PlannedRun) -> PlannedRun:
    return with_trainer(run, {"lean": "on"}) if run.config.trainer.lean == "auto" else run


def _costs(
    todo: Sequence[PlannedRun], slots: Sequence[Slot], stop: Callable[[], bool]
) -> dict[str, Cost]:
    """Return each run's cost, by name; runs whose steps fail are left out."""
    kinds = {run.name: probe_key(run.config) for run in todo}
    cells = cell_by_run(todo)
    measured = measure_kinds(todo, kinds, cells, slots, stop)
    return {
        run.name: _cost(run, cells[run.name], measured[kinds[run.name]])
        for run in todo
        if kinds[run.name] in measured
    }


def budget_for(
    costs: Sequence[Cost], slots: Sequence[Slot], run: PlannedRun, sweep: SweepPaths
) -> tuple[Budget, Room]:
    """Return what all runs to do need together, and what is free."""
    keep_gb = run.command_config.keep_gb
    stored = 0.0 if keep_gb is None else stored_bytes(sweep) / MIB
    budget = budget_of(costs, slots, keep_gb=keep_gb, stored_mb=stored)
    return budget, room_of(Path(run.config.outputs), slots)


def _fitting_slots(
    todo: Sequence[PlannedRun], costs: Sequence[Cost], at_once: int | None
) -> list[Slot]:
    """Return the slots for the measured memory of a run."""
    return slots_for(
        todo,
        slots=at_once,
        per_run_mb=max(one.own_mb for one in costs),
        shared_mb=max(one.shared_mb for one in costs),
        gpu_mb=max(one.gpu_mb for one in costs),
    )


def slots_for(
    todo: Sequence[PlannedRun],
    threads: int = 0,
    *,
    slots: int | None = None,
    per_run_mb: float = 0.0,
    shared_mb: float = 0.0,
    gpu_mb: float = 0.0,
) -> list[Slot]:
    """Return the slots of this machine for *todo*; other arguments as in `find_slots`."""
    config, command = todo[0].config, todo[0].command_config
    return find_slots(
        device=config.device,
        runs=len(todo),
        slots=command.slots or slots,
        per_device=command.per_device,
        threads=config.threads or threads,
        per_run_mb=per_run_mb,
        shared_mb=shared_mb,
        gpu_mb=gpu_mb,
    )


def _cost(run: PlannedRun, cell: str, measured: Measured) -> Cost:
    done = 0 if run.paths.result.exists() else len(readable_rows(run.paths.history))
    return cost_of(cell, run.config, measured, done)


def stored_bytes(sweep: SweepPaths) -> int:
    """Return the size of all checkpoints of a sweep's finished runs."""
    return sum(checkpoint_bytes(run) for run in sweep.run_folders() if run.result.exists())
