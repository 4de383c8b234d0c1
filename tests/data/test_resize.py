"""Resizing by area, against averages in fractions, skimage, and what must hold for any mask."""

import time
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.color import rgb2gray
from skimage.transform import resize

from segsweep.data.resize import (
    area_labels,
    area_mask,
    block_means,
    classic_labels,
    classic_mask,
    resize_pair,
)
from segsweep.data.source import IGNORED, Pixels

HALF = Fraction(1, 2)
SIDES = st.tuples(st.integers(1, 24), st.integers(1, 24))
MASKS = SIDES.flatmap(lambda shape: arrays(bool, shape))


def overlap(block, pixel, old, new):
    """Return how much of a block lies on a source pixel along one axis, in source pixels."""
    low, high = Fraction(block * old, new), Fraction((block + 1) * old, new)
    return max(Fraction(0), min(high, Fraction(pixel + 1)) - max(low, Fraction(pixel)))


def share(mask, block, size):
    """Return the exact share of foreground in one block of a reduced mask."""
    height, width = mask.shape
    down = [overlap(block[0], y, height, size[0]) for y in range(height)]
    across = [overlap(block[1], x, width, size[1]) for x in range(width)]
    covered = sum(down[y] * across[x] for y in range(height) for x in range(width) if mask[y, x])
    return covered / (sum(down) * sum(across))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((8, 12), (4, 6)), ((9, 7), (4, 3)), ((12, 9), (5, 8)), ((6, 15), (6, 4)), ((10, 10), (1, 3))],
)
@pytest.mark.parametrize("seed", range(4))
def test_every_block_goes_by_its_exact_area(shape, size, seed):
    """More than half is foreground, less is background, a tie is one pixel that the block has."""
    mask = np.random.default_rng(seed).random(shape) < (0.5, 0.3, 0.5, 0.8)[seed]
    found = area_mask(mask, size)

    for row in range(size[0]):
        for column in range(size[1]):
            exact = share(mask, (row, column), size)
            if exact != HALF:
                assert found[row, column] == (exact > HALF)


@settings(max_examples=300, deadline=None)
@given(MASKS, SIDES)
def test_object_and_complement_stay_complements(mask, size):
    """Whatever the mask and the sizes, up or down."""
    np.testing.assert_array_equal(area_mask(~mask, size), ~area_mask(mask, size))


@settings(max_examples=200, deadline=None)
@given(MASKS, SIDES)
def test_empty_and_full_stay_and_shares_are_bounded(mask, size):
    """A foreground pixel of the result stands for a block that is at least half foreground."""
    small = tuple(map(min, size, mask.shape))
    found = area_mask(mask, small)

    assert not area_mask(np.zeros_like(mask), size).any()
    assert area_mask(np.ones_like(mask), size).all()
    assert found.mean() <= 2 * mask.mean() + 1e-9
    assert (~found).mean() <= 2 * (~mask).mean() + 1e-9


@given(MASKS)
def test_equal_size_changes_nothing(mask):
    """Also not in an array shared with the source."""
    found = area_mask(mask, mask.shape)

    np.testing.assert_array_equal(found, mask)
    assert not np.shares_memory(found, mask)


@given(MASKS, st.integers(1, 4), st.integers(1, 4))
def test_whole_enlargement_repeats_pixels_and_comes_back(mask, down, across):
    """Every pixel becomes a block of its own; halving it again gives the mask."""
    size = (mask.shape[0] * down, mask.shape[1] * across)
    found = area_mask(mask, size)

    np.testing.assert_array_equal(found, mask.repeat(down, 0).repeat(across, 1))
    np.testing.assert_array_equal(area_mask(found, mask.shape), mask)


def test_enlargement_takes_the_pixel_at_the_centre():
    """3 pixels over 5: the centres lie at .3, .9, 1.5, 2.1 and 2.7."""
    mask = np.array([[True, False, True]])

    assert area_mask(mask, (1, 5)).tolist() == [[True, True, False, True, True]]


LINES = {
    "row": lambda k: np.eye(64, dtype=bool)[k][:, None] & np.ones(64, bool),
    "column": lambda k: np.eye(64, dtype=bool)[k] & np.ones((64, 1), bool),
    "diagonal": lambda k: np.eye(64, k=2 * (k % 8), dtype=bool),
    "other diagonal": lambda k: np.eye(64, k=2 * (k % 8), dtype=bool)[:, ::-1],
}


@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("k", [8, 21, 30, 47])
def test_halved_lines_keep_half_of_their_blocks(kind, k):
    """All blocks on a line one pixel wide are ties; they alternate, in every direction."""
    line = LINES[kind](k)
    found = area_mask(line, (32, 32))
    blocks = line.reshape(32, 2, 32, 2).any((1, 3))
    kept = found[blocks]
    runs = np.diff(np.flatnonzero(np.diff(kept.astype(int)) != 0), append=len(kept))

    assert abs(kept.mean() - 0.5) <= 1 / len(kept)
    assert not found[~blocks].any()
    assert runs.max(initial=0) <= 6


