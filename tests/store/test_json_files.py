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
