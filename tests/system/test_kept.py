"""What commands keep for each other: exact or absent, whatever happened to the file."""

import math
import random

import pytest

from segsweep.system.kept import Kept

VALUES = {"a": {"lr": 1e-3, "size": [3, 4], "none": None, "yes": True}, "b": "Läsion ${x}", "c": 0}


@pytest.fixture
def file(tmp_path):
    """Return a file in which VALUES were kept."""
    kept = Kept(tmp_path / "kept.jsonl", "stamp", 10)
    for key, value in VALUES.items():
        kept[key] = value
    kept.save()
    return kept.path


def read(file, stamp="stamp"):
    """Return what another command finds in the file."""
    kept = Kept(file, stamp, 10)
    return {key: kept[key] for key in VALUES}


def test_values_come_back(file):
    """The next command has them; no temporary file is left."""
    assert repr(read(file)) == repr(VALUES)
    assert list(file.parent.iterdir()) == [file]


def test_another_stamp_voids_the_file(file):
    """Nothing is found, and what is kept then replaces the file."""
    assert set(read(file, "other").values()) == {None}
    kept = Kept(file, "other", 10)
    kept["a"] = 1
    kept.save()

    assert set(read(file).values()) == {None}
    assert read(file, "other") == {"a": 1, "b": None, "c": None}


def test_any_damage_voids_the_file(file):
    """A byte changed, deleted or added, or the file cut anywhere: all values or none."""
    whole, draw = file.read_bytes(), random.Random(2)
    for _ in range(300):
        place, end = sorted(draw.choices(range(len(whole) + 1), k=2))
        file.write_bytes(whole[:place] + draw.randbytes(draw.randrange(3)) + whole[end:])

        assert repr(read(file)) in (repr(VALUES), repr(dict.fromkeys(VALUES)))


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"[]\n{}\n", b"null", b"{}\n[1]\n", b"\xff", b"[" * 99]
)
def test_other_content_is_no_error(file, content):
    """Empty, of another type, not text."""
    file.write_bytes(content)

    assert set(read(file).values()) == {None}


def test_folder_in_place_of_the_file(tmp_path):
    """Neither reading nor writing fails."""
    kept = Kept(tmp_path, "stamp", 10)
    kept["a"] = 1
    kept.save()

    assert kept["a"] == 1


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, {"a": {3}}, b"x", object(), [1, (2,)]])
def test_what_json_would_change_is_not_kept(file, value):
    """A tuple would come back as a list, a number as a key of text."""
    kept = Kept(file, "stamp", 10)
    kept["new"] = value

    assert kept["new"] is None


def test_numbers_are_exact(file):
    """Infinities, NaN, the sign of zero, long numbers."""
    numbers = [0.1 + 0.2, -0.0, math.inf, math.nan, 2**70, 1.0, 1]
    kept = Kept(file, "stamp", 10)
    kept["a"] = numbers
    kept.save()

    assert repr(read(file)["a"]) == repr(numbers)


def test_oldest_go_first(tmp_path):
    """A file does not grow without end."""
    kept = Kept(tmp_path / "kept.jsonl", "stamp", 3)
    for number in range(5):
        kept[str(number)] = number
    kept.save()
    again = Kept(kept.path, "stamp", 3)

    assert [again[str(number)] for number in range(5)] == [None, None, 2, 3, 4]


def test_nothing_new_writes_nothing(file):
    """Reading alone touches no file, and neither does a folder that does not exist."""
    before = file.stat()
    Kept(file, "stamp", 10).save()
    lost = Kept(file.parent / "nowhere/kept.jsonl", "stamp", 10)
    lost["a"] = 1
    lost.save()

    assert file.stat() == before
    assert list(file.parent.iterdir()) == [file]
