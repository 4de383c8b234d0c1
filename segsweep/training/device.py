"""Where and how a run computes: device, threads, precision, memory layout, special kernels.

None of it is part of a run's identity; it is chosen when a run first starts and kept on
resume, because sums over other threads or in another precision round differently.
"""

import contextlib
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from segsweep.config.validate import nearest
from segsweep.errors import ConfigError
from segsweep.models import kernels
from segsweep.system.machine import MOST_THREADS, usable_cores
from segsweep.system.processor import has_bfloat16

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
NO_FLOAT16 = "trainer.precision=float16: only on a CUDA GPU; bfloat16 works anywhere"
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Placement:
    """What `environment.json` keeps of the choice."""

    device: str
    threads: int
    precision: str
    memory_format: str
    lean: kernels.Level = "off"
    """Which special kernels it uses."""

    @property
    def torch_device(self) -> torch.device:
        """The device as torch has it."""
        return torch.device(self.device)

    @property
    def layout(self) -> torch.memory_format:
        """The memory format as torch has it."""
        return LAYOUTS[self.memory_format]

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which the network runs."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.torch_device.type, DTYPES[self.precision])

    def values(self) -> dict[str, Any]:
        """Return the choice as plain values."""
        return asdict(self)


def choose(
    device: str,
    threads: int,
    precision: str,
    memory_format: str,
    lean: str = "auto",
    cpu_precision: str | None = None,
    earlier: Mapping[str, Any] | None = None,
) -> Placement:
    """Return the placement: what an *earlier* start of this run chose, else the best for here.

    *cpu_precision* is what `auto` means on a CPU in this run's sweep, where the CPU has it.

    Raises ConfigError where the device named does not exist.
    """
    found = _device(device)
    kept = {} if earlier is None else earlier
    if kept.get("device", "").split(":")[0] not in ("", found.type):
        kept = {}  # moved to another kind of machine: nothing would be bit-identical anyway
    used = int(kept.get("threads") or threads or usable_cores())
    if not 1 <= used <= MOST_THREADS:
        raise ConfigError(f"threads={used}: allowed are 0 to {MOST_THREADS}; 0: all cores")
    return Placement(
        device=str(found),
        threads=used,
        precision=str(kept.get("precision") or _precision(precision, found, cpu_precision)),
        memory_format=str(kept.get("memory_format") or _layout(memory_format, found)),
        lean=_level(lean, kept),
    )


def check_device(name: str, precision: str) -> None:
    """Raise ConfigError unless this machine has the device and that can do the precision."""
    gpus = check_exists(name, f"device={name}")
    kind = name.partition(":")[0]
    if precision == "float16" and not (kind == "cuda" or (kind == "auto" and gpus)):
        raise ConfigError(NO_FLOAT16)


def check_exists(name: str, given: str) -> int:
    """Return the number of CUDA GPUs; ConfigError unless this machine has the device *name*.

    *given* is how the user named it, for the message. A GPU is only counted, not used: a process
    that has used one can hand none to the processes forked from it, and would hold some of its
    memory.
    """
    kind, _, index = name.partition(":")
    gpus = torch.cuda.device_count()
    there = {"auto": True, "cpu": True, "cuda": gpus > 0, "mps": torch.backends.mps.is_available()}
    numbered = kind == "cuda" and index.isdecimal() and int(index) < gpus
    if not (numbered or (there.get(kind, False) and name == kind)):
        here = [word for word, is_there in there.items() if is_there]
        here += [f"cuda:{number}" for number in range(gpus)]
        has = f"this machine has {gpus} CUDA GPUs; allowed are {', '.join(here)}"
        raise ConfigError(f"{given}: {has}{'' if kind in there else nearest(name, here)}")
    return gpus


def _device(name: str) -> torch.device:
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    check_exists(name, f"device={name}")
    device = torch.device(name)
    try:
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"device={name}: cannot be used ({reason}); device=cpu can") from error
    return device


def _precision(wanted: str, device: torch.device, on_cpu: str | None) -> str:
    if wanted == "float16" and device.type != "cuda":
        raise ConfigError(NO_FLOAT16)
    if wanted != "auto":
        return wanted
    if device.type == "cpu":
        fast = on_cpu == "bfloat16" and has_bfloat16()
    else:
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if fast else "float32"


def _level(wanted: str, kept: Mapping[str, Any]) -> kernels.Level:
    """Return the level of the special kernels; a run that started with them keeps them.

    How much memory they save may change on resume: that changes no bit.
    """
    if not kept:
        return kernels.level_of(wanted)
    before = kept.get("lean", "fast")  # runs of older versions always had them
    if before == "off":
        return "off"
    return kernels.level_of("auto" if wanted == "off" else wanted)


def _layout(wanted: str, device: torch.device) -> str:
    if wanted != "auto":
        return wanted
    return "contiguous" if device.type == "mps" else "channels_last"


def is_deterministic(device: torch.device) -> bool:
    """Whether the same run gives the same bits again: on CPUs with the same thread count.

    Reflect padding and max-unpooling have no deterministic CUDA backward pass.
    """
    return device.type == "cpu"


def forget_peak_memory(device: torch.device) -> None:
    """Let the next reading of the peak count from here, where the system can do that."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    with contextlib.suppress(OSError):  # Linux alone
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_memory_mb(device: torch.device) -> float:
    """Return the most memory used so far, MB: the GPU's own count, else the process's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 2**10
    try:
        import resource
    except ImportError:  # Windows
        return float("nan")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def place(model: nn.Module, placement: Placement) -> nn.Module:
    """Return *model* on its device in its memory layout, with its kernels."""
    kernels.apply(model, placement.lean)
    return model.to(placement.torch_device, memory_format=placement.layout)  # type: ignore[call-overload]
