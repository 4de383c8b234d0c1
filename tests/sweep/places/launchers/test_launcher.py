"""The description of a launcher is found by its name on the command line."""

import pytest
from omegaconf import OmegaConf

from segsweep.sweep.places.launchers import basic, joblib, ray, submitit
from segsweep.sweep.places.launchers.launcher import HydraLauncher, launcher_named, names

FILES = {"basic": basic, "joblib": joblib, "ray": ray, "submitit": submitit}


def test_every_file_is_listed():
    """One file per launcher, without `launcher.py` itself."""
    assert names() == sorted(FILES)


@pytest.mark.parametrize(
    ("choice", "file"),
    [
        *((name, name) for name in FILES),
        ("submitit_slurm", "submitit"),
        ("submitit_local", "submitit"),
    ],
)
def test_file_is_named_by_the_choice_or_its_first_word(choice, file):
    """`submitit_slurm` and `submitit_local` share a file."""
    assert launcher_named(choice) is FILES[file].LAUNCHER


@pytest.mark.parametrize("choice", ["launcher", "unknown", "no-identifier", ""])
def test_unknown_launcher_has_independent_jobs_elsewhere(choice):
    """No threads, no jobs on this machine, and a killed job affects no other."""
    found, config = launcher_named(choice), OmegaConf.create({})

    assert found == HydraLauncher()
    assert (found.threads(config), found.jobs_here(config), found.shares_fate) == (0, 0, False)
