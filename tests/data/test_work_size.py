"""What decoding will take: more for more pixels, and never a wait or an error."""

import os
import threading

import numpy as np
import pytest
from PIL import Image

from segsweep.data.source import Sample
from segsweep.data.work_size import UNKNOWN_PIXELS, file_bytes, known_pixels, memory_bytes


def sample(folder, height, width):
    """Write a black pair, whose files are tiny."""
    paths = folder / f"{height}.png", folder / f"{height}_mask.png"
    for path in paths:
        Image.fromarray(np.zeros((height, width), np.uint8)).save(path)
    return Sample("a", "a", *paths)


def test_files_count_by_their_bytes(tmp_path):
    """Image and mask together; a sample without files counts as 1."""
    pair = sample(tmp_path, 30, 40)
    both = sum(path.stat().st_size for path in (pair.image, pair.mask))

    assert file_bytes([pair, Sample("drawn", "drawn")]) == [both, 1]


def test_memory_goes_by_the_pixels_of_the_head(tmp_path):
    """40 bytes a pixel where block means come first, 72 where all pixels are smoothed."""
    pair, size = sample(tmp_path, 2000, 3000), (100, 100)
    files = file_bytes([pair])[0]

    assert memory_bytes(pair, size, "area") - files == 40 * 6_000_000
    assert memory_bytes(pair, size, "classic") - files == 72 * 6_000_000
    assert memory_bytes(pair, (1000, 1500), "area") - files == 72 * 6_000_000
    assert memory_bytes(pair, (3000, 4000), "area") - files == 72 * 12_000_000


def test_arrays_say_their_pixels(tmp_path):
    """Grey or with colours last, at any kind of number."""
    for name, array in (
        ("grey.npy", np.zeros((3000, 2000), np.uint8)),
        ("colour.npy", np.zeros((3000, 2000, 3), np.float32)),
    ):
        np.save(tmp_path / name, array)
        one = Sample("a", "a", tmp_path / name)
        files = file_bytes([one])[0]
        assert memory_bytes(one, (100, 100), "area") - files == 40 * 6_000_000
        assert known_pixels(one) == 6_000_000


@pytest.mark.parametrize("what", ["gone", "damaged", "pipe", "drawn"])
def test_what_does_not_say_counts_as_large(tmp_path, what):
    """A missing or damaged file, a pipe that nobody writes to, a source without files."""
    path = tmp_path / "a.png"
    if what == "damaged":
        path.write_bytes(b"no image")
    elif what == "pipe":
        os.mkfifo(path)
    one = Sample("a", "a", None if what == "drawn" else path)
    found = []
    thread = threading.Thread(target=lambda: found.append(memory_bytes(one, (9, 9), "area")))
    thread.daemon = True
    thread.start()
    thread.join(20)

    assert found[0] == pytest.approx(40 * UNKNOWN_PIXELS, abs=10)
