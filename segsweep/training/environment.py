"""The environment of a run: machine, versions, device, commit."""

import os
import platform
import sys
from functools import lru_cache

import torch

from segsweep import __version__
from segsweep.system import processor
from segsweep.system.installation import checkout
from segsweep.system.secrets import masked
from segsweep.training.device import Placement, is_deterministic


def environment_facts(placement: Placement) -> dict[str, object]:
    """Return the content of `environment.json` for this process and machine."""
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
        "command": [masked(word) for word in sys.argv[1:]],
    }


def _processor(found: torch.device) -> str:
    if found.type == "cuda":
        return torch.cuda.get_device_name(found)
    return processor.name()


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the commit of the checkout that segsweep runs from; "" if installed otherwise."""
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
