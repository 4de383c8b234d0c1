"""Finished runs are read once; changed runs are read again."""

import json
import warnings

import pytest

from segsweep.store.run_cache import RunCache
from segsweep.store.tables import read_all
from stored_sweep import RESULT, write_states


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Write a sweep with one run in each state that files alone can show."""
    write_states(tmp_path / "sweep", frozen, write_run)
    return tmp_path / "sweep"


@pytest.fixture
def warned(recwarn):
    """Return a function that returns the warnings so far."""
    warnings.simplefilter("always")
    return lambda: [str(warning.message) for warning in recwarn]


def test_finished_runs_are_read_once(sweep, warned):
    """With the same cache, only the runs that are not finished are read again."""
    cache = RunCache()
    first = read_all(sweep, cache)
    images = first.per_image_text
    (finished,) = sweep.glob("runs/*-dice-*")
    for name in ("config.yaml", "per_image.csv"):
        (finished / name).write_text("damaged")
    (failed,) = sweep.glob("runs/*-s1-*")
    (failed / "failure.json").unlink()
    again = read_all(sweep, cache)

    assert [run.status for run in again.runs if run.loss == "dice"] == ["finished"]
    assert again.per_image_text == images
    assert [run.status for run in again.runs if run.seed == 1] == ["interrupted"]
    assert first.swept == again.swept
    assert warned() == []
    assert len(read_all(sweep).runs) == 3  # without the cache, the damaged run is ignored


def test_run_with_a_new_result_is_read_again(sweep, frozen, write_run):
    """A removed run disappears, and with it the column that only it made necessary."""
    cache = RunCache()
    write_run(sweep, frozen(seed=7, trainer__epochs=80), result=RESULT)
    before = read_all(sweep, cache)
    (finished,) = sweep.glob("runs/*-dice-*")
    (finished / "result.new").write_text(
        json.dumps(RESULT | {"run_id": finished.name[-12:], "test_iou": 0.9})
    )
    (finished / "result.new").replace(finished / "result.json")
    (other,) = sweep.glob("runs/*-s7-*")
    other.rename(sweep / "removed")
    after = read_all(sweep, cache)

    assert before.swept == ["trainer.epochs"]
    assert after.swept == []
    assert [run.columns["test_iou"] for run in after.runs if run.loss == "dice"] == [0.9]
    assert "trainer.epochs" not in after.runs[0].columns
    assert len(after.runs) == len(before.runs) - 1


def test_finished_run_that_lost_epochs_is_told(sweep, warned):
    """What is left of its history is shown; the line names the file and what is missing."""
    (finished,) = sweep.glob("runs/*-dice-*")
    history = finished / "history.csv"
    lines = history.read_text().splitlines(keepends=True)
    epochs = json.loads((finished / "result.json").read_text())["epochs"]
    history.write_text("".join(lines[:-1]))
    tables = read_all(sweep)

    assert len(tables.history[tables.history["loss"] == "dice"]) == epochs - 1
    assert warned() == [f"{history}: has {epochs - 1} of {epochs} epochs"]
    assert f"has {epochs - 1} of {epochs} epochs" in " ".join(tables.damages)
