"""The description of a launcher's jobs, and how it is found by the launcher's name."""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from omegaconf import DictConfig


def _unknown(config: DictConfig) -> int:
    return 0


@dataclass(frozen=True)
class HydraLauncher:
    """Describes the jobs of one of Hydra's launchers; the functions get the launcher's config."""

    threads: Callable[[DictConfig], int] = _unknown
    """CPU threads of a job; 0: the machine where it runs decides."""
    jobs_here: Callable[[DictConfig], int] = _unknown
    """Jobs at the same time on this machine; 0: they run on other machines or it is unknown."""
    shares_fate: bool = False
    """Whether all jobs end when one is killed."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """Key of the command that the launcher does not heed -> its own key for the same."""


def launcher_named(choice: str) -> HydraLauncher:
    """Return the description of `hydra/launcher=<choice>`, such as `submitit_slurm`.

    Its file has the name of the choice or of the choice's first word. The jobs of a launcher
    without a file count as independent jobs on other machines.
    """
    for name in (choice, choice.split("_")[0]):
        path = f"{__package__}.{name}"
        if name.isidentifier() and name != "launcher" and importlib.util.find_spec(path):
            return cast(HydraLauncher, importlib.import_module(path).LAUNCHER)
    return HydraLauncher()
