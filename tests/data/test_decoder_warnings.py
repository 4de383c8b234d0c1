"""Warnings while several threads decode: bombs raise in all, and the filters come back."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from segsweep.data.decoder_warnings import only_bombs


def warned_of():
    """Return which of two warnings raises."""
    raised = []
    for kind in (UserWarning, Image.DecompressionBombWarning):
        try:
            warnings.warn("text", kind, stacklevel=1)
        except Warning as warning:
            raised.append(type(warning))
    return raised


def test_blocks_that_overlap_leave_the_filters_as_they_were():
    """The first block ends while the second is open, as with `catch_warnings` it must not."""
    before = list(warnings.filters)
    first_is_open, second_is_open, first_ended = (threading.Event() for _ in range(3))

    def first():
        with only_bombs():
            first_is_open.set()
            assert second_is_open.wait(20)
            return warned_of()

    def second():
        assert first_is_open.wait(20)
        with only_bombs():
            second_is_open.set()
            assert first_ended.wait(20)
            return warned_of()

    with ThreadPoolExecutor(2) as pool:
        one, other = pool.submit(first), pool.submit(second)
        assert one.result(20) == [Image.DecompressionBombWarning]
        first_ended.set()
        assert other.result(20) == [Image.DecompressionBombWarning]

    assert list(warnings.filters) == before


def test_an_error_in_the_block_gives_the_filters_back():
    """Also a damaged file ends the block."""
    before = list(warnings.filters)
    with pytest.raises(OSError, match="damaged"), only_bombs(), only_bombs():
        raise OSError("damaged")

    assert list(warnings.filters) == before
