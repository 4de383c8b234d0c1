"""What a launcher's file says of it, and how the file is found by the launcher's name."""

import importlib
import importlib.util
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from omegaconf import DictConfig


def _unknown(config: DictConfig) -> int:
    return 0


@dataclass(frozen=True)
class HydraLauncher:
    """One of Hydra's launchers; each function is given the launcher's own config."""

    threads: Callable[[DictConfig], int] = _unknown
    """CPU threads of a job; 0: the place where it runs decides."""
    jobs_here: Callable[[DictConfig], int] = _unknown
    """Jobs at the same time on this machine; 0: they run on other machines."""
    shares_fate: bool = False
    """All jobs end when one is killed."""


def launcher_named(choice: str) -> HydraLauncher:
    """Return what is known of `hydra/launcher=<choice>`, such as `submitit_slurm`.

    The file is named by the choice or its first word. A launcher without a file is taken to
    run jobs elsewhere, each with its own fate.
    """
    for name in (choice, choice.split("_")[0]):
        path = f"{__package__}.{name}"
        if name.isidentifier() and name != "launcher" and importlib.util.find_spec(path):
            return cast(HydraLauncher, importlib.import_module(path).LAUNCHER)
    return HydraLauncher()


def names() -> list[str]:
    """Return the names of the launchers that have a file here."""
    folder = str(Path(__file__).parent)
    return sorted({item.name for item in pkgutil.iter_modules([folder])} - {"launcher"})
