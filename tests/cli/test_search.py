"""`segsweep search`: chosen values, trials, importance, as text, JSON and CSV."""

import json

import pytest

import segsweep as api
from command import refusal, rows_of
from searched_sweep import LR, chosen_row, write_searched
from segsweep.store.chosen import write_chosen


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Write outputs/main with a search; return its folder."""
    return write_searched(tmp_path / "outputs", frozen, write_run)


def test_chosen_values_and_what_is_still_searched(segsweep, sweep):
    """A line per searched cell, then cells whose search is not over, then the dashboard."""
    code, out, _ = segsweep("search", "main")
    head, bce, dice, browser = out.splitlines()

    assert code == 0
    assert head.split() == ["cell", LR, "val", "IoU", "own", "trials"]
    assert " ".join(bce.split()) == "unet2/bce 0.003 0.8 0.7 4 (1 pruned, 1 diverged)"
    assert dice == (
        "unet2/dice: 1 of 2 trials ended in unet2/dice 0123456789ab, which chose no values; "
        "best so far optimizer.lr=0.002: val IoU 0.6"
    )
    assert browser.endswith(": optuna-dashboard sqlite:///outputs/main/search.db")
    assert "pip install 'segsweep[dashboard]'" in browser


def test_all_trials_as_csv(segsweep, sweep, tmp_path):
    """A row per trial, in the order in which they were asked for."""
    code, out, _ = segsweep("search", "main", "--csv", "trials.csv")
    rows = rows_of(tmp_path / "trials.csv")

    assert (code, out.splitlines()[-1]) == (0, "trials.csv: 6 trials")
    assert [row["trial"] for row in rows] == ["1", "2", "3", "4", "1", "2"]
    assert [row["status"] for row in rows] == [
        *("finished", "finished", "diverged", "pruned"),
        *("finished", "planned"),
    ]
    assert [float(row[LR]) for row in rows] == [2e-3, 3e-3, 1e-2, 1e-5, 2e-3, 4e-3]
    assert [row["val_iou"] for row in rows] == ["0.7", "0.8", "", "0.1", "0.6", ""]
    assert [row["chosen"] for row in rows] == ["False", "True", *["False"] * 4]
    assert {row["cell"] for row in rows} == {"unet2/bce", "unet2/dice"}


def test_json(segsweep, sweep):
    """One object; the numbers are those of chosen.csv."""
    code, out, _ = segsweep("search", "main", "--json")
    found = json.loads(out)

    assert code == 0
    assert list(found) == ["sweep", "chosen", "trials", "importance", "dashboard"]
    assert found["chosen"][0]["values"] == {LR: 3e-3}
    assert len(found["trials"]) == 6
    assert found["importance"] == {}


def test_importance_needs_several_parameters_and_trials(segsweep, sweep):
    """With two parameters and four trials it says that these are too few."""
    params = {LR: "interval(1e-5, 1e-2)", "optimizer.weight_decay": "interval(0, 1)"}
    write_chosen(sweep / "chosen.csv", [chosen_row(params=params)])

    assert "unet2/bce: importance: fewer than 12 complete trials" in segsweep("search", "main")[1]


def test_values_of_another_sweep(segsweep, sweep):
    """It says where the trials were."""
    write_chosen(sweep / "chosen.csv", [chosen_row(trial="", study="elsewhere", pruned=0)])

    assert "3 of 4 (1 diverged), in elsewhere" in segsweep("search", "main")[1]


def test_what_cannot_be_shown(segsweep, sweep, tmp_path):
    """A sweep without a search, a damaged record, no sweep."""
    (tmp_path / "outputs/plain/runs").mkdir(parents=True)
    (sweep / "chosen.csv").write_text("cell\nx\n")

    assert refusal(segsweep("search", "plain")).startswith("outputs/plain: no search in this sweep")
    assert "chosen.csv: damaged, line 2" in refusal(segsweep("search", "main"))
    assert refusal(segsweep("search", "none")).startswith("none: no sweep")
    assert "no such command" not in segsweep("search", "-h")[1]


def test_in_a_notebook(sweep):
    """`.chosen` has a column per key; without a search it is empty."""
    frame = api.open(sweep).chosen

    assert frame[LR].tolist() == [3e-3]
    assert frame.columns.tolist()[:5] == ["cell", "model", "loss", "fold", LR]
    (sweep / "chosen.csv").unlink()
    assert api.open(sweep).chosen.empty
