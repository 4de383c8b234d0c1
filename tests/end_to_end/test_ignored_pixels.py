"""Training on masks with a border of 255 that counts for nothing, from the folder to the report."""

import json

import numpy as np
import pytest
from PIL import Image

from command import TINY, finish, rows_of
from fake_data import write_bordered
from segsweep.data.contact_sheet import LINES
from segsweep.data.resize import area_labels

DATA = ("data=folder", "data.images=images", "data.masks=masks", "data.foreground=[1]")
WORDS = ("-m", *DATA, "data.ignore=[255]", *TINY[2:], "augment=dermoscopy", "loss=bce,lovasz")


@pytest.mark.slow
def test_a_sweep_counts_only_what_is_not_ignored(tmp_path) -> None:
    """Counts sum to the pixels that count at both sizes; pictures and report are made."""
    truth = write_bordered(tmp_path)
    finish([*WORDS, "evaluate.boundary=true"], tmp_path)
    sweep = tmp_path / "outputs/main"
    rows = rows_of(sweep / "per_image.csv")
    runs = sorted((sweep / "runs").iterdir())

    assert len(runs) == 2
    assert {row["at"] for row in rows} == {"train", "native"}
    for row in rows:
        labels = truth[row["image"]]
        if row["at"] == "train":
            labels = area_labels(labels == 1, labels == 255, (32, 32))
            labels = np.where(labels == 2, 255, labels)
        counts = [int(row[name]) for name in ("tp", "fp", "fn", "tn")]

        assert sum(counts) == (labels != 255).sum()
        assert counts[0] + counts[2] == (labels == 1).sum()
    outlines = json.loads((runs[0] / "outlines.json").read_text())["images"]
    assert all(one["ignored"] for one in outlines.values())
    assert "grey areas are ignored" in (sweep / "report.html").read_text(encoding="utf-8")
    with Image.open(runs[0] / "preview/best.png") as picture:
        colours = {tuple(one) for row in np.array(picture).tolist() for one in row}
    assert {*LINES} <= colours
    before = (sweep / "results.csv").read_bytes()
    assert "2 finished, 0 to do" in finish([*WORDS, "evaluate.boundary=true"], tmp_path)
    assert (sweep / "results.csv").read_bytes() == before


@pytest.mark.slow
def test_other_values_under_ignored_pixels_change_no_weight(tmp_path) -> None:
    """254 in place of 255, both ignored: the same steps to the last bit."""
    write_bordered(tmp_path)
    histories = []
    for number, value in enumerate((255, 254)):
        for path in (tmp_path / "masks").iterdir():
            labels = np.array(Image.open(path))
            labels[labels > 1] = value
            Image.fromarray(labels).save(path)
        words = [word for word in WORDS if "ignore" not in word]
        finish([*words, "data.ignore=[254,255]", f"sweep=s{number}"], tmp_path)
        files = sorted((tmp_path / f"outputs/s{number}/runs").glob("*/history.csv"))
        rows = [row for file in files for row in rows_of(file)]
        histories.append([{**row, "seconds": ""} for row in rows])

    assert len(histories[0]) == 4
    assert sorted(histories[0], key=str) == sorted(histories[1], key=str)
