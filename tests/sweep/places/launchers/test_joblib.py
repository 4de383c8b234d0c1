"""Jobs of the joblib launcher, from its real config."""

import pytest

from launcher_configs import launcher_config
from segsweep.sweep.places.launchers import joblib
from segsweep.sweep.places.launchers.joblib import LAUNCHER


@pytest.mark.parametrize(
    ("words", "jobs", "threads"),
    [
        ((), 8, 1),  # the plugin's default is n_jobs=-1: all cores
        (("hydra.launcher.n_jobs=2",), 2, 4),
        (("hydra.launcher.n_jobs=3",), 3, 2),
        (("hydra.launcher.n_jobs=16",), 16, 1),
    ],
)
def test_jobs_share_the_cores_of_this_machine(words, jobs, threads, monkeypatch):
    """With 8 cores; all jobs end when one is killed."""
    monkeypatch.setattr(joblib, "usable_cores", lambda: 8)
    config = launcher_config("joblib", *words)

    assert (LAUNCHER.jobs_here(config), LAUNCHER.threads(config)) == (jobs, threads)
    assert LAUNCHER.shares_fate
