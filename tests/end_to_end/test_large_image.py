"""An image of 100 million pixels: its mask has its size, and memory has a bound."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import train_here
from fake_data import blob
from segsweep.data.decoder_warnings import large_images
from trained_sweeps import WORDS, Trained, resized, write_photos

__all__ = ["resized"]
pytestmark = pytest.mark.slow
SIDE = 10_000
TILE, STEP = 256, 192
"""Sides of a tile, and how far neighbours are apart: they overlap by a quarter."""
MOST_MB = 6_000
"""The pixels alone are 300 MB, as numbers of the network 1,200 MB."""
CONVOLUTION = """
_target_: torch.nn.Conv2d
in_channels: 3
out_channels: 1
kernel_size: 5
padding: 2
"""
PEAK = """
import resource, runpy, sys
try:
    runpy.run_module("segsweep", run_name="__main__")
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def predicted(sweep: Path, images: Path, out: Path, *words: str) -> tuple[int, float]:
    """Return the most memory that `segsweep predict` used, in MB, and the share of foreground."""
    command = (sys.executable, "-c", PEAK, "predict", str(sweep), "--images", str(images))
    device = ("--device", "cpu", "--threads", "2")
    done = subprocess.run(
        (*command, "--out", str(out), *device, *words), capture_output=True, text=True, check=True
    )
    (row,) = csv.DictReader((out / "predictions.csv").open())
    return int(done.stdout.split()[-1]), float(row["share"])


@pytest.fixture(scope="module")
def narrow(tmp_path_factory) -> Trained:
    """Return a sweep of one convolution that sees 256 x 256 pixels: what costs is the tiles."""
    folder = tmp_path_factory.mktemp("narrow")
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/convolution.yaml").write_text(CONVOLUTION, encoding="utf-8")
    write_photos(folder / "photos")
    usual = [word for word in WORDS if not word.startswith(("model", "optimizer"))]
    own = ("--config-dir=conf", "model=convolution", "data.size=256", "optimizer.lr=0.5")
    with pytest.MonkeyPatch.context() as patch:
        assert train_here((*usual, *own), patch, folder) == 0
    return Trained(folder)


def test_in_tiles(narrow, tmp_path) -> None:
    """The image repeats after as many pixels as tiles are apart, and so does its mask inside."""
    small, step = blob(0, STEP, STEP)[0], STEP
    (tmp_path / "large").mkdir()
    times = -(-SIDE // step)
    large = np.tile(small, (times, times, 1))[:SIDE, :SIDE]
    Image.fromarray(large).save(tmp_path / "large/a.png", compress_level=1)
    peak, share = predicted(narrow.sweep, tmp_path / "large", tmp_path / "found", "--tile")
    with large_images(SIDE**2), Image.open(tmp_path / "found/masks/a.png") as mask:
        assert mask.size == (SIDE, SIDE)
        found = np.asarray(mask)

    assert 0.05 < share < 0.95
    assert found.mean() / 255 == pytest.approx(share, abs=1e-4)
    end = (SIDE - TILE) // step * step  # from there the last tile, at the image's edge, has a part
    inside = found[step:end, step:end]
    np.testing.assert_array_equal(inside[step:], inside[:-step])
    np.testing.assert_array_equal(inside[:, step:], inside[:, :-step])
    assert peak < MOST_MB


def test_image_of_100_million_pixels(resized, tmp_path) -> None:
    """Enlarged from an image of the sweep, so that it has the same share of foreground."""
    small = next(iter(sorted(resized.images.iterdir())))
    for name in ("small", "large"):
        (tmp_path / name).mkdir()
    with Image.open(small) as image:
        image.save(tmp_path / "small/a.png")
        image.resize((SIDE, SIDE)).save(tmp_path / "large/a.png", compress_level=1)
    peak, share = predicted(resized.sweep, tmp_path / "large", tmp_path / "found")
    with large_images(SIDE**2), Image.open(tmp_path / "found/masks/a.png") as mask:
        assert mask.size == (SIDE, SIDE)
        assert np.asarray(mask).mean() / 255 == pytest.approx(share, abs=1e-4)

    assert peak < MOST_MB
    _, of_small = predicted(resized.sweep, tmp_path / "small", tmp_path / "found-small")
    assert share == pytest.approx(of_small, abs=0.03)
