"""A run's objects: which parts of the data it can read."""

import json

import pytest

from command import TINY
from segsweep.sweep.planning.plan import freeze, plan_run
from segsweep.training.build import build_job
from segsweep.training.dataset import prepared_data
from segsweep.training.run import execute


@pytest.fixture
def plan(composed, tmp_path, monkeypatch):
    """Return a function: words -> a run planned in a separate folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: plan_run(*composed(*TINY, *words))


def test_a_trial_has_no_test_loader(plan):
    """It cannot read what it does not have; its split still names the test images."""
    jobs = {}
    for kind in ("run", "trial"):
        run = plan(f"kind={kind}")
        jobs[kind] = build_job(run.config, run.paths, prepared_data(run.config))

    assert jobs["run"].test is not None
    assert jobs["trial"].test is None
    assert jobs["trial"].parts == jobs["run"].parts
    assert jobs["trial"].parts.count("test") == 6


def test_a_trial_ends_without_a_reading_of_the_test_set(plan):
    """Its log says so; no file of it has a test image."""
    run = plan("kind=trial")
    freeze([run], "a command")
    outcome = execute(run.paths.config)
    result = json.loads(run.paths.result.read_text())

    assert outcome.status == "finished"
    assert "a trial of a search: its test images are not read" in run.paths.log.read_text()
    assert not run.paths.test_reads.exists()
    assert not run.paths.outlines.exists()
    assert not [name for name in result if "test" in name]
    assert ",test," not in run.paths.per_image.read_text()
