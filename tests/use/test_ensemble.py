"""Ensembles on the images of their own sweep: by hand, logged, stored once."""

import csv
import math
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import segsweep as package
from segsweep.data.resize import area_mask, resize_image
from segsweep.store.ensembles import read_ensembles
from segsweep.store.paths import SweepPaths
from segsweep.store.records import read_reads, read_split

ON_CPU = ("--device", "cpu", "--threads", "1")


@pytest.fixture(params=["resized", "tiled"])
def mine(request, tmp_path, monkeypatch):
    """Return a copy of a sweep, in the working folder."""
    shutil.copytree(request.getfixturevalue(request.param).folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return SweepPaths(tmp_path / "outputs/main")


@pytest.fixture
def score(mine, segsweep):
    """Return a function that scores an ensemble: (exit code, stdout, stderr)."""
    return lambda *words: segsweep("evaluate", "main", *ON_CPU, *words)


def stored(sweep, start, part):
    """Return image -> IoU at the training size as the run's own table has it."""
    (path,) = sweep.runs.glob(f"{start}-*/per_image.csv")
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if (row["split"], row["at"]) == (part, "train")]
    counts = {row["image"]: [int(row[key]) for key in ("tp", "fp", "fn")] for row in rows}
    return {image: tp / (tp + fp + fn) for image, (tp, fp, fn) in counts.items()}


def test_one_network_scores_what_its_run_says(mine, score):
    """Of the same images, in the same batches: the mean of the stored values."""
    if len(list(mine.runs.iterdir())) > 1:  # all but one run of the cell
        for path in mine.runs.glob("unet2-bce-s1-*"):
            shutil.rmtree(path)
    code, out, error = score("--ensemble", "1", "--cell", "unet2/bce")
    (row,) = read_ensembles(mine)

    assert code == 0, error
    assert row.networks == 1
    assert row.val_iou == pytest.approx(np.mean([*stored(mine, "unet2-bce-s0", "val").values()]))
    assert row.test_iou == pytest.approx(np.mean([*stored(mine, "unet2-bce-s0", "test").values()]))
    assert row.alone == pytest.approx(row.test_iou)
    assert f"{row.test_iou:.4f}" in out


def test_mean_of_probabilities_by_hand(resized, tmp_path, monkeypatch, segsweep):
    """Each image and mask resized, seen by the four bare networks, averaged, cut at a half."""
    shutil.copytree(resized.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    sweep = package.open("outputs/main")
    parts = {row["id"]: row["split"] for row in read_split(sweep.runs[0].folder / "split.csv")}
    assert segsweep("evaluate", "main", *ON_CPU, "--ensemble", "2")[0] == 0
    (row,) = read_ensembles(SweepPaths(sweep.folder))
    networks = [run.load_model(preprocess=False) for run in sweep.runs]
    values = []
    for name in (name for name, part in parts.items() if part == "test"):
        image = np.asarray(Image.open(tmp_path / f"photos/images/{name}.png"))
        truth = np.asarray(Image.open(tmp_path / f"photos/masks/{name}.png")) > 127
        seen = torch.from_numpy(resize_image(image, (32, 32), 3))[None]
        with torch.no_grad():
            mean = torch.stack([network(seen).sigmoid() for network in networks]).mean(0)
        predicted, small = mean[0, 0].numpy() > 0.5, area_mask(truth, (32, 32))
        values.append((predicted & small).sum() / (predicted | small).sum())

    assert row.networks == len(networks) == 4
    assert row.test_iou == pytest.approx(np.mean(values), abs=1e-3)
    assert {*row.ensemble.split(", ")} == {"unet2/bce", "segnet/bce"}


def test_second_reading_is_logged_once(mine, score, segsweep):
    """The same ensemble again is printed from the table; flips are another; cells are above."""
    for _ in range(2):
        assert score("--ensemble", "1")[0] == 0
    reads = read_reads(mine.test_reads)
    assert [(read["images"], read["reason"].split(" networks")[0]) for read in reads] == [
        ("6", f"ensemble of {read_ensembles(mine)[0].networks}")
    ]
    assert score("--ensemble", "1", "--flips")[0] == 0
    assert [row.flips for row in read_ensembles(mine)] == [False, True]
    assert len(read_reads(mine.test_reads)) == 2
    page, (row, _) = mine.page.read_text(), read_ensembles(mine)
    assert page.index('<section id="cells"') < page.index('<section id="ensembles"')
    assert page.index('<section id="ensembles"') < page.index('<section id="images"')
    code, out, _ = segsweep("report", "main")
    shown = [f"{value:.4f}".removeprefix("0") for value in (row.val_iou, row.test_iou, row.alone)]
    assert code == 0
    assert " ".join(shown) in " ".join(out.split())


def test_run_that_was_trained_again_is_scored_again(mine, score):
    """Its row is replaced."""
    assert score("--ensemble", "1")[0] == 0
    for path in mine.runs.glob("*/result.json"):
        path.write_text(path.read_text() + " ")
    assert score("--ensemble", "1")[0] == 0
    assert len(read_ensembles(mine)) == 1
    assert len(read_reads(mine.test_reads)) == 2


def test_networks_of_different_parts_have_no_common_test_images(mine, score):
    """As with folds: test images of one are training images of another."""
    path = sorted(mine.runs.glob("unet2-bce-*/split.csv"))[-1]
    if len(list(mine.runs.iterdir())) == 1:
        pytest.skip("one run")
    text = path.read_text()
    text = text.replace(",train\n", ",swap\n", 1).replace(",test\n", ",train\n", 1)
    path.write_text(text.replace(",swap\n", ",test\n"))
    code, _, error = score("--ensemble", "1", "--cell", "unet2/bce")

    assert code == 2
    assert "trained on different parts of the data" in error.splitlines()[-1]
    assert not mine.ensembles.exists()
    assert not mine.test_reads.exists()


REFUSED = {
    "neither": ((), "--data and --ensemble: give one of them"),
    "both": (("--ensemble", "1", "--data", "x"), "--data and --ensemble: give only one of them"),
    "flips": (("--data", "x", "--flips"), "--flips: belongs to --ensemble"),
    "name": (("--ensemble", "1", "--name", "x"), "--name: belongs to --data"),
    "too many": (("--ensemble", "9"), "--ensemble 9: allowed are 1 to"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(mine, score, name):
    """Nothing is read or stored."""
    words, said = REFUSED[name]
    code, _, error = score(*words)

    assert code == 2
    assert said in error.splitlines()[-1]
    assert not mine.test_reads.exists()


def test_damaged_table_is_named(mine, score):
    """By the command, and on the page, which is written without it."""
    assert score("--ensemble", "1")[0] == 0
    mine.ensembles.write_text(mine.ensembles.read_text().replace("False", "perhaps"))
    code, _, error = score("--ensemble", "1")

    assert code == 2
    assert "ensembles.csv: damaged, line 2" in error.splitlines()[-1]


def test_values_that_are_missing_are_nan(mine, score):
    """Read back as they were written."""
    assert score("--ensemble", "1")[0] == 0
    (row,) = read_ensembles(mine)
    text = mine.ensembles.read_text().replace(str(row.alone), "")
    mine.ensembles.write_text(text)
    (again,) = read_ensembles(mine)
    assert math.isnan(again.alone)
    assert again.val_iou == row.val_iou
