"""From a sweep's folder to its tables, and real stored results."""

import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from segsweep.stats.engine import analyse
from segsweep.stats.null import Settings
from segsweep.stats.race import take_look
from segsweep.stats.runs import cell_names
from segsweep.stats.tables import comparison_table, pairs_table
from segsweep.stats.values import values_of
from segsweep.stats.wording.answer import answer
from segsweep.stats.wording.notes import note_texts
from segsweep.store.tables import read_all
from stats_data import drawn

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"
PH2, RACE = RESULTS / "ph2", RESULTS / "ph2_race"
FEW = Settings(draws=500)


def counts(seed, good):
    """Return rows of 12 test images: about *good* of 100 pixels found."""
    random = np.random.default_rng(seed)
    found = good + random.integers(0, 10, 12)
    return [("test", "train", f"i{k}", int(tp), 0, int(100 - tp), 50) for k, tp in enumerate(found)]


@pytest.fixture
def tables(tmp_path, frozen, write_run):
    """Write two losses at two lengths of training, three seeds each; one run failed."""
    for loss, epochs, good in (("bce", 2, 80), ("dice", 2, 50), ("bce", 3, 82), ("dice", 3, 51)):
        for seed in range(3):
            config = frozen(f"loss={loss}", seed=seed, trainer__epochs=epochs)
            rows = counts(100 * epochs + 10 * seed + good, good)
            iou = float(np.mean([row[3] / 100 for row in rows]))
            write_run(tmp_path, config, result={"test_iou": iou, "seconds": 5.0}, counts=rows)
    failed = frozen("loss=focal", seed=0, trainer__epochs=2)
    write_run(tmp_path, failed, failure={"error": "no"}, epochs=1)
    return read_all(tmp_path)


def test_sweep_on_disk_is_compared(tables):
    """Cells are named as in the store; failed runs are noted and stay in the table."""
    values = values_of(tables.results, tables.per_image)
    result = analyse(values, FEW)
    comparison = comparison_table(result, tables.results, per_image=tables.per_image)

    finished = {run.cell for run in tables.runs if run.status == "finished"}
    assert set(values.cells) == finished
    assert cell_names(tables.results) == [run.cell for run in tables.runs]
    assert any("focal@trainer.epochs=2" in note for note in note_texts(values.notes))
    assert comparison["trainer.epochs"].tolist()[:2] == [3, 2]
    assert comparison["seeds"].tolist() == [3, 3, 3, 3, 0]
    assert comparison["failed"].tolist() == [0, 0, 0, 0, 1]
    reported = tables.results.groupby(["loss", "trainer.epochs"])["test_iou"].mean()
    for row in comparison.head(4).to_dict("records"):
        assert row["test_iou"] == pytest.approx(reported[row["loss"], row["trainer.epochs"]])
    assert (comparison["test_dice"] > comparison["test_iou"]).tolist() == [True] * 4 + [False]


def test_large_differences_are_settled_on_disk_too(tables):
    """Loss bce is above dice by 30 points at both lengths of training."""
    pairs = pairs_table(analyse(values_of(tables.results, tables.per_image), FEW))
    across = pairs[(pairs["family"] == "cells") & (pairs["difference"].abs() > 0.2)]

    assert len(across) == 4
    assert set(across["verdict"]) == {"a better"}


@pytest.fixture
def real():
    """Return results and counts of the 20 cells on PH2 with three seeds."""
    types = {"run_id": str, "image": str}
    return [pd.read_csv(PH2 / f"{name}.csv", dtype=types) for name in ("results", "per_image")]


def test_real_results_of_one_seed(real):
    """The first seed alone: means as reported by the runs, intervals, no claim."""
    results, per_image = real
    results = results[results["seed"] == 0]
    result = analyse(values_of(results, per_image), FEW)
    table = comparison_table(result, results)
    reported = results.set_index(["model", "loss"])["test_iou"]

    assert len(table) == 20
    for row in table.to_dict("records"):
        assert row["test_iou"] == pytest.approx(reported[row["model"], row["loss"]], abs=1e-12)
        assert row["ci_low"] < row["test_iou"] < row["ci_high"]
    assert table["p_best"].isna().all()
    assert answer(result).headline.startswith("No claim about methods: one seed per cell.")


def test_real_results_agree_with_the_docs(real):
    """Three seeds: the tables and the answer in docs/ are reproduced from the counts."""
    results, per_image = real
    result = analyse(values_of(results, per_image))
    table = comparison_table(result, results, "iou", per_image)
    stored = pd.read_csv(PH2 / "comparison.csv", dtype={"may_be_best": "boolean"})
    stored = stored.drop(columns="data")
    said = json.loads((PH2 / "answer.json").read_text())

    shared = [name for name in table if name in stored]  # later metrics add columns
    assert shared == list(stored)
    pd.testing.assert_frame_equal(table[shared], stored, check_dtype=False, atol=2e-3)  # draws
    assert answer(result).headline == said["headline"]
    assert [who(text) for text in answer(result).settled] == [who(text) for text in said["settled"]]


def test_readme_says_what_the_race_on_ph2_found():
    """The answer, and the first rows of the table."""
    said = json.loads((RACE / "answer.json").read_text())
    readme = " ".join((RESULTS.parents[1] / "README.md").read_text().split())
    sentences = (said["headline"], *said["settled"][:2], *said["search"], *said["next"])
    first = pd.read_csv(RACE / "comparison.csv").head(4)

    assert all(sentence in readme for sentence in sentences)
    for row in first.to_dict("records"):
        shown = (f"{row[name]:.4f}"[1:] for name in ("test_iou", "ci_low", "ci_high"))
        iou, low, high = shown
        assert f"{row['model']} {row['loss']} {iou} {low} to {high} *" in readme


@pytest.mark.slow
def test_looks_of_the_race_on_ph2_come_out_of_its_counts():
    """The stored counts of test images decide each look as race.csv has it."""
    results, per_image = (pd.read_csv(RACE / f"{name}.csv") for name in ("results", "per_image"))
    rows = pd.read_csv(RACE / "race.csv", keep_default_na=False)
    last = rows["error"].iloc[-1]
    for number, look in rows.groupby("look"):
        used = results[results["run_id"].isin(" ".join(look["runs"]).split())]
        values = values_of(used, per_image[per_image["run_id"].isin(used["run_id"])])
        error, final = look["error"].iloc[0], last if number < rows["look"].max() else None
        judged = take_look(values, error, final, number > 1)

        stored = look.set_index("cell")
        assert {one.cell for one in judged.cells} == set(stored.index)
        for one in judged.cells:
            assert one.out == (stored.loc[one.cell, "decision"] == "out")
            assert one.p == pytest.approx(stored.loc[one.cell, "p"], abs=2e-3)
        assert (judged.end or "") == look["end"].iloc[-1]


def who(sentence):
    """Return which side is better, without numbers: these vary slightly between processors."""
    return sentence.split(" by ")[0]


def test_usual_sweep_is_analysed_in_five_seconds():
    """20 cells, 10 seeds, 100 images, 10,000 draws, with advice; about .4 s is usual."""
    names = [f"m{model}/l{loss}" for model in range(4) for loss in range(5)]
    values = drawn((10,) * 20, images=100, names=names)
    started = time.process_time()
    analyse(values)

    assert time.process_time() - started < 5
