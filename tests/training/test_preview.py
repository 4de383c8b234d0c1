"""The pixels of a preview, read with Pillow."""

import numpy as np
import pytest
from PIL import Image

from segsweep.training.preview import GAP, draw_preview


def pictures(channels):
    """Return three images 4 high and 6 wide, their masks, and probabilities."""
    random = np.random.default_rng(0)
    images = random.random((3, channels, 4, 6), dtype=np.float32)
    masks = random.integers(0, 2, (3, 1, 4, 6), dtype=np.uint8)
    return images, masks, random.random((3, 4, 6), dtype=np.float32)


def read(path):
    """Return the PNG's pixels (H, W, 3)."""
    with Image.open(path) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.asarray(picture)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_column_per_image_of_image_mask_and_output(tmp_path, channels):
    """Each picture is at its place, to half a grey level; grey has three equal channels."""
    images, masks, outputs = pictures(channels)
    path = tmp_path / "new" / "epoch1.png"
    draw_preview(images, masks, outputs, path)
    sheet = read(path)

    assert sheet.shape == (3 * 4 + 2 * GAP, 3 * 6 + 2 * GAP, 3)
    for column in range(3):
        left = column * (6 + GAP)
        rows = [sheet[top : top + 4, left : left + 6] for top in (0, 4 + GAP, 8 + 2 * GAP)]
        colours = [images[column, channel % channels] for channel in range(3)]
        expected = [np.stack(colours, -1), masks[column, 0, ..., None], outputs[column, ..., None]]
        for found, wanted in zip(rows, expected, strict=True):
            assert np.abs(found.astype(float) - 255.0 * wanted).max() <= 0.5 + 1e-4


def test_between_the_pictures_it_is_white(tmp_path):
    """Black pictures have white gaps and no outer border."""
    nothing = [np.zeros(shape, np.float32) for shape in ((2, 3, 4, 6), (2, 1, 4, 6), (2, 4, 6))]
    draw_preview(nothing[0], nothing[1].astype(np.uint8), nothing[2], tmp_path / "a.png")
    white = read(tmp_path / "a.png").min(-1) == 255

    assert white[4 : 4 + GAP].all()
    assert white[:, 6 : 6 + GAP].all()
    assert white.sum() == white.size - 6 * 4 * 6


def test_zero_is_black_and_one_is_white(tmp_path):
    """In all three rows, without overflow."""
    one = np.ones((1, 1, 2, 2), np.float32)
    draw_preview(one, one.astype(np.uint8), one[0], tmp_path / "a.png")
    draw_preview(0 * one, 0 * one.astype(np.uint8), 0 * one[0], tmp_path / "b.png")

    assert (read(tmp_path / "a.png") == 255).all()
    assert set(np.unique(read(tmp_path / "b.png")[:2])) == {0}


def test_preview_is_replaced_atomically(tmp_path):
    """It replaces an earlier picture and leaves no temporary file."""
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    draw_preview(*pictures(3), path)

    assert read(path).ndim == 3
    assert list(tmp_path.iterdir()) == [path]
