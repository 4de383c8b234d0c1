"""The description of a launcher is found by its name on the command line."""

import importlib
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from segsweep.sweep.places import launchers
from segsweep.sweep.places.launchers import submitit
from segsweep.sweep.places.launchers.launcher import HydraLauncher, launcher_named

FILES = sorted(
    path.stem
    for path in Path(launchers.__path__[0]).glob("*.py")
    if path.stem not in ("__init__", "launcher")
)


def test_files_are_found():
    """The tests below would pass without any file."""
    assert {"basic", "joblib", "ray", "submitit"} <= {*FILES}


@pytest.mark.parametrize("name", FILES)
def test_every_launcher_has_a_description_and_a_test(name):
    """The file has the launcher's name, and so has its test."""
    module = importlib.import_module(f"{launchers.__name__}.{name}")

    assert launcher_named(name) is module.LAUNCHER
    assert isinstance(module.LAUNCHER, HydraLauncher)
    assert Path(__file__).with_name(f"test_{name}.py").exists()


@pytest.mark.parametrize("choice", ["submitit_slurm", "submitit_local"])
def test_several_launchers_of_a_plugin_share_a_file(choice):
    """The file has the name of the choice's first word."""
    assert launcher_named(choice) is submitit.LAUNCHER


@pytest.mark.parametrize("choice", ["launcher", "unknown", "no-identifier", ""])
def test_unknown_launcher_has_independent_jobs_elsewhere(choice):
    """No threads, no jobs on this machine, and a killed job affects no other."""
    found, config = launcher_named(choice), OmegaConf.create({})

    assert found == HydraLauncher()
    assert (found.threads(config), found.jobs_here(config), found.shares_fate) == (0, 0, False)
