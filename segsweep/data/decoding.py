"""What is taken from an image file: which page, which values are black and white, alpha."""

import math
from dataclasses import dataclass, replace

import numpy as np

from segsweep.data.source import Raw

NO_ALPHA = "no alpha channel, which data.foreground=alpha needs"
FULL, SMALL_PART = 65535, 0.25
"""The range of 16 bits; images that all stay below this part of it hold 14 bits or fewer."""


def narrow_range(brightest: int) -> int | None:
    """Return the value that is white in images of 16 bits that hold 14 or fewer; else None."""
    return (1 << brightest.bit_length()) - 1 if 0 < brightest <= FULL * SMALL_PART else None


@dataclass(frozen=True)
class Decoding:
    """What `decode` takes from a file; the defaults are what the first release took."""

    page: int | None = None
    """Of files with several pages the one to read, from 1; None: such files are refused."""
    span: tuple[float, float] | None = None
    """The stored values that become 0 and 1 in an image; None: those of the file's type."""
    alpha: bool = False
    """Whether the alpha channel is read in place of the colours."""

    @classmethod
    def of(cls, page: int | None, span: list[float] | None) -> "Decoding":
        """Return what a config's keys `page` and `range` mean."""
        if page is not None and page < 1:
            raise ValueError(f"page must be >= 1, the first page, or null; got {page}")
        if span is None:
            return cls(page)
        finite = len(span) == 2 and all(map(math.isfinite, span))
        if not finite or not span[0] < span[1]:
            raise ValueError(f"range must be [low, high] with low < high, or null; got {span}")
        return cls(page, (float(span[0]), float(span[1])))

    def for_mask(self, alpha: bool) -> "Decoding":
        """Return how the masks of the same data set are decoded."""
        return replace(self, span=None, alpha=alpha)

    def scaled(self, values: Raw) -> Raw:
        """Return values with `span` as 0 to 1, those outside cut off; unchanged without a span."""
        if self.span is None:
            return values
        low, high = self.span
        part = (values.astype(np.float64) - low) / (high - low)
        return np.clip(part, 0, 1).astype(np.float32)

    def __str__(self) -> str:
        page = "" if self.page is None else f" page={self.page}"
        return page if self.span is None else f"{page} range={self.span[0]:g},{self.span[1]:g}"
