"""A forked run imports nothing: what it needs is in the fork server, imported once."""

import sys
from itertools import zip_longest

import pytest
from safetensors.torch import save_file

from command import APPS, TINY, end_server
from segsweep.models.smp import smp
from segsweep.sweep.places.modules import model_words, modules_for
from segsweep.sweep.planning.plan import freeze, plan_run
from segsweep.sweep.processes import server
from segsweep.sweep.processes.child import PRELOAD
from segsweep.sweep.processes.pool import Pool, Task
from segsweep.sweep.processes.server import start_server
from segsweep.sweep.processes.slots import Slot
from segsweep.system.installation import conf_folder

sys.path.insert(0, str(APPS))
import tasks

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork server")


def options(group):
    """Return the words that choose each built-in option of *group*."""
    return [f"{group}={file.stem}" for file in sorted((conf_folder() / group).glob("*.yaml"))]


GROUPS = [options(group) for group in ("model", "loss", "optimizer", "scheduler", "augment")]
RUNS = [[word for word in words if word] for words in zip_longest(*GROUPS)]
"""Command lines that together choose every built-in option."""
LIBRARY = [
    ["model.architecture=fpn", "model.encoder=mit_b0", "model.weights_file=encoder.safetensors"],
    ["model.architecture=deeplabv3plus", "model.encoder=tu-resnet18", "model.normalize=true"],
]
"""Of model=smp: encoders of different families, one with weights from a file."""
SMALL = [word for word in TINY if not word.startswith(("model.", "augment", "trainer.epochs"))]


def runs(composed, outputs):
    """Return planned runs by name: every option once, and one whose loss becomes non-finite."""
    found = {}
    for seed, words in enumerate(RUNS):
        wide = ["data.size=64"] if any("deeplab" in word or "fcn" in word for word in words) else []
        found[" ".join(words)] = [*SMALL, *words, *wide, f"seed={seed}"]
    found["non-finite"] = [*SMALL, "optimizer=sgd", "scheduler=none", "optimizer.lr=1e30"]
    found["outlines measured"] = [*SMALL, "evaluate.boundary=true", "threshold=0.45"]
    for number, words in enumerate(LIBRARY):
        found[f"model=smp {number}"] = [*SMALL, "data.size=64", "model=smp", *words]
    beside = ("trainer.epochs=1", "trainer.preview_every=1", f"outputs={outputs}")
    return {name: plan_run(*composed(*words, *beside)) for name, words in found.items()}


@pytest.mark.slow
def test_no_module_is_imported_after_the_fork(composed, tmp_path, monkeypatch) -> None:
    """For every built-in option, with previews and outlines, and for a run that fails."""
    monkeypatch.chdir(tmp_path)
    save_file(smp(encoder="mit_b0").get_submodule("encoder").state_dict(), "encoder.safetensors")
    planned = runs(composed, tmp_path / "outputs")
    freeze(list(planned.values()), "a command")
    end_server()
    start_server(modules_for(model_words(list(planned.values()))))
    todo = [
        Task(name, tasks.imported_by_run, (run.paths.config.resolve(),), log=tmp_path / "log")
        for name, run in planned.items()
    ]
    ended = list(Pool([Slot(0, 1), Slot(1, 1)]).run(todo, lambda: False))
    end_server()
    values = {one.task.name: one.value for one in ended}
    outlines = [run for run in planned.values() if run.paths.outlines.is_file()]

    assert len(RUNS) >= 12
    assert [one.error for one in ended if one.value is None] == []
    assert values.pop("non-finite")[0] == "failed"
    assert {name: status for name, (status, _) in values.items() if status != "finished"} == {}
    assert len(outlines) == len(values)
    assert sorted({module for _, modules in values.values() for module in modules}) == []


@pytest.fixture
def fresh_server(monkeypatch):
    """Forget what earlier servers imported; end the one of the test."""
    end_server()
    monkeypatch.setattr(server, "_preload", [])
    yield
    end_server()


@pytest.mark.slow
def test_running_server_is_replaced_for_a_further_module(fresh_server) -> None:
    """One module more, as for model=smp; the next call without it leaves the server alone."""
    seen = []
    for modules in (["json.tool"], ["json.tool", "wave"], ["json.tool"]):
        start_server(modules)
        (ended,) = Pool([Slot(0, 1)]).run([Task("a", tasks.parent_and_modules, ())], lambda: False)
        parent, loaded = ended.value
        seen.append((parent, "json.tool" in loaded, "wave" in loaded))

    assert [tuple(one[1:]) for one in seen] == [(True, False), (True, True), (True, True)]
    assert seen[0][0] != seen[1][0] == seen[2][0]


def test_library_is_imported_only_for_runs_that_need_it(composed) -> None:
    """By the words of a command, before it is planned, and by its runs."""
    runs = [plan_run(*composed(*SMALL, f"model={name}")) for name in ("smp", "unet2", "smp")]

    assert model_words(runs) == ["model=smp", "model=unet2"]
    assert modules_for(["seed=0", "model=unet2"]) == PRELOAD
    assert modules_for(model_words(runs)) == (*PRELOAD, "segsweep.sweep.places.preload_smp")
