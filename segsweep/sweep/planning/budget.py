"""Time, memory and disk that a plan needs, and whether this machine has them. No torch."""

import heapq
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsweep.config.run_config import FrozenConfig
from segsweep.config.validate import raise_all
from segsweep.sweep.planning.cost import Measured, seconds_of
from segsweep.sweep.processes.slots import Slot
from segsweep.system.machine import available_memory_mb, free_disk_mb, gpus
from segsweep.system.units import MIB, size_text

GB = 10**9
"""Bytes of a unit of `keep_gb`, as checkpoints are counted (`segsweep.store.retention`)."""
FILES_MB = 1.0
"""Tables, pictures and log of a run."""
MOST = 0.8
"""Share of the available memory from which on it is short: other programs need some too."""
SMALLER = "use a smaller trainer.batch or {size}"
"""{size}: the key of what the network sees."""


@dataclass(frozen=True)
class Cost:
    """What one run to do needs."""

    cell: str
    seconds: float
    """Of its remaining epochs."""
    peak_mb: float
    """Memory of its process, including shared memory."""
    shared_mb: float
    gpu_mb: float
    last_mb: float
    """A checkpoint with all state."""
    best_mb: float
    """A checkpoint with the best weights."""
    kept_mb: float
    """Checkpoints that stay after it is finished."""
    size_key: str = "data.size"
    """The key of what the network sees."""

    @property
    def own_mb(self) -> float:
        """Memory that it does not share."""
        return max(self.peak_mb - self.shared_mb, 0.0)


@dataclass(frozen=True)
class Room:
    """What this machine has free; infinite if unknown."""

    memory_mb: float = math.inf
    disk_mb: float = math.inf
    gpu_mb: float = math.inf
    """Of the GPU with the least free memory, among those used."""


@dataclass(frozen=True)
class Budget:
    """What all runs to do need together."""

    runs: int
    slots: int
    threads: int
    """Of each run."""
    seconds: float
    """From start to end in these slots."""
    per_run: float
    """Mean seconds of a run."""
    memory_mb: float
    """Maximum of all slots together."""
    per_gpu: int
    """Runs at the same time on one GPU."""
    gpu_mb: float
    """Maximum on one GPU; 0 without a GPU."""
    kept_mb: float
    """Checkpoints that stay."""
    stored_mb: float
    """Checkpoints of runs that were finished before."""
    disk_mb: float
    """Checkpoints that stay, checkpoints of runs in progress, tables and pictures."""


def cost_of(cell: str, config: FrozenConfig, measured: Measured, epochs_done: int = 0) -> Cost:
    """Return what the run of *config* needs after *epochs_done*; *cell* is its name in messages."""
    last, best = measured.last_bytes / MIB, measured.best_bytes / MIB
    kept = {"best": best, "last": last, "both": best + last, "none": 0.0}
    return Cost(
        cell=cell,
        seconds=seconds_of(config, measured, epochs_done),
        peak_mb=measured.peak_mb,
        shared_mb=measured.shared_mb,
        gpu_mb=measured.gpu_mb,
        last_mb=last,
        best_mb=best,
        kept_mb=kept[config.keep],
        size_key=config.data.size_key,
    )


def makespan(seconds: Sequence[float], slots: int) -> float:
    """Return the total time: the longest run starts first, each in the slot that is free first."""
    free = [0.0] * max(1, slots)
    for one in sorted(seconds, reverse=True):
        heapq.heappush(free, heapq.heappop(free) + one)
    return max(free)


def room_of(outputs: Path, slots: Sequence[Slot]) -> Room:
    """Return what is free now, on the disk where *outputs* is and on the GPUs of *slots*."""
    used = {slot.gpu for slot in slots}
    free = [gpu.free_mb for gpu in gpus() if gpu.visible in used]
    return Room(available_memory_mb(), free_disk_mb(outputs), min(free, default=math.inf))


def budget_of(
    costs: Sequence[Cost],
    slots: Sequence[Slot],
    *,
    keep_gb: float | None = None,
    stored_mb: float = 0.0,
) -> Budget:
    """Return what the runs of *costs* need together in *slots*.

    Args:
        costs: one for each run to do.
        slots: where they run.
        keep_gb: limit on the checkpoints of a sweep's finished runs; None: unlimited.
        stored_mb: checkpoints that earlier finished runs of the sweep hold.

    """
    per_gpu = max(Counter(slot.gpu for slot in slots).values(), default=1)
    kept = sum(cost.kept_mb for cost in costs)
    if keep_gb is not None:
        kept = min(kept, max(keep_gb * GB / MIB - stored_mb, 0.0))
    # new checkpoints are complete before the old ones are deleted: both exist for a moment
    passing = _largest([2 * cost.last_mb + 2 * cost.best_mb for cost in costs], len(slots))
    return Budget(
        runs=len(costs),
        slots=len(slots),
        threads=max((slot.threads for slot in slots), default=1),
        seconds=makespan([cost.seconds for cost in costs], len(slots)),
        per_run=sum(cost.seconds for cost in costs) / max(len(costs), 1),
        memory_mb=_together(costs, len(slots)),
        per_gpu=per_gpu,
        gpu_mb=_largest([cost.gpu_mb for cost in costs], per_gpu),
        kept_mb=kept,
        stored_mb=stored_mb,
        disk_mb=kept + passing + FILES_MB * len(costs),
    )


