"""What is drawn of large images: means of blocks, no thin line lost, all in frames of one size."""

import numpy as np
import pytest

from segsweep.data.shrunk import block_side, framed, shrunk, shrunk_labels, shrunk_mask, shrunk_size


@pytest.mark.parametrize(
    ("size", "side", "small"),
    [
        ((512, 512), 1, (512, 512)),
        ((513, 40), 2, (257, 20)),
        ((584, 565), 2, (292, 283)),
        ((3000, 4000), 8, (375, 500)),
    ],
)
def test_sizes_by_hand(size, side, small):
    """The longer side has at most 512 pixels."""
    assert block_side(size) == side
    assert shrunk_size(size, side) == small


def test_means_by_hand():
    """Of 2 x 2 pixels; at the end, where pixels lack, the last ones are repeated."""
    values = np.array([[0, 2, 4], [2, 4, 6], [8, 8, 10]], np.float32)

    assert shrunk(values, 2).tolist() == [[2, 5], [8, 10]]
    assert shrunk(values[None], 2).shape == (1, 2, 2)
    assert shrunk(values, 1) is values


@pytest.mark.parametrize("side", [1, 2, 3, 7])
def test_no_line_is_lost(side):
    """A single pixel of a block is enough, wherever it is."""
    for row, column in np.ndindex(8, 11):
        mask = np.zeros((8, 11), bool)
        mask[row, column] = True
        found = shrunk_mask(mask, side)

        assert found.shape == shrunk_size(mask.shape, side)
        assert np.argwhere(found).tolist() == [[row // side, column // side]]


def test_labels_by_hand():
    """Foreground before all, ignored where nothing else is."""
    labels = np.array([[2, 2, 2, 0], [2, 2, 2, 2], [2, 1, 0, 0], [0, 2, 0, 0]], np.uint8)

    assert shrunk_labels(labels, 2).tolist() == [[2, 0], [1, 0]]
    assert shrunk_labels(labels[None], 2).shape == (1, 2, 2)
    assert shrunk_labels(labels, 1) is labels


def test_frame_is_white_around_the_middle():
    """Two rows and one column more: half of them before, half behind."""
    drawn = framed(np.zeros((1, 2, 3), np.float32), (4, 4))

    assert drawn[0].tolist() == [[1] * 4, [0, 0, 0, 1], [0, 0, 0, 1], [1] * 4]
