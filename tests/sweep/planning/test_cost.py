"""What a run costs: kinds of runs, the cache, the sums, and real steps against a real run."""

import json
import math
import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from command import TINY
from conftest import typed
from segsweep.errors import ConfigError
from segsweep.sweep.planning import cost as probe
from segsweep.sweep.planning.cost import Measured, load, probe_key, seconds_of, store
from segsweep.sweep.planning.plan import freeze, plan_run
from segsweep.sweep.planning.preflight import measure_kind
from segsweep.sweep.planning.probe import measure
from segsweep.sweep.processes.pool import Pool, Task
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.processes.worker import train
from segsweep.training.run import execute

BY_HAND = Measured(
    start=2.0,
    warm_up=1.0,
    step=0.5,
    val_image=0.04,
    score_image=0.1,
    save_last=0.2,
    save_best=0.1,
    preview=0.3,
    shared_mb=400.0,
    peak_mb=900.0,
    gpu_mb=0.0,
    last_bytes=3000,
    best_bytes=1000,
    train=105,
    val=50,
    test=40,
)


@pytest.fixture
def plan(composed, tmp_path, monkeypatch):
    """Return a function: words -> a run planned in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: plan_run(*composed(*TINY, f"outputs={tmp_path}/outputs", *words))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 3),
        ("sweep", "other"),
        ("threshold", 0.4),
        ("optimizer.lr", 0.5),
        ("trainer.epochs", 99),
        ("trainer.early_stop", 5),
        ("trainer.averaging", 0.5),
        ("data.split.seed", 7),
        ("scheduler.pct_start", 0.4),
        ("evaluate.select", "val_dice"),
        ("run_id", "ffffffffffff"),
    ],
)
def test_what_does_not_change_the_cost_of_a_step(key, value, frozen):
    """Runs that differ in these are measured once."""
    base = {"trainer.averaging": 0.9}

    assert probe_key(typed(frozen(**base))) == probe_key(typed(frozen(**base | {key: value})))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.channels", [8, 16]),
        ("loss._target_", "segsweep.losses.DiceLoss"),
        ("optimizer._target_", "torch.optim.SGD"),
        ("augment.probability", 0.1),
        ("data.size", 64),
        ("data.size", [32, 64]),
        ("data.channels", 1),
        ("trainer.batch", 5),
        ("trainer.precision", "bfloat16"),
        ("trainer.memory_format", "contiguous"),
        ("trainer.compile", True),
        ("trainer.averaging", 0.0),
        ("trainer.clip_norm", 1.0),
        ("device", "cpu"),
        ("threads", 3),
        ("evaluate.at", "train"),
        ("data_fingerprint", "fedcba9876543210"),
        ("data.split.train", 0.25),
        ("data.split.fold", 0),
    ],
)
def test_what_changes_the_cost_of_a_step(key, value, frozen):
    """Runs that differ in one of these are measured each; 16 hex digits tell them apart."""
    base = {"trainer.averaging": 0.9, "augment.probability": 0.5}
    keys = {probe_key(typed(frozen(**base))), probe_key(typed(frozen(**base | {key: value})))}

    assert len(keys) == 2
    assert all(len(key) == 16 and int(key, 16) for key in keys)


def test_folds_cost_the_same(frozen):
    """Fold or no fold changes how many images are trained on; which fold does not."""
    one, two = (probe_key(typed(frozen(**{"data.split.fold": fold}))) for fold in (1, 2))

    assert one == two


@pytest.mark.parametrize("name", ["fingerprint", "_torch_version", "__version__"])
def test_what_was_measured_elsewhere_does_not_count(name, frozen, monkeypatch):
    """Another machine, torch or segsweep: measured anew."""
    before = probe_key(typed(frozen()))
    monkeypatch.setattr(probe, name, "9.9" if name == "__version__" else lambda: "another")

    assert probe_key(typed(frozen())) != before


def test_measured_before(tmp_path):
    """What was stored is found again, under its key alone, as one file."""
    cache = tmp_path / "outputs" / ".cache"
    store(cache, "abc", BY_HAND)

    assert load(cache, "abc") == BY_HAND
    assert load(cache, "abd") is None
    assert [path.name for path in cache.iterdir()] == ["preflight-abc.json"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[1]",
        lambda text: text.replace('"step": 0.5,', ""),
        lambda text: text.replace('"step": 0.5', '"step": "fast"'),
        lambda text: text.replace('"step": 0.5', '"step": null'),
        lambda text: text.replace('"step": 0.5', '"step": -1'),
        lambda text: text.replace('"step": 0.5', '"step": true'),
        lambda text: text.replace('"step": 0.5', '"step": NaN'),
        lambda text: text.replace('"step": 0.5', '"step": Infinity'),
        lambda text: text.replace('"step": 0.5', '"step": 0.5, "more": 1'),
    ],
)
def test_spoilt_cache_is_none(spoil, tmp_path):
    """A file that is cut short, or of another version, is measured anew."""
    store(tmp_path, "abc", BY_HAND)
    file = tmp_path / "preflight-abc.json"
    text = file.read_text()
    file.write_text(spoil(text))

    assert spoil(text) != text
    assert load(tmp_path, "abc") is None


@pytest.mark.parametrize(
    ("changed", "done", "seconds"),
    [
        # 10 steps of .5, 50 images of .04, state .2, .3 * weights .1, a picture each 10 and .3
        ({}, 0, 4 * (5 + 2 + 0.2 + 0.03 + 0.4 * 0.3) + 1 + 90 * 0.1),
        ({}, 3, 1 * (5 + 2 + 0.2 + 0.03 + 0.4 * 0.3) + 1 + 90 * 0.1),
        ({}, 4, 90 * 0.1),
        ({}, 9, 90 * 0.1),
        ({"kind": "trial"}, 4, 50 * 0.1),
        ({"trainer.preview_every": 0}, 3, 5 + 2 + 0.2 + 0.03 + 1 + 9),
        ({"trainer.checkpoint_every_steps": 3}, 3, 5 + 2 + 0.8 + 0.03 + 0.12 + 1 + 9),
        ({"trainer.batch": 50}, 3, 1 + 2 + 0.2 + 0.03 + 0.12 + 1 + 9),
    ],
)
def test_seconds_of_a_run_by_hand(changed, done, seconds, frozen):
    """Start, the epochs left, scoring at the end; half a second of bookkeeping at most."""
    base = {"trainer.epochs": 4, "trainer.batch": 10, "trainer.preview_every": 10}
    found = seconds_of(typed(frozen(**base | changed)), BY_HAND, done)

    assert 0 < found - (2 + seconds) < 0.5


def test_measured_is_what_a_real_run_takes(plan, tmp_path):
    """Images of each part and bytes of both checkpoints are those of a real run."""
    run = plan("keep=both")
    values = measure(run.config, tmp_path / "scratch")
    freeze([run], "here")
    execute(run.paths.config)
    sizes = {path.name[:4]: path.stat().st_size for path in run.paths.checkpoints.iterdir()}

    assert (values["train"], values["val"], values["test"]) == (12, 6, 6)
    assert values["best_bytes"] == pytest.approx(sizes["best"], rel=0.02)
    assert values["last_bytes"] == pytest.approx(sizes["last"], rel=0.02)
    assert not (tmp_path / "scratch").exists()


def test_measured_travels_and_is_kept(plan, tmp_path):
    """Plain finite numbers: they pickle, and come back from the cache as they were."""
    values = measure(plan().config, tmp_path / "scratch")
    store(tmp_path, "abc", Measured(**values))

    assert load(tmp_path, "abc") == Measured(**pickle.loads(pickle.dumps(values)))
    assert all(type(value) in (int, float) for value in values.values())
    assert min(values[name] for name in ("start", "step", "val_image", "score_image")) > 0
    assert values["save_last"] > 0


def test_optimizer_and_averages_are_in_the_checkpoint(plan, tmp_path):
    """AdamW holds two numbers per weight, an average one, SGD with momentum one."""
    plain = measure(plan("optimizer=sgd").config, tmp_path / "scratch")
    adam = measure(plan("optimizer=adamw").config, tmp_path / "scratch")
    both = measure(plan("optimizer=adamw", "trainer.averaging=0.9").config, tmp_path / "scratch")

    assert plain["best_bytes"] < plain["last_bytes"] < adam["last_bytes"] < both["last_bytes"]
    assert plain["best_bytes"] == pytest.approx(adam["best_bytes"], rel=0.01)


def test_a_loss_that_is_not_finite_is_no_matter(plan, tmp_path):
    """Steps are timed whatever comes out; the run itself will say what is wrong."""
    run = plan("optimizer.lr=1e30", "optimizer=sgd", "scheduler=none")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        values = measure(run.config, tmp_path / "scratch")
    freeze([run], "here")
    outcome = execute(run.paths.config)

    assert outcome.cause == "non-finite"
    assert all(map(math.isfinite, values.values()))


def test_a_schedule_shorter_than_the_steps(plan, tmp_path):
    """A schedule that ends after three steps refuses a fourth; here there are four."""
    config = plan("trainer.epochs=1").config
    target = "torch.optim.lr_scheduler.OneCycleLR"
    config = config.with_values(scheduler={"_target_": target, "every": "step", "pct_start": 0.5})

    assert measure(config, tmp_path / "scratch")["train"] == 12


def test_what_a_run_would_raise_is_raised(plan, tmp_path):
    """A network that does not take the images fails here, and leaves nothing behind."""
    config = plan().config
    config = config.with_values(model={**config.model, "in_channels": 1})

    with pytest.raises(RuntimeError, match="channels"):
        measure(config, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_a_full_disk_is_not_told_here(plan, tmp_path):
    """Where nothing can be written the sizes are known all the same; the plan refuses."""
    (tmp_path / "file").write_text("no folder")
    config = plan().config
    full = measure(config, tmp_path / "file" / "scratch")
    there = measure(config, tmp_path / "scratch")

    assert (full["save_last"], full["save_best"], full["preview"]) == (0, 0, 0)
    assert (full["last_bytes"], full["best_bytes"]) == (there["last_bytes"], there["best_bytes"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_in_the_slot_of_a_gpu_it_is_that_one(plan, tmp_path):
    """The one GPU that the slot lets the process see is used, whatever number it had."""
    with pytest.raises(ConfigError, match="device=cuda:"):
        measure(plan("device=cpu").config, tmp_path / "scratch", slot=Slot(0, 1, "GPU-x"))


def in_a_slot(function, *arguments, threads=1):
    """Return what a function gives in a process of its own, forked from the server."""
    tasks = [Task("one", function, arguments)]
    (ended,) = Pool([Slot(0, threads)]).run(tasks, lambda: False)
    assert not ended.cause, ended.error
    return ended.value


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is Linux's")
def test_memory_and_time_are_those_of_a_real_run(plan, tmp_path):
    """Peak memory within a tenth, time within a factor of three, each in a process of its own."""
    words = ("data.size=128", "data.count=80", "model.channels=[16,32]", "trainer.epochs=3")
    run = plan(*words, "trainer.batch=20")
    freeze([run], "here")
    values = in_a_slot(measure_kind, run.config, tmp_path / "scratch")
    outcome = in_a_slot(train, run.paths.config.resolve(), (), 3)
    result = json.loads(run.paths.result.read_text())
    measured = replace(Measured(**values), start=0.0, score_image=0.0)

    assert outcome.status == "finished"
    assert values["peak_mb"] == pytest.approx(result["peak_memory_mb"], rel=0.1)
    assert 1 / 3 < seconds_of(run.config, measured) / result["seconds"] < 3
    assert 100 < values["shared_mb"] < values["peak_mb"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is Linux's")
def test_memory_grows_with_batch_and_size(plan, tmp_path):
    """Four times the images, or four times the pixels, take about four times the memory."""
    own = []
    for words in (
        ("trainer.batch=8",),
        ("trainer.batch=32",),
        ("trainer.batch=8", "data.size=256"),
    ):
        config = plan("data.size=128", "data.count=80", "model.channels=[16,32]", *words).config
        values = in_a_slot(measure_kind, config, tmp_path / "scratch")
        own.append(values["peak_mb"] - values["shared_mb"])

    assert own[1] > 2 * own[0]
    assert own[2] > 2 * own[0]
