"""The pixels of a preview, read with Pillow."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from segsweep.data.batches import Batches
from segsweep.data.contact_sheet import LINES
from segsweep.training import result
from segsweep.training.preview import GAP, LEAST_WIDTH, draw_preview, origin

CAPTIONS = [("IMD002", "IoU 0.50"), ("a" * 90, "IoU 1.00"), ("<b>\nü", "empty")]


def pictures(channels, height=4, width=6):
    """Return three images, their masks, and probabilities."""
    random = np.random.default_rng(0)
    images = random.random((3, channels, height, width), dtype=np.float32)
    masks = random.integers(0, 2, (3, 1, height, width), dtype=np.uint8)
    return images, masks, random.random((3, height, width), dtype=np.float32), CAPTIONS


def read(path):
    """Return the PNG's pixels (H, W, 3)."""
    with Image.open(path) as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return np.asarray(picture)


def ink(pixels):
    """Return the share of dark pixels."""
    return float((pixels.min(-1) < 100).mean())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(4, 6), (9, 130)])
def test_a_column_per_image_of_image_mask_and_output(tmp_path, channels, height, width):
    """Each picture is at its place, to half a grey level; a small one is enlarged by whole pixels.

    Grey has three equal channels.
    """
    images, masks, outputs, captions = pictures(channels, height, width)
    path = tmp_path / "new" / "epoch1.png"
    draw_preview(images, masks, outputs, captions, path)
    sheet = read(path)
    zoom = max(1, LEAST_WIDTH // width)
    high, wide = height * zoom, width * zoom
    left, top = origin(ImageFont.load_default(12))

    assert sheet.shape == (top + 3 * high + 2 * GAP, left + 3 * wide + 2 * GAP, 3)
    for column in range(3):
        x = left + column * (wide + GAP)
        places = [top + row * (high + GAP) for row in range(3)]
        rows = [sheet[y : y + high : zoom, x : x + wide : zoom] for y in places]
        colours = [images[column, channel % channels] for channel in range(3)]
        expected = [np.stack(colours, -1), masks[column, 0, ..., None], outputs[column, ..., None]]
        for found, wanted in zip(rows, expected, strict=True):
            assert np.abs(found.astype(float) - 255.0 * wanted).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("side", [32, 128, 512])
def test_names_and_scores_are_written_and_stay_in_their_column(tmp_path, side):
    """Two lines above each column and a word beside each row; a blank caption leaves it white."""
    white = np.ones((3, 1, side, side), np.float32)
    wide = side * -(-LEAST_WIDTH // side)
    path = tmp_path / "a.png"
    draw_preview(white, white.astype(np.uint8), white[:, 0], [("", ""), *CAPTIONS[1:]], path)
    sheet = read(path)
    left, top = origin(ImageFont.load_default(max(12, wide // 11)))
    columns = [sheet[:top, left + k * (wide + GAP) :][:, :wide] for k in range(3)]
    words = [sheet[top + k * (wide + GAP) :][:wide, :left] for k in range(3)]

    assert [ink(columns[0]), ink(sheet[top:, left:])] == [0, 0]
    assert min(ink(half) for k in (1, 2) for half in np.array_split(columns[k], 2)) > 0.005
    assert min(map(ink, words)) > 0.002
    assert ink(sheet[:top, left + wide : left + wide + GAP]) == 0
    assert wide / 11 >= 10  # the font's size: readable without enlarging


def test_between_the_pictures_it_is_white(tmp_path):
    """Black pictures have white gaps."""
    nothing = [np.zeros(shape, np.float32) for shape in ((2, 3, 4, 120), (2, 1, 4, 120))]
    draw_preview(
        nothing[0], nothing[1].astype(np.uint8), nothing[1][:, 0], CAPTIONS[:2], tmp_path / "a.png"
    )
    left, top = origin(ImageFont.load_default(12))
    white = read(tmp_path / "a.png")[top:, left:].min(-1) == 255

    assert white[4 : 4 + GAP].all()
    assert white[:, 120 : 120 + GAP].all()
    assert white.sum() == white.size - 6 * 4 * 120


def test_zero_is_black_and_one_is_white(tmp_path):
    """In all three rows, without overflow."""
    one = np.ones((1, 1, 2, 120), np.float32)
    draw_preview(one, one.astype(np.uint8), one[0], CAPTIONS[:1], tmp_path / "a.png")
    draw_preview(0 * one, 0 * one.astype(np.uint8), 0 * one[0], CAPTIONS[:1], tmp_path / "b.png")
    left, top = origin(ImageFont.load_default(12))

    assert (read(tmp_path / "a.png")[top:, left:] == 255).all()
    assert set(np.unique(read(tmp_path / "b.png")[top : top + 2, left:])) == {0}


def test_ignored_pixels_are_hatched(tmp_path):
    """In the truth; the image and the prediction are shown as they are."""
    images, masks, outputs, captions = pictures(3, 40, 130)
    draw_preview(images, masks, outputs, captions, tmp_path / "plain.png")
    masks[1, 0, 10:30, 20:60] = 2
    draw_preview(images, masks, outputs, captions, tmp_path / "ignored.png")
    plain, drawn = (read(tmp_path / f"{name}.png") for name in ("plain", "ignored"))
    rows, columns = np.nonzero((plain != drawn).any(2))

    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 40)
    changed = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert {tuple(map(int, one)) for one in changed.reshape(-1, 3)} == {*LINES}


def test_captions_of_a_run_equal_the_counts_made_by_hand(tmp_path, monkeypatch):
    """Id and IoU of each image at the threshold of the run; an empty one as the run counts it."""
    masks = np.zeros((4, 1, 2, 4), np.uint8)
    masks[1:3, 0, 0] = 1  # four pixels of truth
    outputs = np.zeros((3, 2, 4), np.float32)
    # 2 found, 2 missed, 1 too many; nothing found; nothing there
    counts = np.array([[2, 1, 2, 3], [0, 0, 4, 4], [0, 0, 0, 8], [1, 1, 1, 5]])
    scored = SimpleNamespace(shown=outputs, counts=counts)
    samples = [SimpleNamespace(id=name) for name in "abcd"]
    prepared = SimpleNamespace(images=np.zeros((4, 3, 2, 4)), masks=masks, samples=samples)
    job = SimpleNamespace(
        val=Batches(prepared.images, masks, [2, 1, 3], 2, torch.device("cpu")),
        prepared=prepared,
        loop=SimpleNamespace(empty="skip"),
        paths=SimpleNamespace(preview=tmp_path),
    )
    drawn = []
    monkeypatch.setattr(result, "draw_preview", lambda *given: drawn.append(given))
    result.draw_validation(job, scored, "best")

    assert drawn[0][3] == [("c", "IoU 0.40"), ("b", "IoU 0.00"), ("d", "empty")]
    assert drawn[0][4] == tmp_path / "best.png"


def test_preview_is_replaced_atomically(tmp_path):
    """It replaces an earlier picture and leaves no temporary file."""
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    draw_preview(*pictures(3), path)

    assert read(path).ndim == 3
    assert list(tmp_path.iterdir()) == [path]
