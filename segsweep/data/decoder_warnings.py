"""What image decoders warn of: decompression bombs are raised as errors, the rest is ignored.

Python's filters belong to the process, and `warnings.catch_warnings` in two threads can leave
the filters of one behind. Here the first thread sets them and the last one takes them back.
"""

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image


class _Shared:
    """The filters, and how many blocks need them now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._before = warnings.catch_warnings()

    @contextmanager
    def filtered(self) -> Iterator[None]:
        """Set the filters for the block, unless another thread has done so."""
        with self._lock:
            if not self._blocks:
                self._before = warnings.catch_warnings()
                self._before.__enter__()
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
            self._blocks += 1
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if not self._blocks:
                    self._before.__exit__(None, None, None)


only_bombs = _Shared().filtered
"""Within the block a decompression bomb raises and no other warning is shown, in any thread."""


@contextmanager
def large_images(pixels: int) -> Iterator[None]:
    """Within the block, of one thread at a time, images of up to *pixels* are no bombs."""
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, pixels
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = before