def thin(seed):
    """Return the mask of the case `thin`: lines one pixel wide that cross, 96 x 96."""
    random = np.random.RandomState(seed)
    mask = np.zeros((96, 96), bool)
    for line in random.randint(2, 94, 12):
        mask[line] = mask[:, line] = True
    return mask


@pytest.mark.parametrize("seed", range(16))
def test_thin_structures_keep_their_share(seed):
    """Within 1 % of the share, together exactly 1; the classic way loses most of them."""
    mask = thin(seed)
    found, other = area_mask(mask, (48, 48)), area_mask(~mask, (48, 48))
    classic = classic_mask(mask, (48, 48))

    assert found.mean() + other.mean() == 1
    assert found.mean() == pytest.approx(mask.mean(), rel=0.01)
    assert other.mean() == pytest.approx((~mask).mean(), rel=0.01)
    assert classic.mean() < 0.6 * mask.mean()


def test_a_disc_keeps_its_share_at_the_ratios_of_ph2():
    """767 x 576 to 256 x 256: no whole ratio on either axis."""
    rows, columns = np.mgrid[:576, :767]
    mask = (rows - 300) ** 2 + (columns - 380) ** 2 < 150**2
    found = area_mask(mask, (256, 256))

    assert found.mean() == pytest.approx(mask.mean(), rel=0.002)
    assert (found != classic_mask(mask, (256, 256))).mean() < 0.002


def smooth(height, width, kind):
    """Return a smooth image (H, W, 3) of a dtype."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    image = np.stack([np.sin(5 * x + k) * np.cos(4 * y - k) / 2 + 0.5 for k in range(3)], 2)
    top = 1 if kind == "f8" else np.iinfo(kind).max
    return (image * top).round(0 if kind != "f8" else 9).astype(kind)


@pytest.mark.parametrize("kind", ["u1", "u2", "f8"])
@pytest.mark.parametrize("size", [(16, 24), (37, 20), (60, 300)])
@pytest.mark.parametrize("channels", [1, 3])
def test_large_reductions_are_close_to_the_slow_way(kind, size, channels):
    """Skimage's resize in one step, with which smooth images agree; any side or both reduced."""
    image = smooth(300, 400, kind)
    found, _ = resize_pair(Pixels(image, np.zeros((300, 400), bool)), size, channels)
    plain = image if channels == 3 else rgb2gray(image)[..., None]
    slow = resize(plain, size, mode="constant", anti_aliasing=True).transpose(2, 0, 1)
    inside = np.s_[:, 1:-1, 1:-1]  # at the edge, skimage blurs black into the image

    assert found.dtype == np.float32
    assert found.shape == (channels, *size)
    assert np.abs(found[inside] - slow[inside]).max() < 0.02


def test_small_reductions_are_skimages():
    """Down to a quarter, and up, images are the same both ways."""
    image = smooth(64, 96, "u1")
    mask = np.zeros((64, 96), bool)
    for size in ((16, 24), (64, 96), (100, 50)):
        area, classic = (resize_pair(Pixels(image, mask), size, 3, way)[0] for way in WAYS)

        np.testing.assert_array_equal(area, classic)


WAYS = ("area", "classic")


def test_block_means_are_exact():
    """Against the brute-force average in fractions, with blocks that share pixels."""
    image = np.random.default_rng(0).integers(0, 256, (17, 23, 1)).astype(np.uint8)
    found = block_means(image, (2, 2))

    assert found.shape == (4, 4, 1)
    for row in range(4):
        for column in range(4):
            exact = sum(
                overlap(row, y, 17, 4) * overlap(column, x, 23, 4) * int(image[y, x, 0])
                for y in range(17)
                for x in range(23)
            ) / (Fraction(17 * 23, 16) * 255)
            assert found[row, column, 0] == pytest.approx(float(exact), abs=1e-12)


def test_white_stays_white():
    """A constant image has that constant everywhere after the first step."""
    for value in (0, 255):
        assert (block_means(np.full((130, 97, 3), value, np.uint8), (7, 5)) == value / 255).all()


def test_twelve_megapixels_are_cheap():
    """In processor time, and with memory far below a copy of the image as floats."""
    image = np.random.default_rng(0).integers(0, 256, (3000, 4000, 3)).astype(np.uint8)
    pixels = Pixels(image, image[..., 0] > 127)
    resize_pair(Pixels(image[:9, :9], image[:9, :9, 0] > 9), (4, 4), 3)  # imports
    tracemalloc.start()
    resize_pair(pixels, (64, 64), 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    start = time.process_time()
    resize_pair(pixels, (64, 64), 3)

    assert time.process_time() - start < 0.6
    assert peak < 30e6


LABELS = SIDES.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 2)))
WAYS = {"area": area_labels, "classic": classic_labels}


