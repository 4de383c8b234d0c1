"""Stored pictures: small JPEGs of the test images, once per image, decoded again with Pillow."""

import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from command import TINY, rows_of, train_here
from segsweep.store.pictures import shown_data
from segsweep.training.pictures import (
    LONGEST,
    MOST_BYTES,
    jpeg,
    picture_paths,
    store_pictures,
)

ODD = ["../../up", "a/b", "<script>.png", "IMD002", "imd002", "ü" * 200, " ", "..", "CON", "a\nb"]


def decoded(data):
    """Return the pixels of a JPEG, (H, W) or (H, W, 3)."""
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture)


def smooth(channels, height, width):
    """Return an image (C, H, W) without fine detail."""
    rows, columns = np.mgrid[:height, :width]
    waves = [0.5 + 0.4 * np.sin(rows / 20 + k) * np.cos(columns / 30) for k in range(channels)]
    return np.stack(waves).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3])
def test_picture_equals_the_image(channels):
    """To the loss of JPEG, at the size of training."""
    image = smooth(channels, 60, 90)
    pixels = decoded(jpeg(image)).reshape(60, 90, channels)

    assert np.abs(pixels / 255 - image.transpose(1, 2, 0)).max() < 0.04


@pytest.mark.parametrize(
    ("size", "expected"),
    [((512, 512), (256, 256)), ((300, 1200), (64, 256)), ((1, 4000), (1, 256)), ((8, 8), (8, 8))],
)
def test_large_images_are_made_smaller(size, expected):
    """The longer side has LONGEST pixels at most, and the shorter one at least one."""
    pixels = decoded(jpeg(smooth(3, *size)))

    assert pixels.shape[:2] == expected
    assert max(expected) <= LONGEST


def test_noise_stays_small():
    """The worst content of the largest size keeps the limit."""
    noise = np.random.default_rng(0).integers(0, 2, (3, 256, 256)).astype(np.float32)

    assert 10_000 < len(jpeg(noise)) <= MOST_BYTES


def test_each_picture_is_written_once(tmp_path):
    """A second run writes only what is missing; an empty file of a crash is replaced."""
    images = np.stack([smooth(3, 16, 16)] * 4)
    path_of = picture_paths(tmp_path, "f" * 16, lambda row: (16, 16), 3, list("abcd"))
    first = store_pictures(images, [1, 2], path_of)
    path_of(2).write_bytes(b"")
    before = path_of(1).stat().st_mtime_ns
    second = store_pictures(images, [1, 2, 3], path_of)

    assert (first, second) == (2, 2)
    assert path_of(1).stat().st_mtime_ns == before
    assert len([*tmp_path.rglob("*.jpg")]) == 3
    assert not [*tmp_path.rglob("*.tmp")]


def test_several_runs_store_at_once(tmp_path):
    """A reader sees no file or a whole one, and nothing temporary is left."""
    images = np.stack([smooth(3, 64, 64)] * 6)
    path_of = picture_paths(tmp_path, "f" * 16, lambda row: (64, 64), 3, list("abcdef"))
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(store_pictures, images, range(6), path_of) for _ in range(8)]
        while not all(job.done() for job in jobs):
            assert all(decoded(path.read_bytes()).size for path in tmp_path.rglob("*.jpg"))
    for job in jobs:
        job.result()

    assert {path.read_bytes() for path in tmp_path.rglob("*.jpg")} == {jpeg(images[0])}
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 6


def test_data_sets_and_odd_names_are_kept_apart(tmp_path):
    """Any id has its own file inside the sweep's folder, in letters that every system takes."""
    here = picture_paths(tmp_path, "0" * 16, lambda row: (8, 9), 3, ODD)
    there = picture_paths(tmp_path, "1" * 16, lambda row: (8, 9), 3, ODD)
    grey = picture_paths(tmp_path, "0" * 16, lambda row: (8, 9), 1, ODD)
    large = picture_paths(tmp_path, "0" * 16, lambda row: (80 + row, 9), 1, ODD)
    paths = [path(row) for path in (here, there, grey, large) for row in range(len(ODD))]
    names = [path.name for path in paths]

    assert len({str(path).lower() for path in paths}) == len(paths)
    assert all(path.resolve().is_relative_to(tmp_path / "images") for path in paths)
    assert all(len(name) < 100 and name.isascii() and "/" not in name for name in names)
    assert not any(name.startswith((".", "-")) or "<" in name for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("stored", [True, False])
def test_a_sweep_stores_its_test_images_once(tmp_path, monkeypatch, stored):
    """Two runs store one picture per test image; with report.images=false there is no folder."""
    words = [*TINY, "-m", "loss=bce,dice", "trainer.epochs=1", f"report.images={stored}"]

    assert train_here([*words, "preflight=false", "slots=1"], monkeypatch, tmp_path) == 0
    sweep = tmp_path / "outputs" / "main"
    (folder, *_) = (sweep / "runs").iterdir()
    tested = [row["id"] for row in rows_of(folder / "split.csv") if row["split"] == "test"]
    names = sorted(path.name.rpartition("-")[0] for path in sweep.glob("images/*/*.jpg"))
    assert names == (sorted(tested) if stored else [])
    assert (sweep / "images").exists() == stored


def test_pages_and_ranges_of_the_same_files_have_pictures_of_their_own():
    """Their bytes are the same, their pixels are not; other runs keep the names of before."""
    settings = [
        {"data_fingerprint": "f" * 16, "data.page": page, "data.range": span}
        for page in (None, 1, 2)
        for span in (None, "[0.0, 4095.0]")
    ]
    names = [shown_data(one) for one in settings]

    assert names[0] == shown_data({"data_fingerprint": "f" * 16}) == "f" * 16
    assert len(set(names)) == 6
