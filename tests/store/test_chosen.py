"""chosen.csv: the values that a search chose, and which runs are at them."""

import pytest

from segsweep.config.cells import cell_id
from segsweep.errors import StoredFileError
from segsweep.store.chosen import Chosen, ChosenValues, add_chosen, read_chosen
from segsweep.store.paths import SweepPaths
from segsweep.store.states import Status
from segsweep.store.tables import read_all

LR = ("optimizer.lr",)
RESULT = {"epochs": 3, "best_epoch": 2, "val_iou": 0.7, "test_iou": 0.6, "seconds": 6.0}


def row(config, rate, **changed):
    """Return what the search of a config's cell chose: a learning rate."""
    values = {
        "cell": "unet2/bce",
        "model": "unet2",
        "loss": "bce",
        "fold": None,
        "cell_id": cell_id(config, LR),
        "values": {"optimizer.lr": rate},
        "params": {"optimizer.lr": "tag(log, interval(1e-5, 1e-2))"},
        "trial": "0123456789ab",
        "val_iou": 0.8,
        "own_val_iou": None,
        "n_trials": 8,
        "complete": 6,
        "pruned": 1,
        "diverged": 1,
        "failed": 0,
        "epochs": 70,
        "seconds": 12.5,
        "study": "unet2/bce 0123",
    }
    return Chosen(**{**values, **changed})


def test_rows_are_read_as_they_were_written(tmp_path, frozen):
    """Every value with its type; a row of the same cell and fold replaces the old one."""
    sweep = SweepPaths(tmp_path)
    first, other = row(frozen(), 1e-3), row(frozen("loss=dice"), 2e-3, loss="dice", fold=1)
    newer = row(frozen(), 1.23456789e-4, values={"optimizer.lr": 1.23456789e-4, "augment": "none"})
    add_chosen(sweep, [first, other])
    add_chosen(sweep, [newer])

    assert read_chosen(sweep) == [newer, other]
    assert newer.searched == "augment,lr"


@pytest.mark.parametrize("damage", ["x,y\n1,2\n", "cell,model\nunet2/bce,unet2\n"])
def test_a_damaged_file_is_told(tmp_path, frozen, damage):
    """With its path; the next search writes it again."""
    sweep = SweepPaths(tmp_path)
    sweep.chosen.write_text(damage)

    with pytest.raises(StoredFileError, match="damaged"):
        read_chosen(sweep)
    add_chosen(sweep, [row(frozen(), 1e-3)])

    assert len(read_chosen(sweep)) == 1


def test_id_of_a_cell_depends_on_all_but_values_seed_and_fold(frozen):
    """Another loss, or another protocol, is another cell."""
    base = cell_id(frozen(), LR)

    assert cell_id(frozen(optimizer__lr=0.5, seed=3, data__split__fold=1), LR) == base
    assert cell_id(frozen("loss=dice"), LR) != base
    assert cell_id(frozen(trainer__epochs=7), LR) != base
    assert cell_id(frozen(), ("optimizer.weight_decay",)) != base


def test_runs_at_chosen_values_are_the_searched_cell(frozen):
    """Whether or not the search trained them; those it trained at other values are superseded."""
    filled = {"search.filled": list(LR)}
    chosen = ChosenValues([row(frozen(), 1e-3)])

    def place(config):
        found = chosen.standing(config)
        return found.searched, found.superseded

    assert place(frozen(optimizer__lr=1e-3, **filled)) == ("lr", False)
    assert place(frozen(optimizer__lr=2e-3, **filled)) == ("lr", True)
    assert place(frozen(optimizer__lr=1e-3)) == ("lr", False)
    assert place(frozen(optimizer__lr=2e-3)) == ("", False)
    assert place(frozen("loss=dice", optimizer__lr=1e-3)) == ("", False)


def test_superseded_runs_are_in_no_cell(tmp_path, frozen, write_run):
    """They stand in the table with their status, and nothing counts them."""
    filled = {"search.filled": list(LR)}
    for rate, seed in ((1e-3, 0), (1e-3, 1), (2e-3, 0)):
        write_run(tmp_path, frozen(optimizer__lr=rate, seed=seed, **filled), result=RESULT)
    add_chosen(SweepPaths(tmp_path), [row(frozen(), 1e-3)])
    tables = read_all(tmp_path)

    assert sorted(zip(tables.results["lr"], tables.results["status"], strict=True)) == [
        (1e-3, "finished"),
        (1e-3, "finished"),
        (2e-3, "superseded"),
    ]
    assert {run.cell for run in tables.runs if run.status == Status.FINISHED} == {"unet2/bce"}


def test_given_and_searched_values_are_different_cells(tmp_path, frozen, write_run):
    """In one sweep, each is named by what tells it apart."""
    filled = {"search.filled": list(LR)}
    write_run(tmp_path, frozen(optimizer__lr=1e-3, **filled), result=RESULT)
    write_run(tmp_path, frozen(optimizer__lr=2e-3), result=RESULT)
    write_run(tmp_path, frozen(optimizer__lr=4e-3), result=RESULT)
    add_chosen(SweepPaths(tmp_path), [row(frozen(), 1e-3)])

    assert {run.cell for run in read_all(tmp_path).runs} == {
        "unet2/bce@searched=lr",
        "unet2/bce@lr=0.002",
        "unet2/bce@lr=0.004",
    }
