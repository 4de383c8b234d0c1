"""Outlines of masks: what a report needs to draw a prediction, at a hundredth of its size.

A run stores `outlines.json`: {"size": [H, W], "images": {id: {"truth": rings, "predicted":
rings}}}; a ring is a closed line [x0, y0, x1, y1, ...] in pixels of the training size, where
(0, 0) is the centre of the first pixel. A hole is a ring too.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_IMAGES = 2000
"""Of a larger test set the first so many are outlined: 6 ms and .6 kB an image at 128 pixels."""
TOLERANCE = 0.7
"""Pixels that a line may deviate from the mask's border."""
MOST_RINGS = 50
"""Of one mask: specks of noise are not worth the disk."""
Rings = list[list[float]]


class Outlines:
    """Collects the outlines of a test set while it is scored."""

    def __init__(self, masks: NDArray[np.uint8], ids: Sequence[str]) -> None:
        """*masks* (N, 1, H, W) in {0, 1} and *ids* of the whole data set, by row."""
        self._masks, self._ids = masks, ids
        self.values: dict[str, Any] = {"size": list(masks.shape[-2:]), "images": {}}

    def add(self, row: int, predicted: NDArray[np.bool_]) -> None:
        """Add the image in *row* of the data set with its predicted mask (H, W)."""
        if len(self.values["images"]) < MOST_IMAGES:
            truth = rings_of(self._masks[row, 0] > 0)
            both = {"truth": truth, "predicted": rings_of(predicted)}
            self.values["images"][self._ids[row]] = both


def rings_of(mask: NDArray[np.bool_]) -> Rings:
    """Return the closed lines around the foreground of *mask* (H, W), longest first."""
    from skimage.measure import approximate_polygon, find_contours

    # a border of background closes the lines of what touches the image's edge
    found = find_contours(np.pad(mask, 1).astype(np.float32), 0.5)
    longest = sorted(found, key=len, reverse=True)[:MOST_RINGS]
    short = [approximate_polygon(line, TOLERANCE) for line in longest]
    rings = [few if len(few) > 4 else line for few, line in zip(short, longest, strict=True)]
    return [np.round(ring[:-1, ::-1] - 1, 1).ravel().tolist() for ring in rings]
