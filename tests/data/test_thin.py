"""Tiles are suggested where resizing destroys thin structures, and nowhere else."""

import numpy as np
import pytest
from PIL import Image

from segsweep.data.cache import prepare
from segsweep.data.folder import Folder
from segsweep.data.synthetic import Synthetic
from segsweep.data.thin import stroke_width, tile_hint


def drawn(folder, width, side=200):
    """Return the data set of two images with oblique lines so many pixels wide."""
    rows, columns = np.mgrid[:side, :side]
    mask = (rows + 2 * columns) % 61 < 2 * width
    for name in "ab":
        Image.fromarray(mask).save(folder / f"{name}_mask.png")
        Image.fromarray(~mask * np.uint8(200)).save(folder / f"{name}.png")
    return Folder(folder, mask_name="{id}_mask.png")


@pytest.mark.parametrize(("width", "words"), [(1, "loses"), (3, "thin"), (12, "")])
def test_thin_lines_want_tiles(tmp_path, width, words):
    """Reduced to a quarter, lines of 1 and 3 pixels suffer, those of 12 do not."""
    hint = tile_hint(prepare(drawn(tmp_path, width), (48, 48), 3, tmp_path / "cache"))

    assert bool(hint) == bool(words)
    assert words in hint
    assert not hint or ("to 48x48" in hint and "data.tile=256" in hint)


@pytest.mark.parametrize("size", [(128, 128), (200, 200), None])
def test_lines_that_are_kept_want_none(tmp_path, size):
    """Hardly reduced, or not at all."""
    assert tile_hint(prepare(drawn(tmp_path, 1), size, 3, tmp_path / "cache")) == ""


def test_lesions_want_none(tmp_path):
    """Reduced to an eighth, they are still many pixels wide."""
    assert tile_hint(prepare(Synthetic(4, 256), (32, 32), 3, tmp_path)) == ""


@pytest.mark.parametrize(("width", "expected"), [(1, 2), (2, 2), (3, 3), (8, 8)])
def test_width_by_hand(width, expected):
    """A straight line: two pixels of outline for each of length, but for its ends."""
    mask = np.zeros((20, 400), bool)
    mask[4 : 4 + width] = True

    assert stroke_width(mask) == pytest.approx(expected, rel=0.03)
