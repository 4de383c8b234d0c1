"""What finished runs took corrects the cost that plans are made from."""

import errno
import json
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest

from command import TINY, finish
from conftest import typed
from segsweep.errors import DiskFullError
from segsweep.store.paths import RunPaths
from segsweep.sweep.planning import cost
from segsweep.sweep.planning.correct_cost import correct_cost, scaled
from segsweep.sweep.planning.cost import Measured, epoch_seconds, load, probe_key, store

BY_HAND = Measured(
    **{"start": 2, "warm_up": 1, "step": 0.5, "val_image": 0.04, "score_image": 0.1},
    **{"save_last": 0.2, "save_best": 0.1, "preview": 0.4, "shared_mb": 1, "peak_mb": 2},
    **{"gpu_mb": 0, "last_bytes": 3, "best_bytes": 4, "train": 100, "val": 50, "test": 40},
)


@pytest.fixture
def run(frozen, tmp_path):
    """Return a function: seconds of each epoch -> a run with that history, and its cache."""

    def make(*seconds):
        config = typed(frozen(outputs=str(tmp_path)))
        paths = RunPaths(tmp_path / "main/runs/one")
        paths.root.mkdir(parents=True)
        rows = [f"{epoch},{one}\n" for epoch, one in enumerate(seconds, 1)]
        paths.history.write_text("epoch,seconds\n" + "".join(rows))
        store(tmp_path / ".cache", probe_key(config), BY_HAND)
        return SimpleNamespace(config=config, paths=paths), tmp_path / ".cache"

    return make


def test_plan_follows_what_runs_took(run):
    """Epochs took a tenth, but for one that waited: so will those of the next run."""
    one, cache = run()
    taken = epoch_seconds(one.config, BY_HAND) / 10
    one.paths.history.write_text("epoch,seconds\n" + "".join(f"{i},{taken}\n" for i in (1, 2, 3)))
    with one.paths.history.open("a") as file:
        file.write("4,1000\n")
    correct_cost(one)
    known = load(cache, probe_key(one.config))

    assert epoch_seconds(one.config, known) == pytest.approx(taken, rel=0.001)
    assert known.start == pytest.approx(0.2, rel=0.02)
    assert (known.peak_mb, known.train, known.last_bytes) == (2, 100, 3)


@pytest.mark.parametrize("share", [0.85, 1.0, 1.2])
def test_near_enough_stays(run, share):
    """The file is not written again."""
    one, cache = run()
    taken = share * epoch_seconds(one.config, BY_HAND)
    one.paths.history.write_text("epoch,seconds\n" + "".join(f"{i},{taken}\n" for i in (1, 2, 3)))
    before = [path.stat().st_ino for path in cache.iterdir()]
    correct_cost(one)

    assert [path.stat().st_ino for path in cache.iterdir()] == before


@pytest.mark.parametrize("seconds", [(), (9.0, 9.0), (0.0, 0.0, 0.0), ("x", 9.0, 9.0)])
def test_too_little_to_tell_a_pace(run, seconds):
    """No history, two epochs, no time at all, damaged lines."""
    one, cache = run(*seconds)
    correct_cost(one)

    assert load(cache, probe_key(one.config)) == BY_HAND


def test_nothing_measured_nothing_written(run):
    """With preflight=false there is no cache."""
    one, cache = run(9.0, 9.0, 9.0)
    for path in cache.iterdir():
        path.unlink()
    correct_cost(one)

    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), DiskFullError("full")])
def test_full_disk_costs_no_run(error, run, monkeypatch):
    """The run has finished: what a plan would say better is not worth its sweep."""

    def refuse(*_):
        raise error

    one, cache = run(900.0, 900.0, 900.0)
    monkeypatch.setattr(cost, "store", refuse)
    correct_cost(one)

    assert load(cache, probe_key(one.config)) == BY_HAND


def test_every_time_is_scaled_and_nothing_else():
    """The names of seconds are those without megabytes, bytes or a number of images."""
    changed = {
        name
        for name, value in asdict(scaled(BY_HAND, 2.0)).items()
        if value != getattr(BY_HAND, name)
    }

    assert changed == {
        *("start", "warm_up", "step", "val_image", "score_image"),
        *("save_last", "save_best", "preview"),
    }


@pytest.mark.slow
def test_second_plan_of_a_real_sweep(tmp_path):
    """The cache says an hour a step; after a run of four epochs a plan says what is true."""
    words = [word for word in TINY if not word.startswith(("trainer.epochs", "preflight"))]
    words += ["trainer.epochs=4", "preflight=true"]
    finish(["-m", *words], tmp_path)
    (file,) = Path(tmp_path / "outputs/.cache").glob("preflight-*.json")
    values = json.loads(file.read_text())
    file.write_text(json.dumps({**values, "step": 3600.0}))
    finish(["-m", *words, "seed=1"], tmp_path)

    assert json.loads(file.read_text())["step"] < 60
