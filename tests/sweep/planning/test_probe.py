"""Measured costs of a few real steps against those of a real run."""

import json
import math
import pickle
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from command import TINY
from segsweep.errors import ConfigError
from segsweep.sweep.planning.cost import Measured, load, seconds_of, store
from segsweep.sweep.planning.measure import measure_kind
from segsweep.sweep.planning.plan import freeze, plan_run
from segsweep.sweep.planning.probe import measure
from segsweep.sweep.processes.child import PRELOAD
from segsweep.sweep.processes.pool import Pool, Task
from segsweep.sweep.processes.server import start_server
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.processes.worker import train
from segsweep.training.run import execute


@pytest.fixture
def plan(composed, tmp_path, monkeypatch):
    """Return a function: words -> a run planned in a separate folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: plan_run(*composed(*TINY, f"outputs={tmp_path}/outputs", *words))


def test_measured_is_what_a_real_run_takes(plan, tmp_path):
    """The numbers of images and the sizes of both checkpoints equal those of a real run."""
    run = plan("keep=both")
    values = measure(run.config, tmp_path / "scratch")
    freeze([run], "here")
    execute(run.paths.config)
    sizes = {path.name[:4]: path.stat().st_size for path in run.paths.checkpoints.iterdir()}

    assert (values.train, values.val, values.test) == (12, 6, 6)
    assert values.best_bytes == pytest.approx(sizes["best"], rel=0.02)
    assert values.last_bytes == pytest.approx(sizes["last"], rel=0.02)
    assert not (tmp_path / "scratch").exists()


def test_test_images_are_counted_in_a_trial_too(plan, tmp_path):
    """A trial does not read them, but the runs that are measured with it do."""
    assert measure(plan("kind=trial").config, tmp_path / "scratch").test == 6


def test_measured_can_be_pickled_and_cached(plan, tmp_path):
    """It crosses the pipe of a process and comes back from the cache unchanged."""
    values = measure(plan().config, tmp_path / "scratch")
    store(tmp_path, "abc", values)

    assert load(tmp_path, "abc") == pickle.loads(pickle.dumps(values))
    assert all(type(value) in (int, float) for value in asdict(values).values())
    assert min(values.start, values.step, values.val_image, values.score_image) > 0
    assert values.save_last > 0


def test_optimizer_and_averages_are_in_the_checkpoint(plan, tmp_path):
    """AdamW holds two numbers per weight, an average one, SGD with momentum one."""
    plain = measure(plan("optimizer=sgd").config, tmp_path / "scratch")
    adam = measure(plan("optimizer=adamw").config, tmp_path / "scratch")
    both = measure(plan("optimizer=adamw", "trainer.averaging=0.9").config, tmp_path / "scratch")

    assert plain.best_bytes < plain.last_bytes < adam.last_bytes < both.last_bytes
    assert plain.best_bytes == pytest.approx(adam.best_bytes, rel=0.01)


def test_a_loss_that_is_not_finite_is_measured_too(plan, tmp_path):
    """Steps are timed whatever their loss is; the run itself reports the problem."""
    run = plan("optimizer.lr=1e30", "optimizer=sgd", "scheduler=none")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        values = measure(run.config, tmp_path / "scratch")
    freeze([run], "here")
    outcome = execute(run.paths.config)

    assert outcome.cause == "non-finite"
    assert all(map(math.isfinite, asdict(values).values()))


def test_a_schedule_shorter_than_the_steps(plan, tmp_path):
    """A schedule of three steps would refuse the fourth step that is measured."""
    config = plan("trainer.epochs=1").config
    target = "torch.optim.lr_scheduler.OneCycleLR"
    scheduler = {"_target_": target, "every": "step", "pct_start": 0.5}
    config = config.with_values({"scheduler": scheduler})

    assert measure(config, tmp_path / "scratch").train == 12


def test_an_error_of_the_run_is_raised(plan, tmp_path):
    """A network that does not accept the images fails here, and no file is left."""
    config = plan().config
    config = config.with_values({"model": {**config.model, "in_channels": 1}})

    with pytest.raises(RuntimeError, match="channels"):
        measure(config, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


def test_a_full_disk_is_not_an_error_here(plan, tmp_path):
    """Sizes are known even if nothing can be written; the plan compares them with the disk."""
    (tmp_path / "file").write_text("no folder")
    config = plan().config
    full = measure(config, tmp_path / "file" / "scratch")
    there = measure(config, tmp_path / "scratch")

    assert (full.save_last, full.save_best, full.preview) == (0, 0, 0)
    assert (full.last_bytes, full.best_bytes) == (there.last_bytes, there.best_bytes)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_slot_on_a_gpu_uses_that_gpu(plan, tmp_path):
    """The only GPU that the slot makes visible is used, whatever its number."""
    with pytest.raises(ConfigError, match="device=cuda:"):
        measure(plan("device=cpu").config, tmp_path / "scratch", slot=Slot(0, 1, "GPU-x"))


def in_a_slot(function, *arguments, threads=1):
    """Return the value of a function called in a process forked from the server."""
    start_server(PRELOAD)
    tasks = [Task("one", function, arguments)]
    (ended,) = Pool([Slot(0, threads)]).run(tasks, lambda: False)
    assert not ended.cause, ended.error
    return ended.value


def test_kind_is_measured_in_a_process_of_a_slot(plan, tmp_path):
    """As a preflight does it: what comes back through the pipe is a measurement."""
    value = in_a_slot(measure_kind, plan("trainer.epochs=1").config, tmp_path / "scratch")

    assert isinstance(value, Measured), value
    assert value.step > 0
    assert (value.train, value.val, value.test) == (12, 6, 6)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads memory from /proc")
def test_memory_and_time_are_those_of_a_real_run(plan, tmp_path):
    """Peak memory within a tenth, time within a factor of three; each in a separate process."""
    words = ("data.size=128", "data.count=80", "model.channels=[16,32]", "trainer.epochs=3")
    run = plan(*words, "trainer.batch=20")
    freeze([run], "here")
    values = in_a_slot(measure_kind, run.config, tmp_path / "scratch")
    outcome = in_a_slot(train, run.paths.config.resolve(), (), 3)
    result = json.loads(run.paths.result.read_text())
    measured = replace(values, start=0.0, score_image=0.0)

    assert outcome.status == "finished"
    assert values.peak_mb == pytest.approx(result["peak_memory_mb"], rel=0.1)
    assert 1 / 3 < seconds_of(run.config, measured) / result["seconds"] < 3
    assert 100 < values.shared_mb < values.peak_mb


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads memory from /proc")
def test_memory_grows_with_batch_and_size(plan, tmp_path):
    """Four times the images, or four times the pixels, need about four times the memory."""
    own = []
    for words in (
        ("trainer.batch=8",),
        ("trainer.batch=32",),
        ("trainer.batch=8", "data.size=256"),
    ):
        config = plan("data.size=128", "data.count=80", "model.channels=[16,32]", *words).config
        values = in_a_slot(measure_kind, config, tmp_path / "scratch")
        own.append(values.peak_mb - values.shared_mb)

    assert own[1] > 2 * own[0]
    assert own[2] > 2 * own[0]
