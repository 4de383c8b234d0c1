"""What this process may use: cores, memory, disk, GPUs; read from the system, without torch.

A process that has used a GPU through torch cannot share it with processes forked from it, so
GPUs are listed by `nvidia-smi`. Containers and batch systems give a process less than the
machine has; their limits are read from its control groups, versions 1 and 2.
"""

import ctypes
import math
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from segsweep.system.units import MIB

ROOT = Path("/")
CACHE = ("inactive_file", "active_file", "slab_reclaimable")
"""Entries of a control group's memory.stat that the system can reclaim when needed."""
OLD_CACHE = ("total_inactive_file", "total_active_file")
MEMORY_FILES = (
    ("memory.max", "memory.current", CACHE),
    ("memory.high", "memory.current", CACHE),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", OLD_CACHE),
)
"""Files with limit and usage, and the reclaimable entries: version 2 (two limits), version 1."""
KILL_FILES = ("memory.events", "memory.oom_control")
MOST_THREADS = 1024
"""CPU threads that a process may be told to use; with far more, libraries crash."""
SMI = ("--query-gpu=index,uuid,name,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use."""

    visible: str
    """The value of `CUDA_VISIBLE_DEVICES` with which a process sees only this GPU."""
    name: str
    free_mb: float
    """When first queried; infinite if unknown."""


def usable_cores(root: Path = ROOT) -> int:
    """Return how many cores this process can keep busy.

    The minimum of its CPU affinity, its control groups' quotas (1.5 counts as 2) and what
    SLURM allocated. *root* is where the system's files are.
    """
    return max(1, math.ceil(min([_allowed_cores(), *_quotas(root), *_slurm_cores()])))


def available_memory_mb(root: Path = ROOT) -> float:
    """Return the memory that can be allocated now without swapping, MB; infinite if unknown.

    The minimum of what the system calls available and what each control group has left: its
    limit minus its usage, file cache not counted.
    """
    left = [_memory_left(group, *names) for group, names in _memory_groups(root)]
    return max(0.0, min([_system_memory(root), *left]) / MIB)


def own_memory_mb(pid: int, root: Path = ROOT) -> float:
    """Return the memory of a process that no file holds, MB; 0 if unknown or it has ended."""
    words = _words(root / f"proc/{pid}/statm")
    if len(words) < 3:
        return 0.0
    return (int(words[1]) - int(words[2])) * os.sysconf("SC_PAGE_SIZE") / MIB


def free_disk_mb(path: Path) -> float:
    """Return the free disk space where *path* is or will be, MB; infinite if unknown."""
    place = path.absolute()
    for folder in (place, *place.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free / MIB
    return math.inf


def oom_kills(root: Path = ROOT) -> int:
    """Return how many processes the system killed because memory ran out; 0 if unknown.

    Counted in this process's control group if there is one, else on the whole machine.
    """
    groups = [group / name for group in _groups("memory", root) for name in KILL_FILES]
    for path in (*groups, root / "proc/vmstat"):
        counts = _table(path)
        if "oom_kill" in counts:
            return int(counts["oom_kill"])
    return 0


def gpus() -> list[Gpu]:
    """Return the NVIDIA GPUs that this process may use, in its own order; empty without any.

    `nvidia-smi` runs once per process. An inherited `CUDA_VISIBLE_DEVICES` is read as CUDA
    reads it: numbers, ids or their first characters, up to the first entry that fits no GPU.
    """
    listed = _all_gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not listed:
        return list(listed)
    found = []
    for word in visible.split(","):
        gpu = _gpu_of(word.strip(), listed)
        if gpu is None:
            break
        found.append(gpu)
    return found


def cpu_model(root: Path = ROOT) -> str:
    """Return the model name of the processor."""
    with suppress(OSError):
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8")
        if match := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return a short text that identifies this machine: measurements are valid only on it.

    Computed once per process.
    """
    cards = ", ".join(gpu.name for gpu in gpus()) or "no GPU"
    return f"{platform.node()}: {cpu_model()}, {usable_cores()} cores, {cards}"


def _allowed_cores() -> float:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Yield the core quota of each control group that sets one."""
    for group in _groups("cpu", root):
        pairs = [
            _words(group / "cpu.max"),
            [*_words(group / "cpu.cfs_quota_us"), *_words(group / "cpu.cfs_period_us")],
        ]
        for pair in pairs:
            if len(pair) == 2 and all(word.isdecimal() and int(word) for word in pair):
                yield int(pair[0]) / int(pair[1])


def _slurm_cores() -> Iterator[float]:
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        word = os.environ.get(name, "")
        if word.isdecimal() and int(word):
            yield int(word)


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of this process's control groups: its own first, then its parents.

    In a container the path may be the host's; then only the topmost folder exists.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / (controller if controllers else "")
        inner = top / path.lstrip("/")
        yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(top))


def _memory_groups(root: Path) -> Iterator[tuple[Path, tuple[str, str, tuple[str, ...]]]]:
    for group in _groups("memory", root):
        for names in MEMORY_FILES:
            yield group, names


def _memory_left(group: Path, limit: str, usage: str, cache: tuple[str, ...]) -> float:
    """Return the bytes that a control group has left; infinite if it sets no limit."""
    bound, used = _first_number(group / limit), _first_number(group / usage)
    if math.inf in (bound, used):
        return bound
    counts = _table(group / "memory.stat")
    return bound - max(0.0, used - sum(counts.get(name, 0.0) for name in cache))


def _system_memory(root: Path) -> float:
    """Return the available memory, bytes; infinite if unknown."""
    if sys.platform == "win32":
        return _windows_memory()
    counts = _table(root / "proc/meminfo")
    if "MemTotal" in counts:
        return counts.get("MemAvailable", counts.get("MemFree", math.inf)) * 1024
    return _mac_memory() if sys.platform == "darwin" else math.inf


def _mac_memory() -> float:
    """Return the available memory on macOS, bytes: free pages and those it can reclaim."""
    total = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    text = _output("vm_stat")
    size = re.search(r"page size of (\d+)", text)
    pages = re.findall(r"^Pages (?:free|inactive|speculative|purgeable): +(\d+)", text, re.M)
    if size is None or not pages:
        return math.inf
    return min(total, float(int(size[1]) * sum(map(int, pages))))


def _windows_memory() -> float:
    """Return the available memory on Windows, bytes, from GlobalMemoryStatusEx.

    The structure holds its own size, the load in percent, then 64-bit counts.
    """
    status = (ctypes.c_uint64 * 8)(64)
    with suppress(AttributeError, OSError):
        windll = ctypes.windll  # type: ignore[attr-defined]
        if windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return float(status[2])
    return math.inf


@lru_cache(maxsize=1)
def _all_gpus() -> tuple[Gpu, ...]:
    """Return all GPUs of the machine, in the order of `nvidia-smi`."""
    rows = [line.split(", ") for line in _output("nvidia-smi", *SMI).splitlines()]
    return tuple(
        Gpu(uuid, name, _megabytes(free))
        for _, uuid, name, free in (row for row in rows if len(row) == 4)
    )


def _gpu_of(word: str, listed: tuple[Gpu, ...]) -> Gpu | None:
    """Return the GPU that an entry of `CUDA_VISIBLE_DEVICES` names; None if it fits none."""
    if word.startswith("MIG-"):  # a part of a GPU; nvidia-smi lists whole ones
        return Gpu(word, "part of a GPU", math.inf)
    if word.isdecimal():
        return replace(listed[int(word)], visible=word) if int(word) < len(listed) else None
    fitting = [gpu for gpu in listed if word.startswith("GPU-") and gpu.visible.startswith(word)]
    return fitting[0] if len(fitting) == 1 else None


def _output(*command: str) -> str:
    """Return what a program prints; "" if it is missing or fails."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def _megabytes(word: str) -> float:
    return float(word) if word.strip().isdecimal() else math.inf


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").split()
    except OSError:
        return []


def _first_number(path: Path) -> float:
    """Return the number a file starts with; infinite if it holds a word or is missing."""
    words = _words(path)
    return float(words[0]) if words and words[0].isdecimal() else math.inf


def _table(path: Path) -> dict[str, float]:
    """Return name -> number from a file with lines like `MemTotal: 123 kB` or `oom_kill 4`."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return {}
    found = [row for row in rows if len(row) >= 2 and row[1].isdecimal()]
    return {row[0].rstrip(":"): float(row[1]) for row in found}
