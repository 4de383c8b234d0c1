"""`hydra/launcher=basic`: one run after another, in the process of the command."""

from omegaconf import DictConfig

from segsweep.sweep.places.launchers.launcher import HydraLauncher


def one(config: DictConfig) -> int:
    """Return 1: jobs run one after another."""
    return 1


LAUNCHER = HydraLauncher(jobs_here=one)
