"""Tiles: every pixel is covered, weights are never 0, crops are uniform and the same everywhere."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segsweep.data.tiles import Tiling, mirrored

SIDES = st.integers(1, 90)
TILES = st.tuples(st.integers(1, 40), st.integers(1, 40))
OVERLAPS = st.one_of(st.just(0.0), st.floats(0, 0.999))
QUICK = settings(max_examples=60, deadline=None)


@QUICK
@given(SIDES, SIDES, TILES, OVERLAPS)
def test_grid_covers_every_pixel_and_stays_inside(height, width, tile, overlap):
    """Tiles of an image that was enlarged to at least a tile; corners are each there once."""
    tiling = Tiling(tile, overlap)
    size = tuple(len(mirrored(*pair)) for pair in zip((height, width), tile, strict=True))
    corners = tiling.grid(size)
    weight = np.zeros(size)
    for top, left in corners:
        assert 0 <= top <= size[0] - tile[0]
        assert 0 <= left <= size[1] - tile[1]
        weight[top : top + tile[0], left : left + tile[1]] += tiling.weights()

    assert weight.min() > 0
    assert len(set(corners)) == len(corners)


@QUICK
@given(st.integers(2, 60), st.floats(0, 0.999), st.integers(1, 400))
def test_neighbours_overlap_as_much_as_asked(tile, overlap, length):
    """The first ones exactly, the last one, which is aligned to the edge, at least so much."""
    tiling = Tiling((tile, tile), overlap)
    wanted = tiling.overlap_pixels[0]
    rows = sorted({top for top, _ in tiling.grid((max(length, tile), tile))})
    found = [tile - (after - before) for before, after in pairwise(rows)]

    assert wanted == math.floor(overlap * tile) < tile
    assert found[:-1] == [wanted] * len(found[:-1])
    assert all(wanted <= last < tile for last in found[-1:])


@pytest.mark.parametrize(
    ("size", "corners"),
    [
        ((8, 8), [(0, 0)]),
        ((8, 14), [(0, 0), (0, 6)]),
        ((15, 8), [(0, 0), (6, 0), (7, 0)]),
        ((9, 9), [(0, 0), (0, 1), (1, 0), (1, 1)]),
    ],
)
def test_grid_by_hand(size, corners):
    """Tiles of 8 with an overlap of 2 pixels: steps of 6, the last one at the edge."""
    assert Tiling((8, 8), 0.25).grid(size) == corners


def test_weights_by_hand():
    """Linear from the middle to the edge, for even and odd sides; the edge counts a little."""
    rows = np.array([1, 2, 2, 1]) / 2
    columns = np.array([1, 2, 3, 2, 1]) / 3

    np.testing.assert_allclose(Tiling((4, 5)).weights(), np.outer(rows, columns), rtol=1e-6)


@pytest.mark.parametrize(
    ("size", "count"), [((256, 256), 1), ((257, 256), 2), ((584, 565), 9), ((40, 900), 4)]
)
def test_crops_show_as_many_pixels_as_there_are(size, count):
    """Unless their number is given."""
    assert Tiling((256, 256)).crops_of(size) == count
    assert Tiling((256, 256), crops=3).crops_of(size) == 3


def test_crops_are_uniform():
    """Over images, epochs and numbers each corner is drawn about equally often."""
    tiling, size = Tiling((6, 5)), (8, 9)
    draws = [
        tiling.crop(size, seed, epoch, image, number)
        for seed in range(5)
        for epoch in range(10)
        for image in range(10)
        for number in range(6)
    ]
    counts = np.zeros((3, 5))
    for corner in draws:
        counts[corner] += 1
    expected = len(draws) / counts.size

    assert ((counts - expected) ** 2 / expected).sum() < 36  # 14 degrees of freedom: p = .001


def test_crops_depend_on_their_numbers_alone():
    """The same whatever was drawn before; other seeds, epochs, images and numbers differ."""
    tiling, size = Tiling((16, 16)), (2000, 3000)
    paths = [(s, e, i, n) for s in range(4) for e in range(4) for i in range(4) for n in range(4)]
    first = [tiling.crop(size, *path) for path in paths]
    np.random.seed(1)
    again = [tiling.crop(size, *path) for path in reversed(paths)]

    assert first == again[::-1]
    assert len(set(first)) > 250


def test_crop_of_a_smaller_image_is_its_corner():
    """Along the axis where the tile is larger; the other one is drawn."""
    corners = {Tiling((16, 16)).crop((10, 20), 0, 0, image, 0) for image in range(60)}

    assert {top for top, _ in corners} == {0}
    assert {left for _, left in corners} == {*range(5)}


@pytest.mark.parametrize(
    ("length", "tile", "indices"),
    [(3, 2, [0, 1, 2]), (3, 5, [0, 1, 2, 2, 1]), (2, 7, [0, 1, 1, 0, 0, 1, 1])],
)
def test_mirrored_by_hand(length, tile, indices):
    """The last pixel is repeated first; a mirror image may be mirrored again."""
    assert mirrored(length, tile).tolist() == indices
