"""Jobs of the Ray launcher, from its real config."""

import pytest

from launcher_configs import launcher_config
from segsweep.sweep.places.launchers.ray import LAUNCHER


@pytest.mark.parametrize(("cpus", "threads"), [("1", 1), ("3", 3), ("null", 0)])
def test_threads_are_the_cpus_of_a_task(cpus, threads):
    """Tasks run somewhere in the cluster, and a killed task affects no other."""
    config = launcher_config("ray", f"hydra.launcher.ray.remote.num_cpus={cpus}")

    assert LAUNCHER.threads(config) == threads
    assert LAUNCHER.jobs_here(config) == 0
    assert not LAUNCHER.shares_fate
