"""Bytes in words: units of 1000, as disks and most tools count."""

import pytest

from segsweep.system.units import size_text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 kB"),
        (420, "0.4 kB"),
        (12_000, "12 kB"),
        (999_499, "999 kB"),
        (999_600, "1.0 MB"),
        (420_000, "420 kB"),
        (3_600_000, "3.6 MB"),
        (80 * 2**20, "84 MB"),
        (9_100_000_000, "9.1 GB"),
        (24_000_000_000, "24.0 GB"),
        (512e9, "512 GB"),
        (3e12, "3.0 TB"),
        (4e15, "4000 TB"),
    ],
)
def test_sizes_in_words(size, text):
    """Two or three digits are enough to plan with."""
    assert size_text(size) == text
