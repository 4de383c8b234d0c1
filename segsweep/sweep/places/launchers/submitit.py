"""`hydra/launcher=submitit_slurm` and `submitit_local`: jobs of a SLURM cluster or local ones."""

from omegaconf import DictConfig

from segsweep.sweep.places.launchers.launcher import HydraLauncher


def threads(config: DictConfig) -> int:
    """Return the CPUs of each task; 0 if the config does not set them."""
    return int(config.get("cpus_per_task") or 0)


LAUNCHER = HydraLauncher(
    threads=threads,
    instead={
        "slots": "hydra.launcher.array_parallelism",
        "time_limit": "hydra.launcher.timeout_min",
    },
)
