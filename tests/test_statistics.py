"""Cells compared, every number worked out by hand."""

import math

import pandas as pd
import pytest

from segsweep.statistics import compare_cells

KEYS = ["model", "loss"]


def run(model="unet", loss="bce", iou=None, status="finished", **more):
    """Return a row of results.csv; the other measured values follow from the IoU."""
    value = math.nan if iou is None else iou
    measured = {f"{part}_{name}": value for part in ("test", "val") for name in ("iou", "dice")}
    scores = {"test_score": value / 2, "val_score": value / 4}
    cost = {"lr": 0.01, "seconds": 10.0, "parameters": 100}
    return {"model": model, "loss": loss, "status": status, **measured, **scores, **cost, **more}


def compared(*rows, keys=KEYS):
    """Return the comparison as a list of rows."""
    return compare_cells(pd.DataFrame(list(rows)), keys).to_dict("records")


def test_means_and_spread_of_three_seeds():
    """0.5, 0.6, 0.7: mean 0.6, squared distances 0.01 + 0 + 0.01 over 2, so sd 0.1."""
    rows = [run(iou=iou, seconds=s) for iou, s in ((0.5, 10), (0.6, 20), (0.7, 60))]
    (cell,) = compared(*rows)

    assert cell["test_iou"] == pytest.approx(0.6)
    assert cell["sd_seeds"] == pytest.approx(0.1)
    assert cell["test_score"] == pytest.approx(0.3)
    assert cell["val_score"] == pytest.approx(0.15)
    assert (cell["val_iou"], cell["val_dice"], cell["test_dice"]) == pytest.approx((0.6,) * 3)
    assert (cell["seconds"], cell["parameters"], cell["lr"]) == pytest.approx((30, 100, 0.01))
    assert (cell["seeds"], cell["failed"], cell["rank"]) == (3, 0, 1)


def test_spread_of_one_seed_is_unknown():
    """Not 0: nothing is known of how seeds differ."""
    (cell,) = compared(run(iou=0.5))

    assert cell["seeds"] == 1
    assert math.isnan(cell["sd_seeds"])


def test_cells_stand_best_first_with_ranks():
    """1 is the highest mean; the order of the runs does not matter."""
    rows = [run("a", iou=0.5), run("b", iou=0.9), run("c", iou=0.7), run("a", iou=0.6)]
    cells = compare_cells(pd.DataFrame(rows), KEYS)
    backwards = compare_cells(pd.DataFrame(rows[::-1]), KEYS)

    assert [*zip(cells["model"], cells["rank"], strict=True)] == [("b", 1), ("c", 2), ("a", 3)]
    pd.testing.assert_frame_equal(backwards, cells)


def test_equal_cells_share_the_better_rank():
    """Two firsts, then a third; equals stand in order of their names."""
    cells = compared(run("c", iou=0.5), run("b", iou=0.8), run("a", iou=0.8), run("d", iou=0.1))

    assert [(cell["model"], cell["rank"]) for cell in cells] == [
        *(("a", 1), ("b", 1), ("c", 3), ("d", 4))
    ]


def test_only_finished_runs_are_averaged_and_failed_ones_counted():
    """A failed run leaves its cell with fewer seeds and a number that says so."""
    unfinished = [run(status=status) for status in ("planned", "running", "interrupted")]
    left_over = run(iou=0.1, status="failed")
    (cell,) = compared(run(iou=0.4), run(iou=0.6), left_over, run(status="failed"), *unfinished)

    assert (cell["seeds"], cell["failed"]) == (2, 2)
    assert cell["test_iou"] == pytest.approx(0.5)


def test_cell_with_nothing_finished_stands_last_without_a_rank():
    """It is shown: it was asked for."""
    first, last = compared(run("a", status="failed"), run("b", iou=0.2))

    assert (first["model"], first["rank"]) == ("b", 1)
    assert (last["model"], last["seeds"], last["failed"]) == ("a", 0, 1)
    assert math.isnan(last["test_iou"])
    assert pd.isna(last["rank"])


def test_no_runs_are_no_cells():
    """The columns are there all the same."""
    frame = compare_cells(pd.DataFrame(columns=["model", "loss", "status"]), [*KEYS, "lr"])

    assert len(frame) == 0
    assert list(frame.columns) == [
        *("model", "loss", "lr", "seeds", "failed", "test_iou", "sd_seeds", "test_dice"),
        *("test_score", "val_iou", "val_dice", "val_score", "rank", "seconds", "parameters"),
    ]


def test_columns_of_a_cell():
    """Keys first, then what DESIGN.md lists; lr once, as a key or at its place."""
    frame = compare_cells(pd.DataFrame([run(iou=0.5)]), KEYS)

    assert list(frame.columns) == [
        *("model", "loss", "seeds", "failed", "test_iou", "sd_seeds", "test_dice"),
        *("test_score", "val_iou", "val_dice", "val_score", "rank", "lr", "seconds"),
        "parameters",
    ]


def test_further_keys_divide_cells_also_where_they_are_empty():
    """A loss without gamma is one cell, not none."""
    rows = [
        run("a", "focal", 0.5, **{"loss.gamma": 2.0}),
        run("a", "focal", 0.7, **{"loss.gamma": 3.0}),
        run("a", "focal", 0.9, **{"loss.gamma": 3.0}),
        run("a", "bce", 0.6, **{"loss.gamma": math.nan}),
        run("a", "bce", 0.2, **{"loss.gamma": math.nan}),
    ]
    cells = compared(*rows, keys=[*KEYS, "loss.gamma"])

    assert [(cell["loss"], cell["seeds"]) for cell in cells] == [
        *(("focal", 2), ("focal", 1), ("bce", 2))
    ]
    assert [cell["test_iou"] for cell in cells] == pytest.approx([0.8, 0.5, 0.4])
    assert [cell["loss.gamma"] for cell in cells[:2]] == [3.0, 2.0]
    assert math.isnan(cells[2]["loss.gamma"])


def test_learning_rate_as_a_key_is_a_key():
    """Where it was swept it divides cells and is not averaged."""
    cells = compared(run(iou=0.5, lr=0.1), run(iou=0.7, lr=0.2), keys=[*KEYS, "lr"])

    assert [(cell["lr"], cell["test_iou"]) for cell in cells] == [(0.2, 0.7), (0.1, 0.5)]


def test_columns_of_text_are_read_as_numbers():
    """results.csv read back, and a column that is all None, hold objects."""
    rows = [run(iou=0.5), run(iou=0.7)]
    frame = pd.DataFrame(rows).astype({"test_iou": object, "lr": object})
    frame["parameters"] = None
    (cell,) = compare_cells(frame, KEYS).to_dict("records")

    assert cell["test_iou"] == pytest.approx(0.6)
    assert math.isnan(cell["parameters"])
