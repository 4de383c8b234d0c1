"""Which values of a sweep are comparable, and the notes on the rest."""

import numpy as np
import pandas as pd
import pytest

from segsweep.metrics import METRICS
from segsweep.stats.runs import cell_names
from segsweep.stats.values import compared_values, values_of
from segsweep.stats.wording.notes import note_text, note_texts

IMAGES = ("i0", "i1", "i2")


def run(cell="m/a", seed=0, fold=None, status="finished", data="d1", **more):
    """Return a row of results.csv."""
    model, loss = cell.split("/")
    identity = {"run_id": f"{cell}-{seed}-{fold}-{data}", "model": model, "loss": loss, **more}
    return {**identity, "seed": seed, "fold": fold, "status": status, "data_fingerprint": data}


def counts(row, images=IMAGES, split="test", at="train"):
    """Return rows of per_image.csv; tp differs between runs and images."""
    first = sum(map(ord, row["run_id"])) % 7
    return [
        {
            **{"run_id": row["run_id"], "split": split, "at": at, "image": image},
            **{"tp": 10 + first + k, "fp": k, "fn": 2, "tn": 50},
        }
        for k, image in enumerate(images)
    ]


def tables(rows, images=IMAGES):
    """Return the two tables of *rows*; finished runs scored *images*."""
    scored = [line for row in rows if row["status"] == "finished" for line in counts(row, images)]
    return pd.DataFrame(rows), pd.DataFrame(scored)


GRID = [run(cell, seed) for cell in ("m/b", "m/a") for seed in (10, 2)]


@pytest.mark.parametrize(
    "metric", [name for name, metric in METRICS.items() if metric.function is not None]
)
def test_values_are_the_metric_of_the_counts(metric):
    """Cells sorted by name, seeds by number, images by name; values from the run's counts."""
    results, per_image = tables(GRID)
    values = values_of(results, per_image, metric)

    assert values.cells == ("m/a", "m/b")
    assert values.seeds == (("2", "10"), ("2", "10"))
    assert values.images == IMAGES
    for cell, seeds, table in zip(values.cells, values.seeds, values.tables, strict=True):
        for seed, row in zip(seeds, table, strict=True):
            own = per_image[per_image["run_id"] == f"{cell}-{seed}-None-d1"]
            four = [own[name].to_numpy() for name in ("tp", "fp", "fn", "tn")]
            np.testing.assert_allclose(row, METRICS[metric].function(*four))
    assert note_texts(values.notes) == ()


def test_unknown_metric_is_refused():
    """The message lists the known ones."""
    with pytest.raises(ValueError, match="iou, dice"):
        values_of(*tables(GRID), metric="auc")


