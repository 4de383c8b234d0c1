"""Counts and epochs of single runs in the tables of a sweep."""

import csv
import warnings

import pytest

from segsweep.store.tables import read_all
from stored_sweep import COUNTS, RESULT, write_states


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


def test_image_names_stay_text(sweep, frozen, write_run):
    """NA, null and 1e5 are names, not missing values or numbers."""
    names = ["NA", "null", "1e5", "00", "nan", ""]
    rows = [("test", "train", name, 1, 2, 3, 4) for name in names]
    run = write_run(sweep, frozen(seed=9), result=RESULT | {"n_test": 6}, counts=rows)
    counts = read_all(sweep).per_image

    assert list(counts[counts["run_id"] == run.name[-12:]]["image"]) == names
    assert [str(kind) for kind in counts.dtypes[4:]] == ["int64"] * 4


@pytest.mark.parametrize("text", ["", "run_id,spl", "a,b\n1,2\n", "\0\0\0", 'run_id,split\n"x'])
@pytest.mark.parametrize("name", ["per_image.csv", "history.csv"])
def test_damaged_csv_of_a_run_is_ignored(sweep, frozen, write_run, warned, name, text):
    """The rows of other runs are kept, and one warning names the file."""
    result = RESULT | {"epochs": 1, "best_epoch": 1}
    damaged = write_run(sweep, frozen(seed=9), result=result, epochs=1, counts=COUNTS)
    (damaged / name).write_text(text)
    tables = read_all(sweep)

    assert len(tables.per_image) == (2 if name == "per_image.csv" else 4)
    assert len(tables.history) == (6 if name == "history.csv" else 7)
    assert len(warned()) == 1
    assert warned()[0].startswith(f"{damaged / name}: ignored: ")


@pytest.mark.parametrize("name", ["plain", "a,b", 'a"b', "Läsion 1", "a\nb", " a "])
def test_counts_as_text_and_as_table_are_equal(sweep, frozen, write_run, name):
    """For any image name; both contain the row as it is in the run's file."""
    run = write_run(
        sweep, frozen(seed=9), result=RESULT, counts=[("test", "train", name, 1, 2, 3, 4)]
    )
    tables = read_all(sweep)
    rows = list(csv.DictReader(tables.per_image_text.splitlines(keepends=True)))

    assert rows == tables.per_image.astype(str).to_dict("records")
    assert [row["image"] for row in rows if row["run_id"] == run.name[-12:]] == [name]


@pytest.mark.parametrize("quoted", ["", '"'])
def test_counts_of_another_run_are_ignored(sweep, frozen, write_run, warned, quoted):
    """A file copied from another run would count that run twice."""
    run = write_run(sweep, frozen(seed=9), result=RESULT, counts=COUNTS)
    path = run / "per_image.csv"
    path.write_text(path.read_text() + f"ffffffffffff,test,train,{quoted}009{quoted},1,2,3,4\n")

    assert len(read_all(sweep).per_image) == 2
    assert warned() == [f"{path}: ignored: contains rows of another run than {run.name[-12:]}"]
