"""JSON files of a run: typed values, and errors that name file and key."""

import json
import os

import pytest

from segsweep.errors import StoredFileError
from segsweep.store.json_files import (
    known_failure,
    known_result,
    read_environment,
    read_failure,
    read_result,
)

READERS = (read_result, read_failure, read_environment)
DAMAGES = {
    "empty": b"",
    "half": b'{"epochs": 1',
    "random": bytes(range(256)),
    "list": b"[1, 2]",
    "number": b"3",
    "deep": b"[" * 100_000,
    "digits": b'{"epochs": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("reader", READERS)
def test_damage_is_an_error_that_names_the_file(tmp_path, reader, damage) -> None:
    """One line; a missing file is none."""
    path = tmp_path / "file.json"
    assert reader(path) is None
    path.write_bytes(DAMAGES[damage])
    with pytest.raises(StoredFileError) as raised:
        reader(path)

    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_plain_file_does_not_hang(tmp_path, reader) -> None:
    """A folder, and a pipe that nobody writes to."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("folder", "pipe"):
        with pytest.raises(StoredFileError, match="cannot be read"):
            reader(tmp_path / name)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("epochs", "3"), ("epochs", [3]), ("best_epoch", 1.5), ("val_iou", "high")],
        *[("test_iou", []), ("last_val_iou", {}), ("seconds", True), ("version", 1)],
    ],
)
def test_a_wrong_type_names_the_key(tmp_path, key, value) -> None:
    """The result does not count then."""
    path = tmp_path / "result.json"
    path.write_text(json.dumps({"epochs": 3, "val_iou": None, "test_iou": 0.5, key: value}))
    with pytest.raises(StoredFileError) as raised:
        read_result(path)

    assert raised.value.field == key
    assert known_result(path) is None


def test_values_are_typed(tmp_path) -> None:
    """Unknown keys stay in `values`; null and missing keys have the default."""
    path = tmp_path / "failure.json"
    path.write_text(json.dumps({"cause": "new", "attempts": 2, "error": None, "more": [1]}))
    failure = known_failure(path)

    assert (failure.cause, failure.known_cause, failure.attempts) == ("new", "", 2)
    assert failure.error == "unknown"
    assert failure.values["more"] == [1]


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("val_iou", 7.5, "7.5 is outside 0 to 1"),
        ("test_dice", -0.1, "-0.1 is outside 0 to 1"),
        ("last_val_iou", 2, "2 is outside 0 to 1"),
        ("test_mcc", -1.5, "-1.5 is outside -1 to 1"),
        ("val_iou", float("nan"), "a number"),
        ("val_loss", float("inf"), "a number"),
        ("seconds", -1, "-1 is less than 0"),
        ("n_test", -1, "-1 is less than 0"),
        ("epochs", 0, "0 is less than 1"),
        ("best_epoch", 0, "0 is less than 1"),
        ("best_epoch", 4, "4 is more than the 3 epochs"),
        ("run_id", "ffffffffffff", "'ffffffffffff' is another run"),
    ],
)
def test_an_impossible_value_names_the_key(tmp_path, key, value, reason) -> None:
    """The result does not count then; the folder's name ends with the run's id."""
    path = tmp_path / "unet-bce-s0-0123456789ab" / "result.json"
    path.parent.mkdir()
    whole = {"run_id": "0123456789ab", "epochs": 3, "best_epoch": 3, "seconds": 0, "n_test": 1}
    metrics = {"val_iou": 1.0, "test_iou": 0, "test_mcc": -0.5, "val_loss": -3.5}
    path.write_text(json.dumps({**whole, **metrics}))
    assert known_result(path) is not None
    path.write_text(json.dumps({**whole, **metrics, key: value}))
    with pytest.raises(StoredFileError) as raised:
        read_result(path)

    assert raised.value.field == key
    assert str(raised.value).startswith(f"{path}: {key}: damaged, ")
    assert reason in raised.value.reason
    assert known_result(path) is None
