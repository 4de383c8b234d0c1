"""Measures a few real steps of each kind of run in a slot's process; results are cached.

Runs of the same kind (`cost.probe_key`) cost the same per step, so one of them is measured.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from segsweep.config.run_config import FrozenConfig
from segsweep.errors import ConfigError
from segsweep.sweep.planning import cost
from segsweep.sweep.planning.budget import MOST, is_memory, out_of_memory_line
from segsweep.sweep.planning.cost import Measured
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.processes.pool import Pool, Task, TaskResult
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.processes.worker import Send
from segsweep.system.files import remove_left, scratch_folder
from segsweep.system.machine import available_memory_mb
from segsweep.system.progress import Counter
from segsweep.system.signals import StopRequest

MEASURE_SECONDS = 600.0
"""Time limit of measuring one kind of run."""
SCRATCH = "preflight-"
"""Start of the name of a folder for what measured steps write."""


def remove_scratch(outputs: str) -> None:
    """Delete what killed commands left of their measurements."""
    remove_left(Path(outputs) / ".cache", SCRATCH)


def measure_kinds(
    todo: Sequence[PlannedRun],
    kinds: Mapping[str, str],
    cells: Mapping[str, str],
    slots: Sequence[Slot],
    stop: Callable[[], bool],
) -> dict[str, Measured]:
    """Return kind -> its cost, from the cache or measured now.

    *kinds* and *cells* are those of each run, by its name. A kind whose steps fail or exceed
    the time limit is left out. Raises ConfigError naming the cells that need more memory than
    this machine has.
    """
    cache = Path(todo[0].config.outputs) / ".cache"
    by_kind = {kinds[run.name]: run for run in reversed(todo)}
    known = {kind: cost.load(cache, kind) for kind in by_kind}
    missing = [kind for kind, found in known.items() if found is None]
    found = {kind: one for kind, one in known.items() if one is not None}
    if missing:
        kind_cells = {kind: cells[run.name] for kind, run in by_kind.items()}
        runs = {kind: by_kind[kind] for kind in missing}
        found |= _measure(runs, kind_cells, slots, stop, cache)
    return found


def _measure(
    kinds: Mapping[str, PlannedRun],
    cells: Mapping[str, str],
    slots: Sequence[Slot],
    stop: Callable[[], bool],
    cache: Path,
) -> dict[str, Measured]:
    """Measure a run of each kind in *slots* and store the results in *cache*."""
    found: dict[str, Measured] = {}
    pending = dict(kinds)
    cache.mkdir(parents=True, exist_ok=True)
    with scratch_folder(cache, SCRATCH) as scratch:
        for places in (slots, slots[:1]):  # kinds that run out of memory are retried alone
            tasks = [_task(kind, run, scratch) for kind, run in pending.items()]
            reasons = _measure_in(places, tasks, cells, stop, found)
            pending = {kind: kinds[kind] for kind in reasons}
            if len(slots) == 1:
                break
    if stop():
        raise KeyboardInterrupt
    if reasons:
        lines = [
            out_of_memory_line(cells[kind], reason, kinds[kind].config.data.size_key)
            for kind, reason in reasons.items()
        ]
        raise ConfigError("\n".join(lines))
    for kind, measured in found.items():
        cost.store(cache, kind, measured)
    return found


def _measure_in(
    slots: Sequence[Slot],
    tasks: Sequence[Task],
    cells: Mapping[str, str],
    stop: Callable[[], bool],
    found: dict[str, Measured],
) -> dict[str, str]:
    """Add the measured kinds to *found*; return kind -> reason of those out of memory."""
    short: dict[str, str] = {}
    pool = Pool(slots, MEASURE_SECONDS, MOST * available_memory_mb())
    counter = Counter("measuring a step of each kind of run:")

    def asked() -> bool:
        if not counter.shown:  # one slow kind must not look like a hang
            counter(0, len(tasks))
        return stop()

    for done, result in enumerate(pool.run(tasks, asked), 1):
        kind, measured = result.task.name, result.value
        if isinstance(measured, Measured):
            found[kind] = measured
        elif is_memory(_reason(result)):
            short[kind] = _reason(result)
        else:  # only its own runs fail, and their error will say more
            reason = f"{cells[kind]}: its first steps failed: {_reason(result)}"
            print(f"{reason}; its runs start anyway and report the error in full", file=sys.stderr)
        counter(done, len(tasks))
    return short


def _task(kind: str, run: PlannedRun, scratch: Path) -> Task:
    arguments = (run.config, scratch / kind)
    return Task(kind, measure_kind, arguments, log=scratch / f"{kind}.log")


def measure_kind(
    config: FrozenConfig, scratch: Path, *, send: Send, stop: StopRequest, slot: Slot
) -> Measured | str:
    """Measure the run of *config* in a slot's process; return the error, one line, if it fails."""
    from segsweep.sweep.planning.probe import measure  # imports torch

    try:
        return measure(config, scratch, slot=slot)
    except BaseException as error:  # also sys.exit; a signal ends the process instead
        if stop.requested:
            raise
        return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


def _reason(result: TaskResult) -> str:
    """Return why a kind of run could not be measured."""
    return result.value if isinstance(result.value, str) else result.error
