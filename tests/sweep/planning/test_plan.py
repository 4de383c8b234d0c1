"""Planning a run: its frozen config and its row in the plan."""

import csv
from dataclasses import replace

import pytest
import yaml

from base_config import planner
from segsweep.config.identity import run_id
from segsweep.errors import ConfigError
from segsweep.sweep.planning.plan import freeze


@pytest.fixture
def own_images(tmp_path):
    """Write six pairs of images; return their folder and a function that plans a run on them."""
    return planner(tmp_path)


@pytest.fixture
def stored(own_images):
    """Freeze a run; return the folder of its images, the planned run and its stored config."""
    folder, planned = own_images
    run = planned(folder)
    freeze([run], "a command")
    return folder, run, yaml.safe_load(run.paths.config.read_text())


def test_folder_config_and_plan_have_the_same_id(stored):
    """Planning the run again does not write its config."""
    _, run, config = stored
    rows = list(csv.DictReader((run.paths.root.parents[1] / "plan.csv").open()))
    before = run.paths.config.stat().st_mtime_ns
    freeze([run], "another command")

    assert run.name == f"unet2-bce-s0-{config['run_id']}"
    assert config["run_id"] == run_id(config, config["data_fingerprint"])
    assert [(row["run_id"], row["folder"]) for row in rows] == [(config["run_id"], run.name)]
    assert run.paths.config.stat().st_mtime_ns == before


@pytest.mark.parametrize("finished", [False, True])
def test_planning_again_writes_nothing(stored, own_images, finished):
    """No file, folder or lock, whether the run is finished or not."""
    folder, run, _ = stored
    if finished:
        run.paths.result.write_text("{}")
    outputs = run.paths.root.parents[2]

    def times():
        found = [outputs, *outputs.rglob("*")]
        return {path: path.stat().st_mtime_ns for path in found if ".cache" not in path.parts}

    before = times()
    again = own_images[1](folder)
    freeze([again], "a command")

    assert again == run
    assert len(before) == 7 + finished  # outputs, sweep, plan, its lock, runs, run, config
    assert times() == before


def test_config_of_an_unfinished_run_is_updated(stored):
    """The same run with other threads; the config of a finished run stays."""
    _, run, config = stored
    run = replace(run, config=run.config.with_values({"threads": 3}))
    freeze([run], "a command")
    moved = yaml.safe_load(run.paths.config.read_text())
    run.paths.result.write_text("{}")
    run = replace(run, config=run.config.with_values({"threads": 4}))
    freeze([run], "a command")

    assert moved == config | {"threads": 3}
    assert yaml.safe_load(run.paths.config.read_text()) == moved


def test_outputs_that_cannot_be_written_are_refused(own_images, tmp_path):
    """A file has the name of the folder."""
    folder, planned = own_images
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^outputs=.*/file: cannot be written \(.*\); choose"):
        planned(folder, outputs=str(tmp_path / "file"))
