"""Distances between the outlines of two masks, in pixels: hd95, assd and nsd.

An outline is the foreground pixels that have background, or the image's edge, on one of their four
sides. Distances are Euclidean, between the centres of pixels.
"""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, distance_transform_edt

Mask = NDArray[np.bool_]
Distances = NDArray[np.float64]
PERCENTILE = 95


def surface_metrics(predicted: Mask, truth: Mask, tolerance: float) -> dict[str, float]:
    """Return hd95, assd and nsd of two masks of one shape (H, W), by name.

    Two empty masks are equal: 0, 0 and 1. Where one of them is empty, no distance is defined; hd95
    and assd are then the image's diagonal, more than any two pixels are apart, and nsd is 0.

    Args:
        predicted: of the network.
        truth: what is there.
        tolerance: a distance up to this one counts as none for nsd, in pixels.

    """
    some = bool(predicted.any()), bool(truth.any())
    if not all(some):
        far = math.hypot(*truth.shape) if any(some) else 0.0
        return {"hd95": far, "assd": far, "nsd": 0.0 if any(some) else 1.0}
    there, back = surface_distances(predicted, truth)
    both = np.concatenate([there, back])
    return {
        "hd95": float(max(np.percentile(there, PERCENTILE), np.percentile(back, PERCENTILE))),
        "assd": float(both.mean()),
        "nsd": float((both <= tolerance).mean()),
    }


def surface_distances(first: Mask, second: Mask) -> tuple[Distances, Distances]:
    """Return, of each outline, the distance of every pixel to the other one; neither is empty.

    Only the part of the image that holds both outlines is searched.
    """
    part = _bounds(first | second)
    one, other = outline(first[part]), outline(second[part])
    return distance_transform_edt(~other)[one], distance_transform_edt(~one)[other]


def outline(mask: Mask) -> Mask:
    """Return the foreground pixels with background, or the edge, on one of their four sides."""
    inside: Mask = binary_erosion(mask)
    return mask & ~inside


def _bounds(mask: Mask) -> tuple[slice, slice]:
    """Return the smallest rectangle that holds all foreground."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
