"""Where and when something was measured: processor, its relevant flags, date, commit, versions."""

import datetime
import platform

from segsweep.system import processor
from segsweep.system.machine import available_memory_mb, usable_cores
from segsweep.training.environment import git_commit

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Instructions of a CPU on which the speed of float32 or bfloat16 depends."""


def lines() -> list[str]:
    """Return one line for each fact."""
    import torch

    there = ", ".join(flag for flag in FLAGS if flag in processor.flags()) or "none"
    return [
        f"date: {datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC",
        f"commit: {git_commit() or 'unknown'}",
        f"processor: {processor.name()}, {usable_cores()} cores; flags: {there}",
        f"memory available: {available_memory_mb() / 1024:.1f} GB",
        f"torch {torch.__version__}, Python {platform.python_version()}, {platform.system()}",
    ]
