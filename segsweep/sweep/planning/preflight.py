"""Before runs start: a real step of each kind in a process of its own, held against the machine."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from segsweep.config.run_config import FrozenConfig
from segsweep.errors import ConfigError
from segsweep.store.paths import SweepPaths
from segsweep.store.records import read_rows
from segsweep.store.retention import checkpoint_bytes
from segsweep.sweep.planning import cost
from segsweep.sweep.planning.budget import (
    MB,
    Budget,
    Cost,
    Room,
    budget_of,
    check_budget,
    cost_of,
    is_memory,
    is_short,
    out_of_memory_line,
    room_of,
)
from segsweep.sweep.planning.cost import Measured, probe_key
from segsweep.sweep.planning.plan import PlannedRun, cell_by_run
from segsweep.sweep.planning.plan_table import cost_lines
from segsweep.sweep.planning.sweep_choices import with_trainer
from segsweep.sweep.processes.pool import Pool, Task, TaskResult
from segsweep.sweep.processes.slots import Slot, find_slots
from segsweep.system.machine import available_memory_mb
from segsweep.system.progress import Counter

PROBE_SECONDS = 600.0
"""After this a kind of run counts as too slow to be measured."""


def prepare_slots(
    todo: Sequence[PlannedRun],
    sweep: SweepPaths,
    stop: Callable[[], bool],
    at_once: int | None = None,
) -> tuple[list[PlannedRun], list[Slot], dict[str, Cost]]:
    """Return the runs to do, their slots, and what each run costs, by name.

    *at_once* is the number of slots where the command does not set it. Where memory is short,
    runs with `trainer.lean=auto` are returned with `on`.

    Raises ConfigError naming the cells that cannot be trained here, because they need more
    memory or disk than there is. A cell whose first steps fail for another reason is only
    reported: that costs its own runs, not the others. Without preflight no cost is known.
    """
    slots = slots_for(todo, slots=at_once)
    if not todo[0].command_config.preflight:
        return list(todo), slots, {}
    runs, costs = _measured_runs(todo, slots, stop)
    if costs:
        slots = _fitting_slots(runs, list(costs.values()), at_once)
        budget, room = budget_for(list(costs.values()), slots, runs[0], sweep)
        check_budget(list(costs.values()), budget, room, runs[0].config.outputs)
        if len(costs) > 1 and not runs[0].command_config.plan:
            print("; ".join(cost_lines(budget, room)), file=sys.stderr)
    return runs, slots, costs


def _measured_runs(
    todo: Sequence[PlannedRun], slots: Sequence[Slot], stop: Callable[[], bool]
) -> tuple[list[PlannedRun], dict[str, Cost]]:
    """Return the runs to do and their costs; they save memory where it would be short."""
    fast = list(todo)
    saving = [_saving_memory(run) for run in todo]
    try:
        costs = _costs(fast, slots, stop)
    except ConfigError:  # out of memory
        if saving == fast:
            raise
        return saving, _costs(saving, slots, stop)
    if saving == fast or not is_short(list(costs.values()), len(slots), available_memory_mb()):
        return fast, costs
    return saving, _costs(saving, slots, stop)


def _saving_memory(run: PlannedRun) -> PlannedRun:
    return with_trainer(run, {"lean": "on"}) if run.config.trainer.lean == "auto" else run


def _costs(
    todo: Sequence[PlannedRun], slots: Sequence[Slot], stop: Callable[[], bool]
) -> dict[str, Cost]:
    """Return what each run costs, by name; runs whose steps fail are left out."""
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
    """Return what all runs to do take together, and what there is."""
    keep_gb = run.command_config.keep_gb
    stored = 0.0 if keep_gb is None else stored_bytes(sweep) / MB
    budget = budget_of(costs, slots, keep_gb=keep_gb, stored_mb=stored)
    return budget, room_of(Path(run.config.outputs), slots)


def _fitting_slots(
    todo: Sequence[PlannedRun], costs: Sequence[Cost], at_once: int | None
) -> list[Slot]:
    """Return the slots again, now that it is known what fits side by side."""
    return slots_for(
        todo,
        slots=at_once,
        per_run_mb=max(one.own_mb for one in costs),
        shared_mb=max(one.shared_mb for one in costs),
        gpu_mb=max(one.gpu_mb for one in costs),
    )


def measure_kinds(
    todo: Sequence[PlannedRun],
    kinds: Mapping[str, str],
    cells: Mapping[str, str],
    slots: Sequence[Slot],
    stop: Callable[[], bool],
) -> dict[str, Measured]:
    """Return what each kind of run costs, from the cache or measured now.

    *kinds* and *cells* name those of each run; a kind whose steps fail, or take too long to
    measure, is left out. ConfigError names the cells that need more memory than there is.
    """
    cache = Path(todo[0].config.outputs) / ".cache"
    by_kind = {kinds[run.name]: run for run in reversed(todo)}
    known = {key: cost.load(cache, key) for key in by_kind}
    missing = [key for key, found in known.items() if found is None]
    found = {key: one for key, one in known.items() if one is not None}
    if missing:
        kind_cells = {key: cells[run.name] for key, run in by_kind.items()}
        found |= _measure({key: by_kind[key] for key in missing}, kind_cells, slots, stop, cache)
    return found


def _measure(
    kinds: Mapping[str, PlannedRun],
    cells: Mapping[str, str],
    slots: Sequence[Slot],
    stop: Callable[[], bool],
    cache: Path,
) -> dict[str, Measured]:
    """Measure each of *kinds* in a slot and keep what was found."""
    found: dict[str, Measured] = {}
    short = dict(kinds)
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="preflight-", dir=cache) as scratch:
        for places in (slots, slots[:1]):  # what is short of memory beside others is tried alone
            tasks = [_probe(key, run, Path(scratch)) for key, run in short.items()]
            reasons = _measure_tasks(tasks, cells, places, stop, found)
            short = {key: kinds[key] for key in reasons}
            if len(slots) == 1:
                break
    if stop():
        raise KeyboardInterrupt
    if reasons:
        lines = [out_of_memory_line(cells[key], reason) for key, reason in reasons.items()]
        raise ConfigError("\n".join(lines))
    for key, measured in found.items():
        cost.store(cache, key, measured)
    return found


def _measure_tasks(
    tasks: Sequence[Task],
    cells: Mapping[str, str],
    slots: Sequence[Slot],
    stop: Callable[[], bool],
    found: dict[str, Measured],
) -> dict[str, str]:
    """Measure kinds of runs into *found*; return why those that ran out of memory did."""
    short: dict[str, str] = {}
    counter = Counter("trying a step of each kind of run:")
    for done, ended in enumerate(Pool(slots, PROBE_SECONDS).run(tasks, stop)):
        key = ended.task.name
        if not ended.cause and not isinstance(ended.value, str):
            found[key] = Measured(**ended.value)
        elif is_memory(_reason(ended)):
            short[key] = _reason(ended)
        else:  # that costs its own runs only, which will say more
            print(f"{cells[key]}: its first steps fail: {_reason(ended)}", file=sys.stderr)
        counter(done, len(tasks))
    return short


def slots_for(
    todo: Sequence[PlannedRun],
    threads: int = 0,
    *,
    slots: int | None = None,
    per_run_mb: float = 0.0,
    shared_mb: float = 0.0,
    gpu_mb: float = 0.0,
) -> list[Slot]:
    """Return the slots that this machine has for *todo*; the rest as in `find_slots`."""
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
    done = 0 if run.paths.result.exists() else len(read_rows(run.paths.history))
    return cost_of(cell, run.config, measured, done)


def _probe(key: str, run: PlannedRun, scratch: Path) -> Task:
    folder = scratch / key
    return Task(key, measure_kind, (run.config, folder), log=scratch / f"{key}.log")


def measure_kind(
    config: FrozenConfig, folder: Path, *, tell: object, stop: object, slot: Slot
) -> "dict[str, object] | str":
    """Measure in a slot's process; return what is wrong, in one line, where a step raises."""
    from segsweep.sweep.planning.probe import measure  # imports torch

    try:
        return measure(config, folder, slot=slot)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _reason(ended: TaskResult) -> str:
    """Return why a kind of run could not be measured."""
    return ended.value if isinstance(ended.value, str) else ended.error


def stored_bytes(sweep: SweepPaths) -> int:
    """Return what the checkpoints of a sweep's finished runs take."""
    return sum(checkpoint_bytes(run) for run in sweep.run_folders() if run.result.exists())
