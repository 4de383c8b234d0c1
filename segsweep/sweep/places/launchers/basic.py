"""`hydra/launcher=basic`: one run after the other, in the command's own process."""

from omegaconf import DictConfig

from segsweep.sweep.places.launchers.launcher import HydraLauncher


def one(config: DictConfig) -> int:
    """Return that one job runs at a time."""
    return 1


LAUNCHER = HydraLauncher(jobs_here=one)
