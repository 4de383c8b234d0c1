"""Stored outlines: filled again, they give the mask."""

import json

import numpy as np
import pytest
from skimage.draw import polygon2mask

from segsweep.training.outlines import MOST_IMAGES, MOST_RINGS, Outlines, rings_of


def disc(size, middle, radius):
    """Return a filled circle as a mask."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2 <= radius**2


def filled(rings, size):
    """Return the mask that rings enclose; a ring within a ring is a hole."""
    mask = np.zeros(size, bool)
    for ring in rings:
        points = np.array(ring).reshape(-1, 2)[:, ::-1]
        mask ^= polygon2mask(size, points)
    return mask


BLOB = disc((40, 64), (20, 30), 14)
MASKS = {
    "disc": BLOB,
    "hole": BLOB & ~disc((40, 64), (20, 30), 6),
    "two": BLOB | disc((40, 64), (8, 56), 5),
    "touches three edges": disc((40, 64), (15, 3), 30),
    "all": np.ones((40, 64), bool),
}


@pytest.mark.parametrize("name", MASKS)
def test_filled_rings_equal_the_mask(name):
    """Filled with another library, they differ from it by a border of half a pixel at most."""
    mask = MASKS[name]
    rings = rings_of(mask)
    differing = (filled(rings, mask.shape) ^ mask).sum()

    assert differing <= 0.6 * sum(map(len, rings)) / 2 + 0.12 * np.sqrt(mask.sum()) * 8
    assert all(len(ring) % 2 == 0 and len(ring) >= 6 for ring in rings)


def test_empty_mask_has_no_rings():
    """Nothing is drawn."""
    assert rings_of(np.zeros((5, 7), bool)) == []


def test_a_square_by_hand():
    """Coordinates are x, y; the border is half a pixel outside pixel centres, corners are cut."""
    mask = np.zeros((8, 10), bool)
    mask[2:5, 4:9] = True
    (ring,) = rings_of(mask)
    xs, ys = np.array(ring[::2]), np.array(ring[1::2])

    assert np.allclose([xs.min(), xs.max(), ys.min(), ys.max()], [3.5, 8.5, 1.5, 4.5], atol=0.5)
    assert (xs.mean(), ys.mean()) == pytest.approx((6, 3), abs=0.3)


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2)])
def test_smallest_masks_keep_their_shape(size):
    """A single pixel becomes a diamond around its centre, a row of five pixels a long shape."""
    mask = np.zeros((9, 9), bool)
    mask[4 : 4 + size[0], 2 : 2 + size[1]] = True
    (ring,) = rings_of(mask)
    xs, ys = np.array(ring[::2]), np.array(ring[1::2])

    assert len(xs) >= 4
    assert (xs.min(), xs.max()) == (1.5, 1.5 + size[1])
    assert (ys.min(), ys.max()) == (3.5, 3.5 + size[0])


def test_noisy_mask_keeps_its_longest_rings():
    """Their number is limited."""
    specks = np.random.default_rng(0).random((100, 100)) < 0.2

    assert 20 < len(rings_of(specks)) <= MOST_RINGS


def test_outlines_are_stored_by_image_id():
    """The true mask is taken from the row of the data set; the values can be written as JSON."""
    masks = np.stack([BLOB, ~BLOB]).astype(np.uint8)[:, None]
    outlines = Outlines(masks, ["first", "second"])
    outlines.add(1, BLOB)
    values = json.loads(json.dumps(outlines.values))

    assert values == {
        "size": [40, 64],
        "images": {"second": {"truth": rings_of(~BLOB), "predicted": rings_of(BLOB)}},
    }


def test_ignored_pixels_have_rings_of_their_own():
    """The truth is drawn around foreground only; an image without ignored pixels says nothing."""
    labels = np.zeros((2, 1, 40, 64), np.uint8)
    labels[:, 0][:, BLOB] = 1
    labels[0, 0, 30:, :20] = 2
    outlines = Outlines(labels, ["first", "second"])
    outlines.add(0, BLOB)
    outlines.add(1, BLOB)
    first, second = outlines.values["images"].values()

    assert first["truth"] == rings_of(labels[0, 0] == 1)
    assert first["ignored"] == rings_of(labels[0, 0] == 2)
    assert second.keys() == {"truth", "predicted"}


def test_number_of_outlined_images_is_limited():
    """The file stays small for a large test set."""
    number = MOST_IMAGES + 3
    outlines = Outlines(np.zeros((number, 1, 2, 2), np.uint8), [str(row) for row in range(number)])
    for row in range(number):
        outlines.add(row, np.zeros((2, 2), bool))

    assert len(outlines.values["images"]) == MOST_IMAGES