@pytest.mark.parametrize(
    ("shape", "size"),
    [((8, 12), (4, 6)), ((9, 7), (4, 3)), ((12, 9), (5, 8)), ((6, 15), (6, 4)), ((10, 10), (1, 3))],
)
@pytest.mark.parametrize("seed", range(4))
def test_more_than_half_ignored_is_ignored_and_else_the_rest_decides(shape, size, seed):
    """In exact areas: foreground where that covers more than background does."""
    random = np.random.default_rng(seed)
    ignored = random.random(shape) < (0.4, 0.5, 0.2, 0.5)[seed]
    mask = (random.random(shape) < 0.5) & ~ignored
    found = area_labels(mask, ignored, size)

    for row in range(size[0]):
        for column in range(size[1]):
            left_out = share(ignored, (row, column), size)
            exact = share(mask, (row, column), size)
            assert (found[row, column] == IGNORED) == (left_out > HALF)
            if left_out <= HALF and 2 * exact != 1 - left_out:
                assert found[row, column] == (2 * exact > 1 - left_out)


@settings(max_examples=200, deadline=None)
@given(LABELS, SIDES)
def test_object_and_complement_stay_complements_beside_ignored_pixels(labels, size):
    """Whatever the labels and the sizes, up or down; the same pixels are ignored."""
    ignored = labels == IGNORED
    found = area_labels(labels == 1, ignored, size)
    other = area_labels(labels == 0, ignored, size)

    np.testing.assert_array_equal(found == IGNORED, other == IGNORED)
    np.testing.assert_array_equal((found == 1)[found != IGNORED], (other == 0)[found != IGNORED])


@settings(max_examples=100, deadline=None)
@given(MASKS, SIDES)
def test_without_ignored_pixels_nothing_changes(mask, size):
    """In both ways, with None and with a mask of none."""
    plain = {"area": area_mask(mask, size), "classic": classic_mask(mask, size)}
    for way, smaller in WAYS.items():
        for ignored in (None, np.zeros_like(mask)):
            np.testing.assert_array_equal(smaller(mask, ignored, size), plain[way])


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=100, deadline=None)
@given(labels=LABELS, size=SIDES, seed=st.integers(0, 9))
def test_labels_under_ignored_pixels_have_no_influence(way, labels, size, seed):
    """Whatever a mask says where pixels are ignored."""
    ignored = labels == IGNORED
    noise = np.random.default_rng(seed).random(labels.shape) < 0.5
    found = WAYS[way](labels == 1, ignored, size)

    np.testing.assert_array_equal(
        found, WAYS[way]((labels == 1) | (noise & ignored), ignored, size)
    )
    assert set(np.unique(found)) <= {0, 1, IGNORED}


@pytest.mark.parametrize("way", WAYS)
def test_ignored_pixels_by_hand(way):
    """A block half ignored goes by its rest; whole blocks and equal sizes stay what they are."""
    labels = np.array([[0, 2, 2, 1, 1, 1, 0, 0], [2, 0, 2, 1, 1, 1, 0, 0]], np.uint8)
    small = WAYS[way](labels == 1, labels == 2, (1, 4))

    assert small.tolist() == [[0, 1, 1, 0]]
    assert WAYS[way](labels == 1, labels == 2, labels.shape).tolist() == labels.tolist()
    assert WAYS[way](labels == 1, labels != 1, (1, 2)).tolist() == [[2, 1]]


def test_ties_beside_ignored_pixels_favour_neither_side():
    """Many blocks with one ignored pixel, one of each and one of either: half of all."""
    random = np.random.default_rng(0)
    labels = np.empty((128, 128), np.uint8)
    for row in range(0, 128, 2):
        for column in range(0, 128, 2):
            block = random.permutation([0, 1, 2, 2]).reshape(2, 2)
            labels[row : row + 2, column : column + 2] = block
    found = area_labels(labels == 1, labels == 2, (64, 64))

    assert (found == 1).sum() == (found == 0).sum() == 64 * 32


def test_pair_is_resized_with_its_ignored_pixels():
    """The mask holds 2 at the training size; the image is that of any mask."""
    labels = np.repeat(np.repeat([[0, 1], [2, 0]], 8, 0), 8, 1)
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    for way in ("area", "classic"):
        pixels = Pixels(image, labels == 1, ignored=labels == 2)
        small, mask = resize_pair(pixels, (4, 4), 3, way)
        plain, _ = resize_pair(Pixels(image, labels == 1), (4, 4), 3, way)

        assert (mask.dtype, mask.shape) == (np.uint8, (1, 4, 4))
        assert mask[0, ::3, ::3].tolist() == [[0, 1], [2, 0]]
        np.testing.assert_array_equal(small, plain)
