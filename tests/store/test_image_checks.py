"""A finished run whose counts cannot be right is left out, with a reason in words."""

import warnings
from pathlib import Path
from time import process_time

import pytest

from segsweep.errors import StoredFileError
from segsweep.store.image_checks import check_images
from segsweep.store.run_rows import image_rows
from segsweep.store.tables import read_all
from stored_sweep import RESULT

TEST, VAL = ("t1", "t2", "t3"), ("v1", "v2")
SPLIT = "id,group,split\nv1,,val\nv2,,val\nt1,,test\nt2,,test\nt3,,test\nx1,,train\n"
COUNTS = [
    (part, at, image, 5, 6, 7, pixels)
    for part, images in (("val", VAL), ("test", TEST))
    for at, pixels in (("train", 8), ("native", 80))
    for image in images
]
"""Rows 2 to 11: v1, v2 at train and native, then t1, t2, t3 at train and native."""


@pytest.fixture
def run(tmp_path, frozen, write_run) -> Path:
    """Write a whole finished run, and return its folder."""
    result = RESULT | {"n_test": len(TEST)}
    folder = write_run(tmp_path / "sweep", frozen(), result=result, counts=COUNTS)
    (folder / "split.csv").write_text(SPLIT)
    return folder


@pytest.fixture
def warned(recwarn):
    """Return a function that returns the warnings so far."""
    warnings.simplefilter("always")
    return lambda: [str(warning.message) for warning in recwarn]


def lines_of(run):
    """Return the lines of the run's per_image.csv, so that line n is at n - 1."""
    return (run / "per_image.csv").read_text().splitlines()


def test_whole_counts_are_used(run, warned):
    """At both sizes, in any order of the rows; a split.csv that is lost says nothing."""
    assert len(read_all(run.parents[1]).per_image) == len(COUNTS)
    head, *rows = lines_of(run)
    (run / "per_image.csv").write_text("\n".join([head, *reversed(rows)]) + "\n")
    for text in (None, "", "id,split", "\0"):
        (run / "split.csv").unlink() if text is None else (run / "split.csv").write_text(text)
        assert len(read_all(run.parents[1]).per_image) == len(COUNTS)
    assert warned() == []


def replaced(row, old, new):
    """Return a change: *old* becomes *new* in one row, counted as a spreadsheet does."""

    def change(lines):
        assert old in lines[row - 1]
        lines[row - 1] = lines[row - 1].replace(old, new)

    return change


def copied(source, row):
    """Return a change: one row takes the place of another."""
    return lambda lines: lines.__setitem__(row - 1, lines[source - 1])


def appended(*rows):
    """Return a change: rows are added again."""
    return lambda lines: lines.extend([lines[row - 1] for row in rows])


def without(first, last):
    """Return a change: rows are lost."""
    return lambda lines: lines.__delitem__(slice(first - 1, last))


