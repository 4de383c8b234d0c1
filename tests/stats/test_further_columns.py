"""The further columns of a cell are computed from the same runs and images."""

import numpy as np
import pandas as pd
import pytest

from segsweep.metrics import METRICS
from segsweep.stats.engine import analyse
from segsweep.stats.null import Settings
from segsweep.stats.tables import comparison_table
from segsweep.stats.values import values_of

FEW = Settings(draws=200)
IMAGES = tuple(f"i{k}" for k in range(6))
FOUR = ["tp", "fp", "fn", "tn"]


def run(cell, seed, status="finished", fold=None, data="d1", **more):
    """Return a row of results.csv whose own numbers come from images that no other run has."""
    model, loss = cell.split("/")
    names = {"run_id": f"{cell}-{seed}-{fold}{data}", "model": model, "loss": loss, "seed": seed}
    done = status == "finished"
    own = {f"{part}_{name}": 0.1 if done else None for part in ("test", "val") for name in THREE}
    cost = dict.fromkeys(("lr", "seconds", "parameters"), 1.0 if done else None)
    row = {**names, "fold": fold, "status": status, "data_fingerprint": data}
    return {**row, **own, **cost, "finished": "2026-01-01", **more}


THREE = ("iou", "dice", "score")


def counts(row, images=IMAGES):
    """Return rows of per_image.csv that differ between runs and images."""
    generator = np.random.default_rng(sum(map(ord, row["run_id"])))
    rows = generator.integers(1, 99, (len(images), 4))
    names = {"run_id": row["run_id"], "split": "test", "at": "train"}
    return [
        {**names, "image": image, **dict(zip(FOUR, map(int, four), strict=True))}
        for image, four in zip(images, rows, strict=True)
    ]


def tables(rows, short=()):
    """Return both tables; runs in *short* scored two further images and lack one."""
    more = [*IMAGES[1:], "x0", "x1"]
    per_image = [
        line
        for row in rows
        if row["status"] == "finished"
        for line in counts(row, more if row["run_id"] in short else IMAGES)
    ]
    return pd.DataFrame(rows), pd.DataFrame(per_image)


GRID = [run(cell, seed, val_iou=0.2 + 0.1 * seed) for cell in ("m/a", "m/b") for seed in (0, 1)]


def compared(results, per_image, metric="iou", empty="one"):
    """Return comparison.csv indexed by the loss."""
    analysis = analyse(values_of(results, per_image, metric, empty=empty), FEW, advise=False)
    return comparison_table(analysis, results, metric, per_image, empty).set_index("loss")


@pytest.mark.parametrize("metric", ["iou", "dice", "precision"])
def test_other_metrics_are_of_the_same_runs_and_images(metric):
    """One run lacks an image and has two that no other has: these three are left out."""
    results, per_image = tables(GRID, short=[GRID[0]["run_id"]])
    table = compared(results, per_image, metric)
    common = per_image[per_image["image"].isin(IMAGES[1:])]

    for loss in "ab":
        own = common[common["run_id"].str.startswith(f"m/{loss}-")]
        for name in {*THREE, metric}:
            expected = METRICS[name].function(*own[FOUR].T.to_numpy()).mean()
            assert table.loc[loss, f"test_{name}"] == pytest.approx(expected)


def test_images_skipped_for_empty_masks_are_skipped_for_all_cells():
    """Image i2 is empty for one run: with skip it is left out for all cells and metrics."""
    results, per_image = tables(GRID)
    per_image.loc[per_image.index[2], ["tp", "fp", "fn"]] = 0
    table = compared(results, per_image, empty="skip")
    own = per_image[per_image["run_id"].str.startswith("m/b-") & (per_image["image"] != "i2")]

    assert table.loc["b", "test_dice"] == pytest.approx(
        METRICS["dice"].function(*own[FOUR].T.to_numpy()).mean()
    )
    assert compared(results, per_image).loc["a", "test_dice"] != table.loc["a", "test_dice"]


def test_cost_and_validation_are_of_the_runs_that_count():
    """A repeated run, an incomplete seed and a run without counts contribute nothing."""
    folds = [
        run("m/a", seed, fold=fold, lr=0.1 * (seed + 1), seconds=10.0 * (fold + 1))
        for seed in (0, 1)
        for fold in (0, 1)
    ]
    again = run("m/a", 0, fold=0, lr=9.0, seconds=900.0, run_id="old", finished="2025")
    partial = run("m/a", 2, fold=0, lr=9.0, seconds=900.0)
    lost = [run("m/a", 3, fold=fold, lr=9.0, seconds=900.0) for fold in (0, 1)]
    others = [run("m/b", seed, fold=fold, lr=0.5) for seed in (0, 1) for fold in (0, 1)]
    results, per_image = tables([*folds, again, partial, *lost, *others])
    per_image = per_image[~per_image["run_id"].isin([row["run_id"] for row in lost])]
    table = compared(results, per_image)

    assert table.loc["a", "seeds"] == 2
    assert table.loc["a", "lr"] == pytest.approx(0.15)
    assert table.loc["a", "seconds"] == pytest.approx(15.0)
    assert table.loc["b", "lr"] == 0.5


def test_cell_without_seeds_that_count_has_no_numbers():
    """A finished cell without counts."""
    rows = [*GRID, run("m/c", 0)]
    results, per_image = tables(rows)
    per_image = per_image[~per_image["run_id"].str.startswith("m/c")]
    table = compared(results, per_image)
    measured = [name for name in table if name.startswith(("test_", "val_"))]

    assert table.loc["c", "seeds"] == 0
    assert table.loc["c", [*measured, "lr", "seconds", "parameters"]].isna().all()
    assert table.loc["a", "val_iou"] == pytest.approx(0.25)


def test_without_counts_the_numbers_of_the_runs_are_used():
    """Means over the runs that count."""
    results, per_image = tables([*GRID, run("m/a", 7, status="failed")])
    analysis = analyse(values_of(results, per_image), FEW, advise=False)
    table = comparison_table(analysis, results).set_index("loss")

    assert table["test_dice"].tolist() == [0.1, 0.1]
    assert table["failed"].to_dict() == {"a": 1, "b": 0}
