"""Runs on tiles, by real commands: every pixel of every image is counted, pictures are drawn."""

import html
import json

import numpy as np
import pytest
import torch
from numpy.random import default_rng
from PIL import Image

from command import finish, rows_of, train_here

TILED = (
    *("data.tile=32", "model.channels=[4,4]", "augment=flips", "trainer.epochs=2"),
    *("trainer.batch=4", "trainer.averaging=0", "threads=1", "device=cpu", "preflight=false"),
)


def write_cracks(folder, count=12, scale=1):
    """Write photographs of different sizes with cracks of one to three pixels; return the sizes."""
    sizes = {}
    for number in range(count):
        random = default_rng(number)
        height, width = (int(side) * scale for side in random.integers(20, 90, 2))
        mask = np.zeros((height, width), bool)
        for row in random.integers(0, height - 3, 2):
            drift = np.cumsum(random.integers(-1, 2, width)) // 2
            for thick in range(random.integers(1, 4)):
                mask[np.clip(row + drift + thick, 0, height - 1), np.arange(width)] = True
        image = np.where(mask, 60, 190)[..., None] + random.integers(-25, 25, (height, width, 3))
        for kind, pixels in (("images", image.astype(np.uint8)), ("masks", mask)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / f"{number:02d}.png")
        sizes[f"{number:02d}"] = height, width
    return sizes


@pytest.fixture
def cracks(tmp_path):
    """Write small photographs; return their words and sizes."""
    sizes = write_cracks(tmp_path / "data")
    words = (f"data.{kind}={tmp_path / 'data' / kind}" for kind in ("images", "masks"))
    return ("data=folder", *words), sizes


def test_every_pixel_is_counted(cracks, monkeypatch, tmp_path, capfd):
    """At the images' own size, the same at train and native; what is drawn has one size each."""
    words, sizes = cracks
    assert train_here((*words, *TILED), monkeypatch, tmp_path) == 0
    (folder,) = (tmp_path / "outputs/main/runs").iterdir()
    rows = rows_of(folder / "per_image.csv")
    counts = {
        (row["at"], row["image"]): [int(row[name]) for name in ("tp", "fp", "fn", "tn")]
        for row in rows
    }
    outlines = json.loads((folder / "outlines.json").read_text())
    told = capfd.readouterr().err

    assert len(counts) == 2 * 6  # validation and test
    for (at, image), found in counts.items():
        assert sum(found) == np.prod(sizes[image])
        assert found == counts["native", image], at
    for image, one in outlines["images"].items():
        assert tuple(one["size"]) == sizes[image]
    assert {path.suffix for path in (folder / "preview").iterdir()} == {".png"}
    assert "tiles of 32x32, overlap 8, at their own size" in told
    assert len([*(tmp_path / "outputs/main/images").rglob("*.jpg")]) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("data.tile=32", "data.crops=2"), []),
        (("data.tile=32", "data.size=64", "data.resize=area"), ["data.resize", "data.size"]),
        (("data.size=32", "data.overlap=0.5"), ["data.overlap"]),
        (("data.tile=null,32", "data.size=32", "data.overlap=0.5"), []),
    ],
)
def test_key_without_effect_is_told(monkeypatch, tmp_path, capfd, words, told):
    """In one line each, unless it has an effect in one of the runs."""
    small = ("data.count=8", "data.side=48", "trainer.batch=2", "plan=true", "preflight=false")
    assert train_here(("-m", *small, *words), monkeypatch, tmp_path) == 0
    lines = [line for line in capfd.readouterr().err.splitlines() if "no effect" in line]

    assert [line.partition(":")[0] for line in lines] == told


def numbers_of(outputs):
    """Return what a run's numbers are: its history without seconds, its counts, its weights."""
    (folder,) = (outputs / "main/runs").iterdir()
    history = [
        {key: value for key, value in row.items() if key != "seconds"}
        for row in rows_of(folder / "history.csv")
    ]
    (best,) = (folder / "checkpoints").glob("best-*.pt")
    return history, rows_of(folder / "per_image.csv"), torch.load(best, weights_only=True)


@pytest.mark.slow
def test_stopped_in_the_middle_of_an_epoch(cracks, monkeypatch, tmp_path):
    """A resumed run cuts the crops that were to come: it ends with the same numbers, bit by bit."""
    import segsweep.training.loop
    from segsweep.sweep import session

    words, _ = cracks
    words = (*words, *TILED, "trainer.preview_every=0")
    assert train_here((*words, "outputs=whole"), monkeypatch, tmp_path) == 0
    step, calls = segsweep.training.loop.train_step, []

    def stopping(*arguments, **named):
        calls.append(1)
        session.current.stop.requested = len(calls) == 3
        return step(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(segsweep.training.loop, "train_step", stopping)
        assert train_here((*words, "outputs=parts"), patch, tmp_path) == 130
    assert train_here((*words, "outputs=parts"), monkeypatch, tmp_path) == 0
    whole, parts = (numbers_of(tmp_path / name) for name in ("whole", "parts"))

    (log,) = (tmp_path / "parts").rglob("train.log")
    assert "resuming after epoch 0, step 3" in log.read_text()
    assert whole[:2] == parts[:2]
    assert all(torch.equal(whole[2][key], parts[2][key]) for key in whole[2])


@pytest.mark.slow
def test_thin_structures_are_learned(tmp_path):
    """Cracks that resizing destroys: a sweep with and without tiles, compared at native size."""
    write_cracks(tmp_path / "data", 16, scale=3)
    places = (f"data.{kind}={tmp_path / 'data' / kind}" for kind in ("images", "masks"))
    words = (
        *("-m", "data=folder", *places, "data.size=32", "data.tile=null,64", "loss=bce"),
        *("model.channels=[8,8]", "trainer.epochs=8", "trainer.batch=4", "device=cpu"),
    )
    finish((*words, "threads=1"), tmp_path)
    means = {"null": [], "64": []}
    for row in rows_of(tmp_path / "outputs/main/per_image.csv"):
        if (row["split"], row["at"]) == ("test", "native"):
            tp, fp, fn = (int(row[name]) for name in ("tp", "fp", "fn"))
            config = next((tmp_path / "outputs/main/runs").glob(f"*{row['run_id']}/config.yaml"))
            tile = "64" if "tile: 64" in config.read_text() else "null"
            means[tile].append(tp / max(1, tp + fp + fn))

    assert np.mean(means["64"]) > np.mean(means["null"]) + 0.2
    report = html.unescape((tmp_path / "outputs/main/report.html").read_text())
    assert "Cells differ in data.tile: they are compared at the images' own size." in report
