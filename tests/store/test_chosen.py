"""chosen.csv: rows come back as they were, one per cell and fold."""

import pytest

from searched_sweep import LR, chosen_row
from segsweep.errors import StoredFileError
from segsweep.store.chosen import add_chosen, read_chosen, write_chosen
from segsweep.store.paths import SweepPaths

ROWS = [
    chosen_row(),
    chosen_row(fold=1, cell_id="b", values={"augment": "flips", "trainer.batch": 4}),
    chosen_row(cell="ä, b", cell_id="c", val_iou=None, own_val_iou=None, values={LR: 1e-5}),
]


def test_rows_come_back(tmp_path):
    """Numbers, texts, missing values and folds have their types."""
    write_chosen(tmp_path / "chosen.csv", ROWS)

    assert read_chosen(SweepPaths(tmp_path)) == ROWS


def test_new_rows_replace_those_of_the_same_cell_and_fold(tmp_path):
    """Others stay where they are."""
    write_chosen(tmp_path / "chosen.csv", ROWS)
    new = chosen_row(fold=1, cell_id="b", study="other")
    more = chosen_row(fold=2, cell_id="b")
    add_chosen(SweepPaths(tmp_path), [new, more])

    assert read_chosen(SweepPaths(tmp_path)) == [ROWS[0], new, ROWS[2], more]


@pytest.mark.parametrize(
    ("old", "new"),
    [('"{""', '"[""'), ("0.8", "high"), (",4,", ",four,"), ("cell,", "name,"), ("{", "{{")],
)
def test_damaged_rows_are_named(tmp_path, old, new):
    """A wrong value, a missing column."""
    path = tmp_path / "chosen.csv"
    write_chosen(path, ROWS[:1])
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(StoredFileError, match=r"chosen\.csv: damaged, line 2"):
        read_chosen(SweepPaths(tmp_path))


def test_damaged_rows_are_written_anew(tmp_path):
    """The studies have it all: a search is not stopped by them."""
    (tmp_path / "chosen.csv").write_text("cell\nx\n")
    add_chosen(SweepPaths(tmp_path), ROWS[:1])

    assert read_chosen(SweepPaths(tmp_path)) == ROWS[:1]
