"""Jobs of the submitit launchers, from their real configs."""

import pytest

from launcher_configs import launcher_config
from segsweep.sweep.places.launchers.submitit import LAUNCHER


@pytest.mark.parametrize("name", ["submitit_slurm", "submitit_local"])
def test_threads_are_the_cpus_of_a_task(name):
    """Jobs may run on other machines, and a killed job affects no other."""
    config = launcher_config(name, "hydra.launcher.cpus_per_task=6")

    assert LAUNCHER.threads(config) == 6
    assert LAUNCHER.jobs_here(config) == 0
    assert not LAUNCHER.shares_fate


def test_without_cpus_the_machine_decides():
    """`cpus_per_task` may be null."""
    config = launcher_config("submitit_slurm", "hydra.launcher.cpus_per_task=null")

    assert LAUNCHER.threads(config) == 0
