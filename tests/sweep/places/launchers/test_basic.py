"""Jobs of Hydra's basic launcher, from its real config."""

from launcher_configs import launcher_config
from segsweep.sweep.places.launchers.basic import LAUNCHER


def test_one_job_in_the_process_of_the_command():
    """Its threads are decided when it runs; a job cannot be killed alone."""
    config = launcher_config("basic")

    assert LAUNCHER.jobs_here(config) == 1
    assert LAUNCHER.threads(config) == 0
    assert not LAUNCHER.shares_fate
