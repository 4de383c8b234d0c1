"""Where trackers keep their records of a sweep, and how those of removed runs go. No torch."""

import shutil

from segsweep.store.paths import SweepPaths


def remove_records(sweep: SweepPaths, run: str) -> None:
    """Delete the folders that trackers wrote about the run in the folder *run*.

    MLflow's records stay: its database belongs to all sweeps, and is changed by MLflow only.
    """
    run_id = run.rpartition("-")[2]
    for folder in (sweep.tensorboard / run, *sweep.wandb.glob(f"*run-*-{run_id}-*")):
        shutil.rmtree(folder, ignore_errors=True)
