"""Outlines of masks: with them the report draws predictions, at a hundredth of the size.

A run stores `outlines.json`: {"size": [H, W], "images": {id: {"truth": rings, "predicted":
rings}}}; a ring is a closed line [x0, y0, x1, y1, ...] in pixels of the training size, where
(0, 0) is the centre of the first pixel. A hole is a ring too. An image with ignored pixels also
has "ignored": the rings around them. Where images keep their own size, each has a "size" of its
own, in blocks of pixels if it is large.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from segsweep.data.native import Masks, NativeMasks
from segsweep.data.shrunk import block_side, shrunk_labels, shrunk_mask
from segsweep.data.source import IGNORED

MOST_IMAGES = 2000
"""Maximum number of images, the first ones; one of 128 pixels takes 6 ms and 0.6 kB."""
TOLERANCE = 0.7
"""Largest distance between a line and the mask's border, in pixels."""
MOST_RINGS = 50
"""Maximum number of rings per mask, the longest ones; a noisy mask has thousands."""
Rings = list[list[float]]


class Outlines:
    """Collects the outlines of the test set while it is scored."""

    def __init__(self, masks: Masks, ids: Sequence[str]) -> None:
        """*masks*, each (1, H, W) in {0, 1, IGNORED}, and *ids* belong to the whole data set."""
        self._masks, self._ids = masks, ids
        self._images: dict[str, dict[str, object]] = {}

    def add(self, row: int, predicted: NDArray[np.bool_]) -> None:
        """Add the image in *row* of the data set with its predicted mask (H, W)."""
        if len(self._images) >= MOST_IMAGES:
            return
        found: dict[str, object] = {}
        labels = self._masks[row][0]
        if isinstance(self._masks, NativeMasks):
            side = block_side(labels.shape)
            labels, predicted = shrunk_labels(labels, side), shrunk_mask(predicted, side)
            found["size"] = list(labels.shape)
        found |= {"truth": rings_of(labels == 1), "predicted": rings_of(predicted)}
        if (ignored := labels == IGNORED).any():
            found["ignored"] = rings_of(ignored)
        self._images[self._ids[row]] = found

    @property
    def values(self) -> dict[str, object]:
        """The content of `outlines.json`."""
        if isinstance(self._masks, NativeMasks):
            return {"images": self._images}
        return {"size": list(self._masks.shape[-2:]), "images": self._images}


def rings_of(mask: NDArray[np.bool_]) -> Rings:
    """Return the closed lines around the foreground of *mask* (H, W), longest first."""
    from skimage.measure import approximate_polygon, find_contours

    # the added border of background closes the lines that touch the image's edge
    found = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    longest = sorted(found, key=len, reverse=True)[:MOST_RINGS]
    simplified = [approximate_polygon(line, TOLERANCE) for line in longest]
    rings = [
        simple if len(simple) > 4 else line  # a tiny mask keeps its shape
        for simple, line in zip(simplified, longest, strict=True)
    ]
    return [np.round(ring[:-1, ::-1] - 1, 1).ravel().tolist() for ring in rings]
