"""A forked run imports nothing: what it needs is in the fork server, imported once."""

import sys
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from command import APPS, TINY, end_server
from fake_data import blob
from segsweep.models.smp import smp
from segsweep.store.studies import write_study
from segsweep.sweep.places.modules import library_words, modules_for
from segsweep.sweep.planning.plan import freeze, plan_run, sweep_of
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


GROUPS = [
    options(group) for group in ("model", "loss", "optimizer", "scheduler", "augment", "trainer")
]
RUNS = [[word for word in words if word] for words in zip_longest(*GROUPS)]
"""Command lines that together choose every built-in option."""
LIBRARY = [
    ["model.architecture=fpn", "model.encoder=mit_b0", "model.weights_file=encoder.safetensors"],
    ["model.architecture=deeplabv3plus", "model.encoder=tu-resnet18", "model.normalize=true"],
]
"""Of model=smp: encoders of different families, one with weights from a file."""
FOLDER = ("data=folder", "data.images=photos", "data.masks=masks")
DATA = {
    "table": ["data=pairs", "data.file=pairs.csv", "data.split.given=true"],
    "folder": [*FOLDER, "data.ignore=[100]"],
    "named split": [
        "data=folder",
        "data.images=photos",
        "data.masks=masks",
        "data.split.file=a.csv",
    ],
    "tiles": ["data.tile=32", "data.side=48", "data.size=48", "data.crops=2"],
    "folds": ["data.split.folds=3", "data.split.fold=1"],
    "other pixels": ["data.resize=classic", "data.channels=1"],
}
"""What is read, from files and without; a folder has images of several formats."""
STUDY = "a study"
TRIALS = {
    f"{pruner} {after}": [
        *("kind=trial", f"search.pruner={pruner}", f"search.study='{STUDY}'", "keep=none"),
        *("search.filled=[optimizer.lr]", f"optimizer.lr={lr}"),
    ]
    for pruner, after, lr in [("median", "first", 0.001), ("hyperband", "later", 0.002)]
}
"""Trials that a pruner may end."""
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
    for name, words in DATA.items():
        source = any(word.startswith("data=") for word in words)
        small = [word for word in SMALL if not (source and word[:9] in ("data.coun", "data.side"))]
        found[name] = [*small, *words]
    beside = ("trainer.epochs=1", "trainer.preview_every=1", f"outputs={outputs}")
    planned = {name: plan_run(*composed(*words, *beside)) for name, words in found.items()}
    later = ("trainer.preview_every=0", "trainer.epochs=3")
    for name, words in TRIALS.items():
        planned[name] = plan_run(*composed(*SMALL, *words, *beside, *later))
    return planned


def write_files():
    """Write the images and tables that the runs read: formats of several decoders."""
    for folder in ("photos", "masks"):
        Path(folder).mkdir()
    endings = ("png", "jpg", "bmp", "tif", "webp", "gif")
    lines = []
    for number in range(24):
        pixels, mask = blob(number)
        photo, truth = f"photos/{number:02d}.{endings[number % 6]}", f"masks/{number:02d}.png"
        Image.fromarray(pixels).save(photo)
        stored = np.where(mask, 255, 0).astype(np.uint8)
        stored[0] = 100
        Image.fromarray(stored).save(truth)
        part = ("train", "train", "val", "test")[number % 4]
        lines.append((f"{photo},{truth},{part}", f"{number:02d},{part}"))
    Path("pairs.csv").write_text("\n".join(["image,mask,split", *(a for a, _ in lines)]))
    Path("a.csv").write_text("\n".join(["id,split", *(b for _, b in lines)]))


@pytest.mark.slow
def test_no_module_is_imported_after_the_fork(composed, tmp_path, monkeypatch) -> None:
    """For every built-in option, with previews and outlines, and for a run that fails.

    Also for data from files, tiles, pixels that are ignored, and trials that a pruner may end.
    """
    monkeypatch.chdir(tmp_path)
    write_files()
    save_file(smp(encoder="mit_b0").get_submodule("encoder").state_dict(), "encoder.safetensors")
    planned = runs(composed, tmp_path / "outputs")
    freeze(list(planned.values()), "a command")
    trials = [planned[name] for name in TRIALS]
    of_study = dict(enumerate(trial.paths for trial in trials))
    write_study(sweep_of(trials[0].config), STUDY, of_study)
    end_server()
    start_server(modules_for(library_words(list(planned.values()))))
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
    assert len(outlines) == len(values) - len(TRIALS)
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
    trial = plan_run(*composed(*SMALL, *TRIALS["median first"]))
    without = plan_run(*composed(*SMALL, "kind=trial"))

    assert library_words(runs) == ["model=smp", "model=unet2"]
    assert library_words([trial, without]) == ["model=unet2", "search.pruner=median"]
    assert modules_for(["search.pruner=none"]) == PRELOAD
    assert modules_for(["seed=0", "model=unet2"]) == PRELOAD
    assert modules_for(library_words(runs)) == (*PRELOAD, "segsweep.sweep.places.preload_smp")
