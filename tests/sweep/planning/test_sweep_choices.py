"""What is chosen once per sweep: later commands follow its earlier runs."""

import pytest

from segsweep.sweep.planning import preflight, sweep_choices
from segsweep.sweep.planning.plan import freeze, plan_run, sweep_of
from segsweep.sweep.planning.sweep_choices import SweepChoices, with_choices, with_trainer
from segsweep.sweep.processes.slots import Slot

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
    """Bfloat16 where the processor has it, the kernels that save time, the place's threads."""
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
    """Their configs say nothing of a precision on CPUs."""
    freeze([plan()], "here")
    monkeypatch.setattr(sweep_choices, "has_bfloat16", lambda: True)

    assert choices_of(plan("seed=1")).cpu_precision == "float32"


def test_a_value_on_the_command_line_counts(plan):
    """The choice fills in only what is left open, and no run becomes another run."""
    asked = plan("trainer.lean=on", "threads=1")
    (run,) = with_choices([asked], SweepChoices(4, "bfloat16", "off"))

    assert (run.config.threads, run.config.trainer.lean) == (1, "on")
    assert run.config.trainer.cpu_precision == "bfloat16"
    assert run.name == asked.name


@pytest.mark.parametrize(
    ("available_mb", "words", "expected"),
    [(1e6, (), "auto"), (1.0, (), "on"), (1.0, ("trainer.lean=off",), "off")],
    ids=["enough", "short", "short, but plain"],
)
def test_runs_save_memory_where_it_is_short(plan, available_mb, words, expected, monkeypatch):
    """Decided from the memory measured, unless the command says otherwise; the id stays."""
    monkeypatch.setattr(preflight, "available_memory_mb", lambda: available_mb)
    asked = plan(*words)
    measured = dict.fromkeys(_measured_names(), 1.0) | {"peak_mb": 500.0, "shared_mb": 0.0}
    measured |= {"gpu_mb": 0.0, "train": 8, "val": 4, "test": 4}
    kinds = preflight.Measured(**measured)
    monkeypatch.setattr(
        preflight, "measure_kinds", lambda todo, keys, *_: dict.fromkeys(keys.values(), kinds)
    )
    runs, costs = preflight._measured_runs([asked], [Slot(0, 1)], lambda: False)

    assert [run.config.trainer.lean for run in runs] == [expected]
    assert runs[0].name == asked.name
    assert list(costs) == [asked.name]


def _measured_names():
    return preflight.Measured.__dataclass_fields__


def test_an_unchanged_run_is_the_same_object(plan):
    """Nothing is read or written again if nothing changes."""
    run = plan()

    assert with_trainer(run, {"lean": "auto"}) is run
