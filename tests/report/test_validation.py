"""Sweeps without a test part: validation means everywhere, and nothing is called better."""

import csv
import io
import json

import numpy as np
import pytest

import segsweep as package
from command import refusal
from sample_sweeps import Maker
from segsweep.errors import ConfigError
from segsweep.report.write import write_report
from segsweep.store.paths import SweepPaths
from segsweep.store.tables import read_all

CELLS = (("unet", "bce", 0.0), ("unet", "dice", 0.05), ("unet2", "bce", -0.05))
STATISTICS = {
    "ci_low",
    "ci_high",
    "rank",
    "may_be_best",
    "p_best",
    "sd_seeds",
    "test_iou",
    "n_test",
}


@pytest.fixture
def maker(tmp_path, frozen, write_run):
    """Return a maker with three cells of two seeds without a test part."""
    made = Maker(tmp_path / "outputs/main", frozen, write_run)
    for model, loss, lift in CELLS:
        for seed in (0, 1):
            made.validated(model, loss, seed, lift)
    return made


@pytest.fixture
def mixed(maker):
    """Return the same sweep with two of its cells trained with a test part too."""
    for model, loss, lift in CELLS[:2]:
        for seed in (0, 1):
            maker.finished(model, loss, seed, lift)
    return maker


def table(text):
    """Return the rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text)))


def by_hand(folder):
    """Return cell -> mean IoU over images and seeds, from the files of the runs alone."""
    found = {}
    for run in sorted((folder / "runs").iterdir()):
        rows = table((run / "per_image.csv").read_text())
        ious = [int(r["tp"]) / (int(r["tp"]) + int(r["fp"]) + int(r["fn"])) for r in rows]
        found.setdefault("/".join(run.name.split("-")[:2]), []).append(np.mean(ious))
    return {cell: float(np.mean(means)) for cell, means in found.items()}


def test_tables_hold_validation_means_and_no_statistics(maker):
    """The means are those of the counts; no interval, no rank, no pair."""
    sweep = SweepPaths(maker.folder)
    write_report(sweep)
    cells = table(sweep.comparison.read_text())
    found = {f"{row['model']}/{row['loss']}": float(row["val_iou"]) for row in cells}

    assert found == pytest.approx(by_hand(maker.folder))
    assert [*found] == ["unet/dice", "unet/bce", "unet2/bce"]
    assert [*cells[0]][:8] == [
        "data",
        "model",
        "loss",
        "seeds",
        "failed",
        "val_iou",
        "val_dice",
        "val_score",
    ]
    assert {*cells[0]} & STATISTICS == set()
    assert {row["data"] for row in cells} == {"synthetic, validation only"}
    assert {row["seeds"] for row in cells} == {"2"}
    assert table(sweep.pairs.read_text()) == []
    runs = table(sweep.results.read_text())
    assert {row["n_test"] for row in runs} == {"0"}
    assert {row["test_iou"] for row in runs} == {""}


def test_the_answer_and_the_page_say_so(maker):
    """Why nothing is called better, and how to get a comparison."""
    sweep = SweepPaths(maker.folder)
    report = write_report(sweep)
    page, said = sweep.page.read_text(), json.loads(sweep.answer.read_text())

    assert said["headline"].startswith("Validation only. No test part: mean validation IoU")
    assert "the epoch of each run was chosen on these validation images" in said["headline"]
    assert "data.split.test=0.25" in said["next"][0]
    assert (said["claims"], said["best"]) == (False, [])
    assert report.compared[0].analysis is None
    for words in ("validation only", "no test part", "val IoU", "There are no intervals and no p"):
        assert words in page
    for words in ("test IoU", "test images</span>", "may be best", "chance best", "p adjusted"):
        assert words not in page


def test_the_command_prints_validation_means(maker, segsweep):
    """As a table, ready to paste, as another metric, and in the list of sweeps."""
    code, out, _ = segsweep("report", "main")
    pasted = segsweep("report", "main", "--format", "latex")[1]
    dice = segsweep("report", "main", "--metric", "dice", "--format", "csv")[1]
    recall = segsweep("report", "main", "--metric", "recall", "--format", "csv")[1]
    averages = segsweep("report", "main", "--by", "model")[1]
    listed = segsweep("list")[1]

    assert code == 0
    assert "Validation only." in out
    assert "val" in out
    assert "test\n" not in out
    assert "may be the best" not in out
    assert "mean validation IoU of each cell" in pasted
    assert "Validation only." in averages
    assert "interval" not in averages.split("\n\n")[-1]
    assert [*table(dice)[0]][5:7] == ["val_dice", "val_iou"]
    assert float(table(recall)[0]["val_recall"]) > 0.5
    assert "validation only" in listed.replace("\n", " ")
    assert "validation only" in segsweep("status", "main")[1]


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "unet/bce", "unet/dice", "--sweep", "main"),
        ("report", "main", "--baseline", "unet/bce"),
    ],
)
def test_differences_are_refused_with_the_reason(maker, segsweep, words):
    """One line; exit code 2."""
    line = refusal(segsweep(*words))

    assert "validation only" in line
    assert "the epoch of each run was chosen on these validation images" in line
    assert "data.split.test=0.25" in line


def test_metrics_of_test_images_are_refused(maker, segsweep):
    """Distances between outlines are never measured on validation images."""
    assert "hd95" in refusal(segsweep("report", "main", "--metric", "hd95"))


def test_two_such_sweeps_are_not_compared(maker, segsweep, frozen, write_run):
    """Nor is one with another that has a test part: their images serve other ends."""
    other = Maker(maker.folder.parent / "other", frozen, write_run)
    other.validated("unet", "bce", 0)
    tested = Maker(maker.folder.parent / "tested", frozen, write_run)
    tested.finished("unet", "bce", 0)

    assert "validation only" in refusal(segsweep("report", "main", "--against", "other"))
    assert "nothing to compare" in refusal(segsweep("report", "main", "--against", "tested"))


def test_notebooks_show_validation_means(maker):
    """The same frames and sentences; HTML of sweep, run and comparison."""
    sweep = package.open(maker.folder)
    compared = sweep.compare()
    run = next(iter(sweep.runs))

    assert compared.cells["val_iou"].notna().all()
    assert "test_iou" not in compared.cells
    assert compared.pairs.empty
    assert compared.answer.headline.startswith("Validation only.")
    assert "val" in repr(compared[0])
    assert "Validation only" in compared[0]._repr_html_()
    assert "val_dice" in run._repr_html_()
    with pytest.raises(ConfigError, match="validation only"):
        sweep.compare(baseline="unet/bce")


def test_runs_with_and_without_a_test_part_are_apart(mixed, segsweep):
    """Two comparisons; statistics only in the one, and no cell of both is compared."""
    sweep = SweepPaths(mixed.folder)
    report = write_report(sweep)
    tested, validated = report.compared
    cells = table(sweep.comparison.read_text())
    names = [row["data"] for row in cells]
    line = refusal(
        segsweep("compare", "unet/bce@data=synthetic", "unet/dice@data=synthetic,validation-only")
    )

    assert (tested.data, validated.data) == ("synthetic", "synthetic, validation only")
    assert tested.analysis is not None
    assert sorted({*names}) == ["synthetic", "synthetic, validation only"]
    assert [row["test_iou"] == "" for row in cells] == [name != "synthetic" for name in names]
    assert {row["data"] for row in table(sweep.pairs.read_text())} == {"synthetic"}
    assert "with and without a test part" in report.answer["headline"]
    assert "never compared" in line


def test_each_part_of_a_mixed_sweep_is_printed_with_its_own_mean(mixed, segsweep):
    """Test IoU in the one table, val IoU in the other; also with another metric."""
    out = segsweep("report", "main")[1]
    first, second = out.split("synthetic, validation only: Validation only.")
    dice = segsweep("report", "main", "--metric", "dice")[1].split("validation only: Val")[1]
    page = SweepPaths(mixed.folder).page.read_text()

    heads = [line.split() for line in (first + second).splitlines() if line.startswith("model")]
    assert ["IoU" in head for head in heads] == [True, True]
    assert ["interval" in head for head in heads] == [True, False]
    assert "Dice" in dice
    assert [words in page for words in ("test IoU", "val IoU")] == [True, True]


def test_cells_of_a_mixed_sweep_are_compared_by_their_test_images(mixed, segsweep):
    """Where a name fits both; the validation means say nothing beside it."""
    code, out, error = segsweep("compare", "unet/bce", "unet/dice", "--sweep", "main")

    assert (code, out.count("IoU:")) == (0, 1)
    assert "main (synthetic), IoU: unet/dice" in out
    assert "Traceback" not in error


def test_empty_masks_are_said_of_validation_images(maker):
    """As of test images where there are some."""
    for run in (maker.folder / "runs").glob("unet2-bce-*"):
        rows = [line.split(",") for line in (run / "per_image.csv").read_text().splitlines()]
        none = [[*row[:4], "0", "0", "4000", row[7]] for row in rows[1:]]
        text = "\n".join(",".join(row) for row in [rows[0], *none])
        (run / "per_image.csv").write_text(f"{text}\n")
    (warning,) = write_report(SweepPaths(maker.folder)).answer["warnings"]

    assert warning.startswith("unet2/bce predicts empty masks on all 12 validation images")


def test_nothing_finished_yet(tmp_path, frozen, write_run, segsweep):
    """Planned runs alone: the report says what they will be judged by."""
    made = Maker(tmp_path / "outputs/main", frozen, write_run)
    for seed in (0, 1):
        made.planned("unet", "bce", seed, data__split__test=0, validation_only=True)
    report = write_report(SweepPaths(made.folder))

    assert report.answer["headline"] == "Validation only. Nothing to compare: no run is finished."
    assert "validation only" in segsweep("status", "main")[1]
    assert segsweep("report", "main")[0] == 0


def test_damaged_counts_leave_a_run_out(maker):
    """As with test images: counts that cannot be right are not used."""
    run = next(iter(sorted((maker.folder / "runs").iterdir())))
    text = (run / "per_image.csv").read_text().splitlines()
    (run / "per_image.csv").write_text("\n".join(text[:-3]) + "\n")
    with pytest.warns(UserWarning, match="split.csv is missing"):
        report = write_report(SweepPaths(maker.folder))

    assert report.cells["seeds"].tolist() in ([2, 1, 2], [1, 2, 2], [2, 2, 1])


def test_runs_with_a_test_part_are_named_as_before(tmp_path, frozen, write_run):
    """No word more in names of data and cells."""
    made = Maker(tmp_path / "main", frozen, write_run)
    made.finished("unet", "bce", 0)
    (record,) = read_all(made.folder).runs

    assert (record.data, record.cell, record.is_tested) == ("synthetic", "unet/bce", True)
