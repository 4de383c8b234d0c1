"""What this machine has: cores, memory, disk, GPUs; asked of the system, without torch.

A process that has used a GPU through torch can hand none to the processes forked from it,
so GPUs are asked of `nvidia-smi`. Containers and batch systems give a process less than the
machine has; what they allow is read from its control groups, version 1 and 2.
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

ROOT = Path("/")
MB = 2**20
CACHE = ("inactive_file", "active_file", "slab_reclaimable")
"""What a control group's memory.stat calls memory that is given back when asked for."""
OLD_CACHE = ("total_inactive_file", "total_active_file")
MEMORY_FILES = (
    ("memory.max", "memory.current", CACHE),
    ("memory.high", "memory.current", CACHE),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", OLD_CACHE),
)
"""Limit, usage and what of it is cache: version 2 (two limits), version 1."""
KILL_FILES = ("memory.events", "memory.oom_control")
SMI = ("--query-gpu=index,uuid,name,memory.total,memory.free", "--format=csv,noheader,nounits")


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use."""

    visible: str
    """What `CUDA_VISIBLE_DEVICES` must be for a process to see this one alone."""
    name: str
    total_mb: float
    """Infinite where not known."""
    free_mb: float
    """When first asked; infinite where not known."""


def usable_cores(root: Path = ROOT) -> int:
    """Return how many cores this process can keep busy.

    The fewest of: those it may run on, what its control groups let it use (1.5 counts as
    2), what SLURM gave it. *root* is where the system's files are.
    """
    return max(1, math.ceil(min([_allowed_cores(), *_quotas(root), *_slurm_cores()])))


def total_memory_mb(root: Path = ROOT) -> float:
    """Return the memory that this process and its children could have, MB; infinite if unknown."""
    limits = [_first_number(group / names[0]) for group, names in _memory_groups(root)]
    return min([_system_memory(root)[0], *limits]) / MB


def available_memory_mb(root: Path = ROOT) -> float:
    """Return the memory that could be taken now without swapping, MB; infinite if unknown.

    What the system calls available, bounded by what the control groups leave: their limit
    minus their usage, of which file cache does not count.
    """
    room = [_room(group, *names) for group, names in _memory_groups(root)]
    return max(0.0, min([_system_memory(root)[1], *room]) / MB)


def free_disk_mb(path: Path) -> float:
    """Return the space left where *path* is, or will be, MB; infinite if unknown."""
    place = path.absolute()
    for folder in (place, *place.parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free / MB
    return math.inf


def oom_kills(root: Path = ROOT) -> int:
    """Return how often the system killed a process here for lack of memory; 0 if unknown.

    Of this process's control group, where there is one; else of the whole machine.
    """
    groups = [group / name for group in _groups("memory", root) for name in KILL_FILES]
    for path in (*groups, root / "proc/vmstat"):
        counts = _table(path)
        if "oom_kill" in counts:
            return int(counts["oom_kill"])
    return 0


def gpus() -> list[Gpu]:
    """Return the NVIDIA GPUs that this process may use, in its own order; often none.

    `nvidia-smi` is asked once per process. An inherited `CUDA_VISIBLE_DEVICES` is honoured:
    numbers, ids and their beginnings, up to the first that names nothing.
    """
    listed = _listed()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not listed:
        return list(listed)
    found = []
    for word in visible.split(","):
        gpu = _named(word.strip(), listed)
        if gpu is None:
            break
        found.append(gpu)
    return found


def cpu_model(root: Path = ROOT) -> str:
    """Return what the processor calls itself."""
    with suppress(OSError):
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8")
        if match := re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """Return a short text for this machine: what was measured on another is not valid here.

    Put together once per process.
    """
    cards = ", ".join(gpu.name for gpu in gpus()) or "no GPU"
    return f"{platform.node()}: {cpu_model()}, {usable_cores()} cores, {cards}"


def _allowed_cores() -> float:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Yield the cores that each control group lets its processes use, where it sets a bound."""
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
    """Yield the folders of this process's control groups, its own first, then those above.

    In a container the path may be that of the host: then only the topmost folder exists.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
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


def _room(group: Path, limit: str, usage: str, cache: tuple[str, ...]) -> float:
    """Return the bytes that a control group leaves, infinite where it sets no bound."""
    bound, used = _first_number(group / limit), _first_number(group / usage)
    if math.inf in (bound, used):
        return bound
    counts = _table(group / "memory.stat")
    return bound - max(0.0, used - sum(counts.get(name, 0.0) for name in cache))


def _system_memory(root: Path) -> tuple[float, float]:
    """Return all memory and what is available of it, bytes."""
    if sys.platform == "win32":
        return _windows_memory()
    counts = _table(root / "proc/meminfo")
    if "MemTotal" in counts:
        total = counts["MemTotal"] * 1024
        return total, counts.get("MemAvailable", counts.get("MemFree", math.inf)) * 1024
    return _mac_memory() if sys.platform == "darwin" else (math.inf, math.inf)


def _mac_memory() -> tuple[float, float]:
    """Ask macOS: pages that are free, or hold what can be dropped."""
    total = float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    text = _output("vm_stat")
    size = re.search(r"page size of (\d+)", text)
    pages = re.findall(r"^Pages (?:free|inactive|speculative|purgeable): +(\d+)", text, re.M)
    if size is None or not pages:
        return total, math.inf
    return total, min(total, float(int(size[1]) * sum(map(int, pages))))


def _windows_memory() -> tuple[float, float]:
    """Ask Windows by GlobalMemoryStatusEx: its own size, a share, then 64-bit counts."""
    status = (ctypes.c_uint64 * 8)(64)
    with suppress(AttributeError, OSError):
        windll = ctypes.windll  # type: ignore[attr-defined]
        if windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return float(status[1]), float(status[2])
    return math.inf, math.inf


@lru_cache(maxsize=1)
def _listed() -> tuple[Gpu, ...]:
    """Return every GPU of the machine, in the order of `nvidia-smi`."""
    rows = [line.split(", ") for line in _output("nvidia-smi", *SMI).splitlines()]
    return tuple(
        Gpu(uuid, name, _megabytes(total), _megabytes(free))
        for _, uuid, name, total, free in (row for row in rows if len(row) == 5)
    )


def _named(word: str, listed: tuple[Gpu, ...]) -> Gpu | None:
    """Return the GPU that an entry of `CUDA_VISIBLE_DEVICES` means, under that very name."""
    if word.startswith("MIG-"):  # a part of a GPU, which the list does not hold
        return Gpu(word, "part of a GPU", math.inf, math.inf)
    if word.isdecimal():
        return replace(listed[int(word)], visible=word) if int(word) < len(listed) else None
    fitting = [gpu for gpu in listed if word.startswith("GPU-") and gpu.visible.startswith(word)]
    return fitting[0] if len(fitting) == 1 else None


def _output(*command: str) -> str:
    """Return what a program prints, "" if it is not there or fails."""
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
    """Return a file's number, infinite where it holds a word or is not there."""
    words = _words(path)
    return float(words[0]) if words and words[0].isdecimal() else math.inf


def _table(path: Path) -> dict[str, float]:
    """Return name -> number of a file with lines like `MemTotal: 123 kB` or `oom_kill 4`."""
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError):
        return {}
    found = [row for row in rows if len(row) >= 2 and row[1].isdecimal()]
    return {row[0].rstrip(":"): float(row[1]) for row in found}
