"""Decoded images that fit neither memory nor disk are refused before one is decoded."""

import pytest

from segsweep.data import room
from segsweep.errors import DataError

GB = 1000**3 / 2**20
"""MB of 2^20 bytes."""


@pytest.mark.parametrize(
    ("disk_gb", "memory_gb", "words"),
    [
        (279, 999, ["not enough disk", "24 decoded images", "281 GB", "279 GB free"]),
        (282, 43, ["not enough memory", "one image", "43.2 GB", "43.0 GB free"]),
        (282, 44, []),
    ],
)
def test_what_is_needed_is_counted_by_hand(disk_gb, memory_gb, words, tmp_path, monkeypatch):
    """24 RGB images of 30,000 x 30,000: 13 bytes a pixel on the disk, 48 for one in memory."""
    monkeypatch.setattr(room, "free_disk_mb", lambda folder: disk_gb * GB)
    monkeypatch.setattr(room, "available_memory_mb", lambda: memory_gb * GB)
    error = ""
    try:
        room.check_room(24, (30000, 30000), 3, tmp_path)
    except DataError as refused:
        error = str(refused)

    assert bool(error) == bool(words)
    assert all(word in error for word in words), error
    assert "data.size" in error or not words
