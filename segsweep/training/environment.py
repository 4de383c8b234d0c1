"""What a run was made with: machine, versions, device, commit."""

import os
import platform
import sys
from functools import lru_cache
from typing import Any

import torch

from segsweep import __version__
from segsweep.system import processor
from segsweep.system.installation import checkout
from segsweep.training.device import Placement, is_deterministic


def facts(placement: Placement) -> dict[str, Any]:
    """Return what `environment.json` says of this process and its machine."""
    return {
        **placement.values(),
        "deterministic": is_deterministic(placement.torch_device),
        "segsweep": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "machine": platform.node(),
        "processor": _processor(placement.torch_device),
        "git_commit": git_commit(),
        "command": sys.argv[1:],
    }


def _processor(found: torch.device) -> str:
    if found.type == "cuda":
        return torch.cuda.get_device_name(found)
    return processor.name()


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the commit of the checkout that segsweep runs from, "" outside one."""
    import subprocess

    folder = checkout()
    if folder is None:
        return ""
    command = ["git", "-C", os.fspath(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
