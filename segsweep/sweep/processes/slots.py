"""Slots, the places where runs execute: shares of the CPU or of a GPU of this machine."""

import importlib.util
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from segsweep.errors import ConfigError
from segsweep.system.machine import Gpu, available_memory_mb, gpus, usable_cores


@dataclass(frozen=True)
class Slot:
    """The place where one run at a time executes."""

    number: int
    """Counted from 0."""
    threads: int
    """CPU threads of a run in this slot."""
    gpu: str | None = None
    """The run's `CUDA_VISIBLE_DEVICES`; None: unchanged."""


def find_slots(
    *,
    device: str,
    runs: int,
    slots: int | None = None,
    per_device: int = 1,
    threads: int = 0,
    per_run_mb: float = 0.0,
    shared_mb: float = 0.0,
    gpu_mb: float = 0.0,
) -> list[Slot]:
    """Return the slots in which this machine finishes *runs* soonest.

    Their number follows from, in this order:

    1. *slots*, if given: nothing else counts.
    2. On GPUs: *per_device* slots on each GPU (fewer if its memory over *gpu_mb* is less);
       every GPU gets its first slot before any gets a second.
    3. On the CPU: the number of cores, or cores over *threads*. Small networks gain little
       from a second thread: two processes of one thread are faster than one of two, and the
       more so the smaller the images are.
    4. The available memory: *shared_mb* once, *per_run_mb* per slot.
    5. At least one slot, and never more than *runs*.

    The cores are then divided evenly: each run has cores over slots threads, rounded down,
    at least one; or *threads*, if an earlier command of this sweep fixed them.

    Args:
        device: auto | cpu | cuda (all GPUs) | cuda:1 (that one) | mps, as in the config.
        runs: number of runs to do.
        slots: number of slots that the user wants.
        per_device: runs at the same time on each GPU.
        threads: CPU threads of each run; 0: chosen here.
        per_run_mb: memory of a run that it does not share; 0: unknown.
        shared_mb: memory that all runs share.
        gpu_mb: GPU memory of a run; 0: unknown.

    Raises:
        ConfigError: *device* names a GPU that this machine does not have.

    """
    cores = usable_cores()
    on_gpu = _gpu_slots(device, per_device, gpu_mb)
    most = len(on_gpu) if on_gpu else max(1, cores // (threads or 1))
    room = available_memory_mb() - shared_mb
    count = min(slots or _fitting(room, per_run_mb, most), runs)
    each = threads or max(1, cores // max(1, count))
    visible = on_gpu or [None]
    return [Slot(number, each, visible[number % len(visible)]) for number in range(count)]


def _gpu_slots(device: str, per_device: int, gpu_mb: float) -> list[str | None]:
    """Return `CUDA_VISIBLE_DEVICES` of each possible slot on a GPU, in order; [] on the CPU."""
    kind, _, index = device.partition(":")
    if kind == "auto":
        kind = _best_kind()
    if kind not in ("cuda", "mps"):
        return []
    found = _chosen(device, index) if kind == "cuda" else []
    if not found:  # a GPU that nvidia-smi does not list
        return [None] * per_device
    turns = [_fitting(gpu.free_mb, gpu_mb, per_device) for gpu in found]
    return [
        gpu.visible
        for turn in range(per_device)
        for gpu, fits in zip(found, turns, strict=True)
        if turn < fits
    ]


def _chosen(device: str, index: str) -> list[Gpu]:
    """Return all GPUs, or the one numbered *index*; [] if they are unknown."""
    found = gpus()
    if not index or not found:
        return found
    if not index.isdecimal() or int(index) >= len(found):
        allowed = ", ".join(f"cuda:{number}" for number in range(len(found)))
        has = f"this machine has {len(found)} CUDA GPUs"
        raise ConfigError(f"device={device}: {has}; allowed are auto, cpu, cuda, {allowed}")
    return [found[int(index)]]


def _best_kind() -> str:
    """Return the kind of device that `auto` will choose: a GPU only if torch can use it."""
    if gpus() and _torch_has_cuda():
        return "cuda"
    on_apple = sys.platform == "darwin" and platform.machine() == "arm64"
    return "mps" if on_apple else "cpu"


def _torch_has_cuda() -> bool:
    """Read it from a file of torch: importing torch takes seconds."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        text = Path(found.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return True
    return re.search(r"^cuda\b[^=]*= *['\"]", text, re.MULTILINE) is not None


def _fitting(room_mb: float, each_mb: float, most: int) -> int:
    """Return how many runs of *each_mb* fit into *room_mb*: at least one, at most *most*."""
    if most * each_mb <= room_mb:
        return most
    return max(1, int(room_mb // each_mb)) if each_mb else 1
