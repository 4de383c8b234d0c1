"""The tables and sentences of an analysis."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from segsweep.metrics import columns
from segsweep.stats.best import DISTANCE
from segsweep.stats.engine import analyse
from segsweep.stats.null import Settings
from segsweep.stats.tables import PAIRS, comparison_table, pairs_table
from segsweep.stats.wording.answer import answer
from segsweep.stats.wording.best import WHY_UNDECIDED
from segsweep.stats.wording.sentences import paragraph
from stats_data import drawn, of_tables, results_of

FEW = Settings(draws=1_000)
GRID = ["m/a", "m/b", "n/a", "n/b"]
COMPARISON = [
    *("model", "loss", "seeds", "failed", "test_iou", "ci_low", "ci_high", "sd_seeds"),
    *("sd_images", *columns()[1:], "val_iou", "rank", "may_be_best", *DISTANCE, "p_best"),
    *("lr", "seconds", "parameters", "multiply_adds"),
]


def failed(frame, model, loss):
    """Return *frame* with an additional failed run."""
    row = {"run_id": "f", "model": model, "loss": loss, "seed": 9, "status": "failed"}
    return pd.concat([frame, pd.DataFrame([row])], ignore_index=True)


def test_comparison_holds_a_row_per_cell():
    """Columns as documented, best first, numbers from the analysis and the results."""
    values = drawn((3, 3, 3, 2), gaps=[0, 0.1, 0.05, 0], names=GRID)
    result = analyse(values, FEW)
    table = comparison_table(result, failed(results_of(values), "n", "b"))

    assert table.columns.tolist() == COMPARISON
    assert table["model"].str.cat(table["loss"], "/").iloc[0] == "m/b"
    assert table["rank"].tolist() == [1, 2, 3, 4]
    row = table.set_index(["model", "loss"]).loc[("n", "b")]
    assert (row["seeds"], row["failed"]) == (2, 1)
    assert row["test_iou"] == pytest.approx(values.tables[3].mean())
    assert (row["ci_low"], row["ci_high"]) == (result.low[3], result.high[3])
    assert row["sd_images"] == result.parts.sd_images[3]
    assert table["p_best"].sum() == pytest.approx(1)


def test_cell_that_cannot_be_compared_stays_in_the_table():
    """All runs failed: no seeds, no rank, may_be_best empty."""
    values = drawn((3, 3), names=GRID[:2])
    table = comparison_table(analyse(values, FEW), failed(results_of(values), "n", "x"))
    row = table.iloc[-1]

    assert (row["model"], row["seeds"], row["failed"]) == ("n", 0, 1)
    assert row[["rank", "may_be_best"]].isna().all()
    assert math.isnan(row["ci_low"])


def test_swept_keys_name_cells_in_the_table():
    """Two protocols in one folder have separate rows."""
    values = drawn((2, 2), gaps=[0.1, 0], names=["m/a@epochs=10", "m/a@epochs=20"])
    plain = results_of(of_tables(values.tables, names=["m/a", "m/a"]))
    columns = ["run_id", "model", "loss", "epochs", "seed"]
    frame = plain.assign(epochs=[10, 10, 20, 20])
    frame = frame[[*columns, *(name for name in frame if name not in columns)]]
    table = comparison_table(analyse(values, FEW), frame)

    assert table["epochs"].tolist() == [10, 20]
    assert table["test_iou"].tolist() == pytest.approx([t.mean() for t in values.tables])


def test_nothing_at_all_is_refused():
    """The analysis needs at least one cell."""
    with pytest.raises(ValueError, match="nothing to compare"):
        analyse(replace(drawn((2,)), cells=(), tables=(), seeds=()))


def test_other_metric_stands_first():
    """The analysed metric is the first column; IoU is a further one."""
    values = drawn((2, 2), names=GRID[:2])
    table = comparison_table(analyse(values, FEW), results_of(values), metric="dice")

    assert table.columns[4] == "test_dice"
    assert {"test_iou", "test_score"} < set(table.columns)


def test_pairs_hold_every_family():
    """2 x 2 cells: six pairs, one of architectures, one of losses, one interaction."""
    values = drawn((2,) * 4, gaps=[0.3, 0, 0.03, 0], images=80, names=GRID)
    table = pairs_table(analyse(values, FEW))

    assert tuple(table.columns) == PAIRS
    assert table["family"].value_counts().to_dict() == {
        "cells": 6,
        "architectures": 1,
        "losses": 1,
        "interaction": 1,
    }
    first = table.iloc[0]
    assert (first["a"], first["b"], first["verdict"]) == ("m/a", "m/b", "a better")
    assert first["difference"] == pytest.approx(values.tables[0].mean() - values.tables[1].mean())
    assert table.loc[table["verdict"] != "undecided", "seeds_needed"].isna().all()
    assert table["seeds_needed"].notna().any()


def test_single_cell_has_an_empty_table_of_pairs():
    """The columns are the usual ones."""
    assert tuple(pairs_table(analyse(drawn((3,)), FEW)).columns) == PAIRS


def test_clear_winner_is_named():
    """One cell is far above the others."""
    said = answer(analyse(drawn((5, 5, 5), gaps=[0, 0.3, 0]), FEW))

    assert said.headline == "With 95 % confidence m/b is the best of 3 cells."
    assert said.best == ("m/b",)
    assert said.settled[0].startswith("2 of 3 pairs of cells differ; clearest: m/b is better than")
    assert WHY_UNDECIDED not in said.settled
    assert said.next == ()


def test_undecided_sweep_says_what_it_takes():
    """Six equal cells with two seeds: all may be best; more images or many seeds needed."""
    said = answer(analyse(drawn((2,) * 6, seed=2), FEW))

    assert said.headline == "Not settled: any of the 6 cells may be the best."
    assert len(said.best) == 6
    (distance,) = said.settled
    assert distance.startswith(f"{said.best[0]} is at most 0.0")
    assert distance.endswith(" below the best.")
    assert any("More seeds would not" in text or "seeds per cell" in text for text in said.next)


def test_some_ruled_out():
    """Two of four cells are far below."""
    said = answer(analyse(drawn((4,) * 4, gaps=[0, 0, -0.3, -0.3], seed=2), FEW))

    assert said.headline.startswith(
        "With 95 % confidence the best is one of these 2 of 4 cells: m/"
    )


def test_few_ruled_out_of_many_are_named():
    """One of nine cells is far below: the other eight are too many to list."""
    said = answer(analyse(drawn((4,) * 9, gaps=[*[0] * 8, -0.3], seed=3), FEW))

    assert said.headline == ("With 95 % confidence the best is one of 8 of 9 cells: all but m/i.")
    assert len(said.best) == 8


def test_no_best_loss_with_an_interaction():
    """Loss a is far better with m and far worse with n: no loss is named best."""
    values = drawn((5,) * 4, gaps=[0.3, 0, 0, 0.2], names=GRID)
    said = answer(analyse(values, FEW))

    assert "no loss is best overall" in said.text
    assert "Losses, on average" not in said.text
    assert said.best == ("m/a",)


def test_losses_are_named_without_an_interaction():
    """Loss a is better by .1 with both architectures."""
    values = drawn((5,) * 4, gaps=[0.1, 0, 0.1, 0], names=GRID)
    said = answer(analyse(values, FEW))

    assert "Losses, on average over the other factors: a is better than b by" in said.text
    assert "no loss is best overall" not in said.text


def test_one_seed_makes_no_claim():
    """Even if the networks differ widely."""
    said = answer(analyse(drawn((1, 1, 1), gaps=[0.5, 0, 0]), FEW))

    assert said.headline.startswith("No claim about methods: one seed per cell.")
    assert "m/a has the highest mean" in said.headline
    assert "better" not in said.text
    assert said.next == ("Run at least 3 seeds of each cell, for example seed=0,1,2.",)


def test_nothing_finished_and_one_cell():
    """Neither is an error."""
    assert answer(None, ("why",)).notes == ("why",)
    assert answer(analyse(drawn((3,)), FEW)).headline.startswith(
        "One cell, nothing to compare: m/a"
    )


def test_one_cell_with_one_seed():
    """The headline says what the interval does not cover."""
    headline = answer(analyse(drawn((1,)), FEW)).headline

    assert headline.endswith("). It is one trained network: another seed may give another mean.")


def test_paragraph_about_two_cells():
    """In either order the better cell comes first; unknown cells raise KeyError."""
    result = analyse(drawn((5, 5, 5), gaps=[0, 0.3, 0]), FEW)

    assert paragraph(result, "m/a", "m/b").startswith("m/b is better than m/a by 0.")
    assert paragraph(result, "m/b", "m/a") == paragraph(result, "m/a", "m/b")
    assert paragraph(result, "m/a", "m/c").startswith("Undecided: m/a minus m/c is")
    with pytest.raises(KeyError):
        paragraph(result, "m/a", "m/x")


def test_notes_are_passed_on():
    """Notes that are passed in are part of the answer."""
    values = drawn((2, 2))
    result = analyse(of_tables(values.tables), FEW)

    assert answer(result, ("more",)).notes == ("more",)
    assert np.isfinite(result.p_best).all()
