"""Settings chosen once per sweep: later commands follow its earlier runs."""

import pytest

from segsweep.sweep.planning import sweep_choices
from segsweep.sweep.planning.plan import freeze, plan_run, sweep_of
from segsweep.sweep.planning.sweep_choices import SweepChoices, with_choices, with_trainer

TINY = ("data=synthetic", "data.count=16", "data.side=32", "data.size=32", "trainer.batch=4")


@pytest.fixture
def plan(composed, tmp_path, monkeypatch):
    """Return a function: words -> a run planned in a separate folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: plan_run(*composed(*TINY, f"outputs={tmp_path}/outputs", *words))


def choices_of(run, threads=2):
    """Return the choice for the sweep of *run*."""
    return sweep_choices.sweep_choices(sweep_of(run.config), lambda: threads)


@pytest.mark.parametrize(("has", "expected"), [(True, "bfloat16"), (False, "float32")])
def test_a_new_sweep_takes_what_is_best_here(plan, has, expected, monkeypatch):
    """bfloat16 if the processor has it, the fastest kernels, and the place's threads."""
    monkeypatch.setattr(sweep_choices, "has_bfloat16", lambda: has)

    assert choices_of(plan()) == SweepChoices(2, expected, "auto")


@pytest.mark.parametrize("has", [True, False])
def test_later_commands_follow_the_first(plan, has, monkeypatch):
    """Also on a machine where another choice would be best."""
    first = SweepChoices(threads=3, cpu_precision="bfloat16", lean="off")
    freeze(with_choices([plan("threads=0")], first), "here")
    monkeypatch.setattr(sweep_choices, "has_bfloat16", lambda: has)

    assert choices_of(plan("seed=1")) == first


def test_sweeps_of_older_versions_stay_in_float32(plan, monkeypatch):
    """Their configs have no precision for CPUs."""
    freeze([plan()], "here")
    monkeypatch.setattr(sweep_choices, "has_bfloat16", lambda: True)

    assert choices_of(plan("seed=1")).cpu_precision == "float32"


def test_a_value_on_the_command_line_counts(plan):
    """Only open settings are filled in, and the run keeps its id."""
    asked = plan("trainer.lean=on", "threads=1")
    (run,) = with_choices([asked], SweepChoices(4, "bfloat16", "off"))

    assert (run.config.threads, run.config.trainer.lean) == (1, "on")
    assert run.config.trainer.cpu_precision == "bfloat16"
    assert run.name == asked.name


def test_an_unchanged_run_is_the_same_object(plan):
    """Nothing is read or written again if nothing changes."""
    run = plan()

    assert with_trainer(run, {"lean": "auto"}) is run
