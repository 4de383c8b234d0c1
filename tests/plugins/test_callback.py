"""Errors before the first run end the command, although Hydra ignores a callback's errors."""

import pytest
from omegaconf import open_dict

from segsweep.errors import ConfigError
from segsweep.plugins.callback import Planning
from segsweep.plugins.register import register_schema
from segsweep.store.records import read_config
from segsweep.sweep import session
from segsweep.sweep.planning import sweep_choices
from segsweep.sweep.planning.compose import compose
from segsweep.sweep.session import CommandExit


@pytest.fixture(autouse=True)
def command(monkeypatch, tmp_path):
    """Start a new command in an empty folder."""
    register_schema()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "current", session.Session())


def test_error_in_a_single_run_ends_the_command():
    """With exit code 2 and the error to show; nothing is planned."""
    with pytest.raises(CommandExit) as caught:
        Planning().on_run_start(compose(["plan=true"]), config_name="config")

    assert caught.value.code == 2
    assert isinstance(caught.value.error, ConfigError)
    assert session.current.planned == []


def test_segsweeps_own_sweeper_plans_by_itself():
    """The callback does nothing, not even a check."""
    Planning().on_multirun_start(compose(["optimizer.lr=-1"]), config_name="config")

    assert session.current.planned == []


@pytest.mark.parametrize(("has", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_single_run_has_the_precision_of_a_sweep(has, expected, monkeypatch):
    """The same run has the same precision, whether a command with or without -m starts it."""
    monkeypatch.setattr(sweep_choices, "has_bfloat16", lambda: has)
    words = ["data.count=24", "data.size=32", "trainer.batch=4"]
    config = compose(words)
    with open_dict(config):
        config.hydra.overrides.task = words
    Planning().on_run_start(config, config_name="config")
    (run,) = session.current.planned

    assert read_config(run.paths.config).trainer.cpu_precision == expected