def test_only_the_requested_split_and_size_count():
    """The same table also holds validation and native rows."""
    results, per_image = tables(GRID)
    extra = [line for row in GRID for line in counts(row, ("v0", "v1"), "val")]
    native = [line for row in GRID for line in counts(row, IMAGES, at="native")]
    everything = pd.concat([per_image, pd.DataFrame(extra), pd.DataFrame(native)])
    only = values_of(results, per_image)
    test, val = values_of(results, everything), values_of(results, everything, split="val")

    assert val.images == ("v0", "v1")
    assert test.images == only.images
    for one, other in zip(test.tables, only.tables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_failed_and_unfinished_runs_are_left_out_and_reported():
    """A cell without finished runs is named."""
    rows = [*GRID, run("m/a", 3, status="failed"), run("m/c", 0, status="running")]
    values = values_of(*tables(rows))

    assert [len(table) for table in values.tables] == [2, 2]
    assert note_texts(values.notes) == (
        "1 run failed: its cell has fewer seeds.",
        "No finished run: m/c.",
        "1 run not finished yet.",
    )


def test_other_data_are_never_mixed_in():
    """Values are of one comparison."""
    with pytest.raises(ValueError, match="compare each apart"):
        values_of(*tables([*GRID, run("m/a", 7, data="d2")]))


def test_seed_that_was_run_again_counts_once():
    """A repeated search changed the learning rate of a seed: the run that finished last counts."""
    rows = [{**row, "finished": "2026-01-02"} for row in GRID]
    again = [{**rows[1], "run_id": f"again{day}", "finished": f"2026-01-0{day}"} for day in (3, 1)]
    results, per_image = tables([*rows, *again])
    values = values_of(results, per_image)
    last = per_image[per_image["run_id"] == "again3"]

    assert [len(table) for table in values.tables] == [2, 2]
    assert values.tables[1][0] == pytest.approx(
        METRICS["iou"].function(*last[["tp", "fp", "fn", "tn"]].T.to_numpy())
    )
    assert note_texts(values.notes) == (
        "2 earlier runs of a repeated seed left out: the run that finished last counts.",
    )


def test_no_image_in_common_is_nothing_to_compare():
    """Each pair of three seeds shares an image, but no image is common to all."""
    results, per_image = tables([run("m/a", seed) for seed in range(3)])
    for seed, lost in enumerate(IMAGES):
        gone = (per_image["run_id"] == f"m/a-{seed}-None-d1") & (per_image["image"] == lost)
        per_image = per_image[~gone]
    values = values_of(results, per_image)

    assert values.cells == ()
    assert note_texts(values.notes) == ("3 images left out: not scored by every run.",)


def folded(cell, seed, folds):
    """Return finished runs of *folds*."""
    return [run(cell, seed, fold) for fold in folds]


def test_a_seed_counts_with_all_its_folds():
    """The images of all folds together; a seed without fold 1 is left out and named."""
    rows = [
        *folded("m/a", 0, (0, 1)),
        *folded("m/a", 1, (0, 1)),
        *folded("m/b", 0, (0, 1)),
        *folded("m/b", 1, (0,)),
    ]
    lines = [line for row in rows for line in counts(row, (f"f{row['fold']}a", f"f{row['fold']}b"))]
    values = values_of(pd.DataFrame(rows), pd.DataFrame(lines))

    assert values.images == ("f0a", "f0b", "f1a", "f1b")
    assert values.seeds == (("0", "1"), ("0",))
    assert note_texts(values.notes) == (
        "1 seed without all 2 folds left out: m/b seed 1.",
        "Cells have 1 to 2 seeds; fewest: m/b.",
    )


def test_only_common_images_count():
    """One run lacks i1: the comparison uses i0 and i2, and a note says so."""
    results, per_image = tables(GRID)
    short = per_image.drop(per_image[per_image["image"] == "i1"].index[0])
    values = values_of(results, short)

    assert values.images == ("i0", "i2")
    assert note_texts(values.notes) == ("1 image left out: not scored by every run.",)


def test_seed_scored_on_other_images_is_left_out():
    """It is left out; the others keep all their images."""
    results, per_image = tables(GRID)
    alien = run("m/a", 5)
    more = pd.concat([per_image, pd.DataFrame(counts(alien, ("x0", "x1")))])
    values = values_of(pd.concat([results, pd.DataFrame([alien])]), more)

    assert values.images == IMAGES
    assert note_texts(values.notes) == ("1 seed scored on other images left out: m/a seed 5.",)


def test_finished_run_without_counts_is_reported():
    """Its per_image.csv is missing."""
    results, per_image = tables(GRID)
    lost = per_image[per_image["run_id"] != GRID[0]["run_id"]]
    values = values_of(results, lost)

    assert [len(table) for table in values.tables] == [2, 1]
    assert note_text(values.notes[0]) == "1 finished run without per-image counts left out."


def test_groups_by_image():
    """i0 and i2 belong to one patient; i1 is its own group."""
    values = values_of(*tables(GRID), groups={"i0": "p", "i2": "p"})

    assert values.groups[0] == values.groups[2] != values.groups[1]
    assert set(values.groups.tolist()) == {0, 1}
    assert len(set(values_of(*tables(GRID)).groups.tolist())) == 3


def test_empty_masks_count_as_one_or_not_at_all():
    """i1 has an empty truth and one empty prediction: it scores 1, or is left out for all."""
    results, per_image = tables(GRID)
    per_image.loc[per_image.index[1], ["tp", "fp", "fn"]] = 0
    one, skip = values_of(results, per_image), values_of(results, per_image, empty="skip")
    swept = values_of(results.assign(**{"evaluate.empty": "skip"}), per_image)

    assert one.images == IMAGES
    assert one.tables[1][1, 1] == 1
    assert skip.images == swept.images == ("i0", "i2")


def test_cells_are_named_by_all_keys_before_the_seed():
    """80.0 in a column with gaps is 80; the fingerprint is not part of the name."""
    frame = pd.DataFrame([run("m/a", trainer=80, data_fingerprint="d"), run("m/b")])
    columns = ["run_id", "model", "loss", "trainer", "data_fingerprint", "seed"]

    assert cell_names(frame[columns]) == ["m/a@trainer=80", "m/b"]
    assert cell_names(frame.assign(cell=["x", "y"])) == ["x", "y"]


def test_frame_with_groups():
    """A frame of values may contain the groups."""
    frame = pd.DataFrame(
        [("c", 0, f"i{k}", 0.1 * k, "ab"[k % 2]) for k in range(4)],
        columns=["cell", "seed", "image", "value", "group"],
    )

    assert compared_values(frame).groups.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize("status", ["failed", "planned"])
def test_sweep_with_nothing_finished_has_no_cells(status):
    """This is not an error."""
    results, _ = tables([run(status=status)])
    none = pd.DataFrame(columns=["run_id", "split", "at", "image", "tp", "fp", "fn", "tn"])
    values = values_of(results, none)

    assert values.cells == ()
    assert values.notes
