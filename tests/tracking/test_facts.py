"""What a tracker is told is what the run's files say."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from segsweep.errors import StoredFileError
from segsweep.store.paths import RunPaths
from segsweep.store.states import Status
from segsweep.tracking.facts import ending_of, epochs_held, epochs_of, facts_of

STORED = Path(__file__).resolve().parents[1] / "compatibility/sweep_0_1_0"
FINISHED, FAILED = "unet2-bce-s0-c066eeb59e02", "unet2-raises-s0-7ad1297deae2"
NUMBERS = {
    *("epochs", "best_epoch", "val_loss", "val_iou", "val_dice", "val_score", "last_val_iou"),
    *("last_val_dice", "last_val_score", "test_iou", "test_dice", "test_score"),
    *("test_iou_all_pixels", "n_test", "parameters", "seconds", "peak_memory_mb"),
}


@pytest.fixture
def stored(tmp_path):
    """Return a copy of a sweep that an earlier version of segsweep trained."""
    shutil.copytree(STORED, tmp_path / "old")
    return tmp_path / "old/runs"


def test_settings_have_the_names_of_the_tables(stored):
    """Options by name, keys dotted, lr as in every table; facts about the run apart."""
    facts = facts_of(RunPaths(stored / FINISHED))
    config = yaml.safe_load((stored / FINISHED / "config.yaml").read_text())

    assert (facts.name, facts.run_id, facts.sweep) == (FINISHED, "c066eeb59e02", "old")
    assert facts.settings["model"] == "unet2"
    assert facts.settings["lr"] == config["optimizer"]["lr"]
    assert facts.settings["trainer.epochs"] == config["trainer"]["epochs"]
    assert facts.settings["data.split.seed"] == config["data"]["split"]["seed"]
    assert not {"run_id", "outputs", "data_fingerprint"} & {*facts.settings}
    assert not [value for value in facts.settings.values() if isinstance(value, list | dict)]
    assert facts.labels["data_fingerprint"] == config["data_fingerprint"]
    assert facts.labels["kind"] == "run"


def test_result_is_told_number_by_number(stored):
    """The values of result.json; what is no number is a label."""
    paths = RunPaths(stored / FINISHED)
    result = json.loads(paths.result.read_text())
    ending = ending_of(paths, Status.FINISHED)

    assert {key.removeprefix("result/") for key in ending.numbers} >= NUMBERS & {*result}
    for key, value in ending.numbers.items():
        assert value == result[key.removeprefix("result/")]
    assert ending.labels["finished"] == result["finished"]
    assert ending.error == ""


def test_failure_is_told_in_its_own_words(stored):
    """And a run that has a failure but goes on has none."""
    paths = RunPaths(stored / FAILED)
    failure = json.loads(paths.failure.read_text())

    assert ending_of(paths, Status.FAILED).error == failure["error"]
    assert ending_of(paths, Status.INTERRUPTED).error == ""
    assert ending_of(paths, Status.FAILED).numbers == {}


def test_epochs_are_numbers(stored, tmp_path):
    """A row per epoch; none without a file, and an error for a damaged one."""
    rows = epochs_of(RunPaths(stored / FINISHED))
    lines = (stored / FINISHED / "history.csv").read_text().splitlines()

    assert len(rows) == len(lines) - 1
    assert [row["epoch"] for row in rows] == [*range(1, len(rows) + 1)]
    assert rows[0]["train_loss"] == float(lines[1].split(",")[1])
    assert epochs_of(RunPaths(tmp_path / "none")) == []
    (stored / FAILED / "history.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(StoredFileError, match="not text"):
        epochs_of(RunPaths(stored / FAILED))


ROWS = [{"epoch": epoch, "train_loss": 1 / epoch} for epoch in (1, 2, 3)]


@pytest.mark.parametrize(
    ("curve", "held"),
    [
        ({}, 0),
        ({1: 1.0}, 1),
        ({1: 1.0, 2: 0.5, 3: 0.33333334}, 3),  # single precision
        ({1: 1.0, 2: 0.5, 3: 1 / 3, 4: 0.25}, None),  # longer than the history
        ({1: 1.0, 2: 0.51}, None),
        ({2: 0.5, 3: 1 / 3}, None),
        ({1: float("nan")}, None),
    ],
)
def test_record_is_recognized_by_its_curve(curve, held):
    """As many epochs as it holds of this history; None for that of another attempt."""
    assert epochs_held(curve, ROWS) == held
