"""`hydra/launcher=ray`: tasks of a Ray cluster."""

from omegaconf import DictConfig, OmegaConf

from segsweep.sweep.places.launchers.launcher import HydraLauncher


def threads(config: DictConfig) -> int:
    """Return the CPUs that each task reserves; 0 if the config does not set them."""
    return int(OmegaConf.select(config, "ray.remote.num_cpus") or 0)


LAUNCHER = HydraLauncher(
    threads=threads,
    instead={
        "slots": "hydra.launcher.ray.remote.num_cpus",
        "per_device": "hydra.launcher.ray.remote.num_gpus",
    },
)
