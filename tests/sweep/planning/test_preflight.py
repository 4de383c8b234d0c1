"""Before runs start: memory that is short, and a preflight that is switched off."""

import pytest

from segsweep.sweep.planning import preflight
from segsweep.sweep.planning.cost import Measured
from segsweep.sweep.planning.plan import plan_run, sweep_of
from segsweep.sweep.processes.slots import Slot

TINY = ("data=synthetic", "data.count=16", "data.side=32", "data.size=32", "trainer.batch=4")


@pytest.fixture
def plan(composed, tmp_path, monkeypatch):
    """Return a function: words -> a run planned in a separate folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: plan_run(*composed(*TINY, f"outputs={tmp_path}/outputs", *words))


@pytest.mark.parametrize(
    ("available_mb", "words", "expected"),
    [(1e6, (), "auto"), (1.0, (), "on"), (1.0, ("trainer.lean=off",), "off")],
    ids=["enough", "short", "short, but plain"],
)
def test_runs_save_memory_if_it_is_short(plan, available_mb, words, expected, monkeypatch):
    """Decided by measured memory, unless the command sets `trainer.lean`; the id stays."""
    monkeypatch.setattr(preflight, "available_memory_mb", lambda: available_mb)
    asked = plan(*words)
    kind = Measured(*[1.0] * 8, 0.0, 500.0, 0.0, 1, 1, 8, 4, 4)  # 500 MB, none of it shared
    monkeypatch.setattr(
        preflight, "measure_kinds", lambda todo, kinds, *_: dict.fromkeys(kinds.values(), kind)
    )
    runs, costs = preflight._measured_runs([asked], [Slot(0, 1)], lambda: False)

    assert [run.config.trainer.lean for run in runs] == [expected]
    assert runs[0].name == asked.name
    assert list(costs) == [asked.name]


def test_without_preflight_no_cost_is_known(plan):
    """The slots are those of the command, and nothing is measured."""
    run = plan("preflight=false", "slots=3")
    other = plan("preflight=false", "slots=3", "seed=1")
    runs, slots, costs = preflight.prepare_slots([run, other], sweep_of(run.config), lambda: False)

    assert runs == [run, other]
    assert len(slots) == 2
    assert costs == {}
