"""Arrays in files: rows as numpy itself reads and writes them."""

import numpy as np
import pytest

from segsweep.data.array_file import ArrayFile, shape_of


@pytest.mark.parametrize(("shape", "kind"), [((4, 3, 5, 7), "f4"), ((4, 1, 5, 7), "u1")])
def test_rows_are_those_of_numpy(tmp_path, shape, kind):
    """A row written here is read by numpy and the other way round; the others stay."""
    values = np.random.default_rng(0).random(shape) * 99
    expected, path = values.astype(kind), tmp_path / "array.npy"
    np.save(path, expected)
    file = ArrayFile(path)
    found = [file.read(row) for row in (2, 0)]
    file.write(3, expected[1].transpose(0, 2, 1).copy().transpose(0, 2, 1))  # not contiguous
    file.sync()
    file.close()

    np.testing.assert_array_equal(found, expected[[2, 0]])
    assert (found[0].dtype, len(file)) == (expected.dtype, 4)
    np.testing.assert_array_equal(np.load(path), expected[[0, 1, 2, 1]])
    assert shape_of(path) == shape


def test_no_array_has_no_shape(tmp_path):
    """A missing file, an empty one, text, and an array that was cut off."""
    for name, content in (("empty", b""), ("text", b"no array at all")):
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "cut.npy", np.zeros((9, 9)))
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-1])

    assert [shape_of(tmp_path / n) for n in ("gone", "empty", "text", "cut.npy")] == [None] * 4
