"""The index of decoded images: one that no cache can have is never trusted."""

import json

import numpy as np
import pytest

from segsweep.data import cache
from segsweep.data.cache_index import is_whole, read_index
from segsweep.data.synthetic import Synthetic

INDEX = {
    "sizes": [[1], [["x", 1]] * 5, 7, [[0, 4]] * 5, [[32, 32]] * 4, [[32, 31]] * 5],
    "bytes": [{"images.npy": 1}, [], None],
    "warnings": [[{"level": 1, "where": "a", "what": "b"}], [{}], ["x"]],
}


def prepare(folder):
    """Draw five images into the cache in *folder*."""
    return cache.prepare(Synthetic(count=5, side=32), (16, 16), 3, folder)


@pytest.mark.parametrize(("key", "value"), [(key, one) for key in INDEX for one in INDEX[key]])
def test_wrong_values_are_written_again(tmp_path, key, value):
    """And the arrays with them."""
    whole = prepare(tmp_path)
    index = whole.folder / "index.json"
    right = json.loads(index.read_text())
    index.write_text(json.dumps({**right, key: value}))

    assert not is_whole(whole.folder, 5)
    again = prepare(tmp_path)
    assert json.loads(index.read_text()) == right
    assert is_whole(whole.folder, 5)
    assert again.sizes == [(32, 32)] * 5
    np.testing.assert_array_equal(again.images, whole.images)


def test_a_cache_of_other_samples_is_not_whole(tmp_path):
    """The number of samples counts; an empty folder has no index."""
    folder = prepare(tmp_path).folder

    assert is_whole(folder, 5)
    assert not is_whole(folder, 4)
    assert not is_whole(tmp_path, 5)
    assert read_index(tmp_path) is None