def check_budget(
    costs: Sequence[Cost], budget: Budget, room: Room, outputs: str = "outputs"
) -> None:
    """Raise ConfigError, with a line per problem, if the runs do not fit into *room*.

    A line names each cell of which not even one run fits; if all cells fit alone, the line
    says how many runs fit at a time.
    """
    at_once = [_together(costs, count) for count in range(1, budget.slots + 1)]
    peaks = _worst(costs, [cost.peak_mb for cost in costs])
    sizes = {cost.cell: cost.size_key for cost in costs}
    where = room.memory_mb, "this machine", "slots"
    problems = _too_little("memory", peaks, sizes, at_once, *where)
    gpu = [cost.gpu_mb for cost in costs]
    at_once = [_largest(gpu, count) for count in range(1, budget.per_gpu + 1)]
    on_gpu = _worst(costs, gpu)
    where = room.gpu_mb, "the GPU", "per_device"
    problems += _too_little("GPU memory", on_gpu, sizes, at_once, *where)
    raise_all([*problems, *_too_little_disk(budget, room, outputs)])


def is_short(costs: Sequence[Cost], slots: int, available_mb: float) -> bool:
    """Whether runs on the CPU in all *slots* would take most of the memory that is available."""
    on_gpu = any(cost.gpu_mb for cost in costs)
    return not on_gpu and _together(costs, slots) > MOST * available_mb


def is_memory(reason: str) -> bool:
    """Whether *reason*, the error of a measured step, means that memory ran out."""
    return re.search(r"out of memory|allocate memory|MemoryError", reason) is not None


def out_of_memory_line(cell: str, reason: str, size_key: str = "data.size") -> str:
    """Return the error line for a cell whose measured steps ran out of memory by *reason*."""
    of_gpu = "CUDA" in reason
    what = "GPU memory" if of_gpu else "memory"
    has = "" if of_gpu else f", this machine has {mb_text(available_memory_mb())} free"
    less = SMALLER.format(size=size_key)
    return f"not enough {what} for {cell}: a training step takes more{has}; {less} ({reason})"


def mb_text(mb: float) -> str:
    """Return an amount counted in MB of 2^20 bytes as people read it."""
    return size_text(mb * MIB)


def _together(costs: Sequence[Cost], slots: int) -> float:
    """Return the memory of the largest runs in all slots at once; shared memory counts once."""
    shared = max((cost.shared_mb for cost in costs), default=0.0)
    return shared + _largest([cost.own_mb for cost in costs], slots)


def _largest(amounts: Sequence[float], count: int) -> float:
    return sum(sorted(amounts, reverse=True)[:count])


def _worst(costs: Sequence[Cost], needs: Sequence[float]) -> dict[str, float]:
    """Return cell -> the largest need of its runs."""
    worst: dict[str, float] = {}
    for cost, need in zip(costs, needs, strict=True):
        worst[cost.cell] = max(need, worst.get(cost.cell, 0.0))
    return worst


def _too_little(
    what: str,
    alone: Mapping[str, float],
    sizes: Mapping[str, str],
    at_once: Sequence[float],
    room: float,
    who: str,
    key: str,
) -> list[str]:
    """Return a line per cell that does not fit *alone*, else one if runs *at_once* do not fit.

    *sizes* are the keys of what the cells' networks see.
    """
    has = f"{who} has {mb_text(room)} free"
    large = {cell: need for cell, need in alone.items() if need > room}
    if large or not at_once or at_once[-1] <= room:
        return [
            f"not enough {what} for {cell}: needs {mb_text(need)}, {has}; "
            f"{SMALLER.format(size=sizes[cell])}"
            for cell, need in large.items()
        ]
    fits = max(1, sum(need <= room for need in at_once))
    runs = f"{len(at_once)} runs at a time need {mb_text(at_once[-1])}"
    return [f"not enough {what}: {runs}, {has}; use {key}={fits}"]


def _too_little_disk(budget: Budget, room: Room, outputs: str) -> list[str]:
    if budget.disk_mb <= room.disk_mb:
        return []
    for_checkpoints = room.disk_mb - (budget.disk_mb - budget.kept_mb)
    cap = math.floor((budget.stored_mb + for_checkpoints) * MIB / GB * 10) / 10
    words = ["keep=none"] if budget.kept_mb and for_checkpoints > 0 else []
    words += [f"keep_gb={cap:g}"] if words and cap > 0 else []
    ways = " or ".join([*words, "outputs=<folder on a larger disk>"])
    has = f"{outputs} has {mb_text(room.disk_mb)} free"
    return [f"not enough disk: needs {mb_text(budget.disk_mb)}, {has}; use {ways}"]
