"""`hydra/launcher=joblib`: processes on this machine, which all end when one is killed."""

from omegaconf import DictConfig

from segsweep.sweep.places.launchers.launcher import HydraLauncher
from segsweep.system.machine import usable_cores


def jobs(config: DictConfig) -> int:
    """Return the number of processes: `n_jobs`; a negative value means all cores."""
    count = int(config.get("n_jobs", 1))
    return count if count > 0 else usable_cores()


def threads(config: DictConfig) -> int:
    """Return each process's share of the cores."""
    return max(1, usable_cores() // jobs(config))


LAUNCHER = HydraLauncher(
    threads=threads,
    jobs_here=jobs,
    shares_fate=True,
    instead={"slots": "hydra.launcher.n_jobs"},
)
