"""Images at their own sizes: the values of resizing to the same size, a window at a time."""

import numpy as np
import pytest
from numpy.random import default_rng

from segsweep.data.native import (
    KINDS,
    NativeFile,
    NativeImages,
    NativeMasks,
    as_shares,
    kind_of,
    native_bytes,
    native_pixels,
)
from segsweep.data.resize import resize_pair
from segsweep.data.source import Pixels

SIZES = [(24, 33), (7, 5), (31, 16)]


def drawn(kind, size=(9, 13), seed=0):
    """Return a random image (H, W, 3): of integers over their whole range, or of floats."""
    random = default_rng(seed)
    if kind.startswith("float"):
        return random.random((*size, 3)).astype(kind)
    return random.integers(0, np.iinfo(kind).max + 1, (*size, 3)).astype(kind)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "float64"])
def test_values_are_those_of_resizing_to_the_same_size(kind, channels):
    """To the last bit, for everything that a source may give."""
    image = drawn(kind)
    expected, _ = resize_pair(Pixels(image, image[..., 0] > 0), image.shape[:2], channels)
    stored = native_pixels(image, channels)

    assert stored.dtype.name in KINDS
    np.testing.assert_array_equal(as_shares(stored).transpose(2, 0, 1), expected)


@pytest.mark.parametrize("kind", ["uint8", "uint16"])
def test_every_grey_value(kind):
    """A grey image in three channels is stored in one, where that gives the same values."""
    values = np.arange(np.iinfo(kind).max + 1).astype(kind).reshape(16, -1)
    image = np.repeat(values[..., None], 3, 2)
    expected, _ = resize_pair(Pixels(image, values > 0), values.shape, 1)
    stored = native_pixels(image, 1)

    np.testing.assert_array_equal(as_shares(stored).transpose(2, 0, 1), expected)
    assert stored.dtype.name in (kind, "float32")


def test_grey_bytes_stay_bytes():
    """A byte a pixel, not four."""
    assert native_pixels(np.full((4, 5, 3), 77, np.uint8), 1).dtype == np.uint8


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_kind_follows_from_the_number_of_bytes(kind, channels):
    """No two kinds take the same; another number of bytes is none of them."""
    image, mask = np.zeros((7, 5, channels), kind), np.zeros((7, 5), bool)
    length = len(native_bytes(image, mask))

    assert kind_of((7, 5), channels, length) == kind
    assert kind_of((7, 5), channels, length + 1) == ""


@pytest.fixture(params=["uint8", "uint16", "float32"])
def stored(request, tmp_path):
    """Return three images of different sizes, their masks, and the file that holds them."""
    images = [drawn(request.param, size, seed) for seed, size in enumerate(SIZES)]
    masks = [default_rng(seed).integers(0, 3, size) for seed, size in enumerate(SIZES)]
    parts = [native_bytes(*pair) for pair in zip(images, masks, strict=True)]
    (tmp_path / "native.bin").write_bytes(b"".join(parts))
    return images, masks, NativeFile(tmp_path / "native.bin", SIZES, 3, list(map(len, parts)))


def test_rows_come_back(stored):
    """Whole images in [0, 1] and masks with all their values."""
    images, masks, file = stored
    found, labels = NativeImages(file), NativeMasks(file)

    assert len(found) == len(labels) == 3
    for row, (image, mask) in enumerate(zip(images, masks, strict=True)):
        np.testing.assert_array_equal(found[row], as_shares(image).transpose(2, 0, 1))
        np.testing.assert_array_equal(labels[row], mask[None])
        assert found[row].dtype == np.float32
        assert labels[row].dtype == np.uint8


def test_windows_are_parts_of_the_whole(stored):
    """Also one that reaches beyond the image: it ends where the image does."""
    _, _, file = stored
    for row in range(3):
        for window in [(slice(2, 5), slice(1, 4)), (slice(0, 99), slice(3, 99))]:
            expected = file.image(row)[:, *window], file.mask(row)[:, *window]
            np.testing.assert_array_equal(file.image(row, window), expected[0])
            np.testing.assert_array_equal(file.mask(row, window), expected[1])


def test_what_is_returned_may_be_changed(stored):
    """The file is shared by all runs."""
    _, _, file = stored
    before = file.path.read_bytes()
    file.image(0)[:] = 0
    file.mask(0)[:] = 1

    assert file.path.read_bytes() == before