CHANGES = {
    "negative": (replaced(7, ",5,6,", ",-5,6,"), "tp=-5 in row 7"),
    "negative, native": (replaced(10, ",8", ",-8"), "tn=-80 in row 10"),
    "negative, image quoted": (replaced(7, "t2,5,6,", '"t2",5,-6,'), "fp=-6 in row 7"),
    "more pixels": (
        replaced(7, ",5,6,7,8", ",999999999,10,10,10"),
        "tp + fp + fn + tn = 1000000029 in row 7, 26 in others",
    ),
    "18 digits": (
        replaced(7, ",5,", f",{'9' * 18},"),
        "tp + fp + fn + tn = 1000000000000000020 in row 7, 26 in others",
    ),
    "30 digits": (replaced(7, ",5,", f",{'9' * 30},"), f"tp={'9' * 30} in row 7"),
    "fraction": (replaced(7, ",5,", ",5.5,"), "tp=5.5 in row 7"),
    "word": (replaced(7, ",8", ",many"), "tn=many in row 7"),
    "no value": (replaced(7, ",8", ","), "tn= in row 7"),
    "cut row": (replaced(7, ",7,8", ""), "row 7 has not as many cells as the header"),
    "image twice": (copied(6, 7), "image t1 is in rows 6 and 7 (test, train)"),
    "row again": (appended(8), "image t3 is in rows 8 and 12 (test, train)"),
    "native again": (appended(11), "image t3 is in rows 11 and 12 (test, native)"),
    "unknown image": (replaced(7, "t2", "alien"), "test image alien has no row with at=native"),
    "native lost": (without(10, 10), "test image t2 has no row with at=native"),
    "native lost for all": (without(9, 11), "test image t1 has no row with at=native"),
    "native of validation": (without(4, 4), "val image v1 has no row with at=native"),
    "train lost": (without(7, 7), "test image t2 has no row with at=train"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_impossible_counts_leave_the_run_out(run, warned, name):
    """One warning names file, row and reason; the tables list it among the damages."""
    change, reason = CHANGES[name]
    lines = lines_of(run)
    change(lines)
    path = run / "per_image.csv"
    path.write_text("\n".join(lines) + "\n")
    tables = read_all(run.parents[1])

    assert len(tables.per_image) == 0
    assert warned() == [f"{path}: ignored: damaged, {reason}"]
    assert tables.damages == (f"{path}: damaged, {reason}",)


def test_fewer_pixels_count_only_where_some_are_ignored(tmp_path, frozen, write_run, warned):
    """With data.ignore an image may have fewer, down to none, and never more than its size."""
    fewer = [row if row[2] != "t2" else (*row[:3], 0, 0, 0, 9) for row in COUNTS]
    more = [row if row[2] != "t2" else (*row[:3], 0, 0, 0, 128**2 + 1) for row in COUNTS]
    none = [row if row[2] != "t2" else (*row[:3], 0, 0, 0, 0) for row in COUNTS]
    result = RESULT | {"n_test": len(TEST)}
    found = {}
    for ignore in (None, [255]):
        for name, rows in (("fewer", fewer), ("more", more), ("none", none)):
            config = frozen()
            config["data"] = {**config["data"], "ignore": ignore}
            write_run(tmp_path / f"{name}-{ignore}", config, result=result, counts=rows)
            found[name, ignore is None] = len(read_all(tmp_path / f"{name}-{ignore}").per_image)

    assert found == {
        ("fewer", True): 0,
        ("more", True): 0,
        ("none", True): 0,
        ("fewer", False): len(COUNTS),
        ("more", False): 0,
        ("none", False): len(COUNTS),
    }
    assert any("= 16385 in row 7, at most 16384" in line for line in warned())


def at_train(run):
    """Leave only the counts at the training size in the run's table."""
    text = "\n".join(line for line in lines_of(run) if ",native," not in line) + "\n"
    (run / "per_image.csv").write_text(text)
    return text


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("t2", "alien", "image alien in row 5 is no test image of split.csv"),
        ("t2", "x1", "image x1 in row 5 is no test image of split.csv"),
        ("v2", "v9", "image v9 in row 3 is no val image of split.csv"),
        ("t2", "=t2", "image =t2 in row 5 is no test image of split.csv"),
    ],
)
def test_images_are_those_of_the_split(run, warned, old, new, reason):
    """Of the run's own split.csv."""
    text = at_train(run)
    assert len(read_all(run.parents[1]).per_image) == 5
    (run / "per_image.csv").write_text(text.replace(f",{old},", f",{new},"))

    assert len(read_all(run.parents[1]).per_image) == 0
    assert warned() == [f"{run / 'per_image.csv'}: ignored: damaged, {reason}"]


def test_split_of_other_images_is_not_blamed_on_the_table(run, warned):
    """It is damaged itself: the counts are right, and the run stays."""
    (run / "split.csv").write_text("id,group,split\n[x],[x],[x]\n[y],,test\n")

    assert len(read_all(run.parents[1]).per_image) == 10
    assert not any("per_image.csv" in line for line in warned())


def test_image_of_the_split_that_is_missing(run):
    """An older result does not say how many test images there are."""
    rows = image_rows(run / "per_image.csv", run.name[-12:])
    kept = "".join(line for line in rows.splitlines(keepends=True) if ",t2," not in line)
    with pytest.raises(StoredFileError, match=r"test image t2 of split.csv is missing"):
        check_images(kept, run / "per_image.csv", run / "split.csv", None)
    with pytest.raises(StoredFileError, match="has 2 of 3 test images"):
        check_images(kept, run / "per_image.csv", run / "split.csv", 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n\n", "it is empty"),
        (b"\xff\xfe\x00", "not text"),
        (b"run_id,split,at\n1,2,3\n", "columns missing: image, tp, fp, fn, tn"),
    ],
)
@pytest.mark.parametrize("name", ["per_image.csv", "history.csv"])
def test_reasons_are_words(run, name, content, reason, warned):
    """No name of a Python class."""
    path = run / name
    path.write_bytes(content)
    tables = read_all(run.parents[1])
    assert len(tables.per_image) + len(tables.history) in (0, len(COUNTS))
    if name == "history.csv" and reason.startswith("columns"):
        reason = "columns missing: epoch, train_loss, val_loss, lr, seconds"
    assert warned() == [f"{path}: ignored: damaged, {reason}"]


def test_folder_in_place_of_a_table(run, warned):
    """The system's words."""
    (run / "per_image.csv").unlink()
    (run / "per_image.csv").mkdir()
    assert len(read_all(run.parents[1]).per_image) == 0
    assert warned()[0].startswith(f"{run / 'per_image.csv'}: ignored: damaged, cannot be read (")


def test_a_check_costs_at_most_two_milliseconds_for_200_rows(tmp_path):
    """Ten thousand runs are checked in seconds."""
    keys = [("test", at, f"i{n:03d}") for at in ("train", "native") for n in range(100)]
    rows = "".join(f"r,{part},{at},{image},5,6,7,8\n" for part, at, image in keys)
    split = tmp_path / "split.csv"
    split.write_text("id,group,split\n" + "".join(f"i{n:03d},,test\n" for n in range(100)))
    start = process_time()
    for _ in range(50):
        check_images(rows, tmp_path / "per_image.csv", split, 100)

    assert (process_time() - start) / 50 < 0.002
