"""Building blocks of synthetic images, as arrays over the image: noise, strokes, light.

x and y go from -1 to 1. Everything is float64 with a fixed order of operations: differences in
rounding between machines are smaller than a step of an 8-bit pixel.
"""

from functools import lru_cache

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Array = NDArray[np.float64]


@lru_cache(maxsize=8)
def grid(side: int) -> tuple[Array, Array]:
    """Return x and y of the pixel centres, -1 to 1, as a row and a column."""
    line = (np.arange(side) + 0.5) / side * 2 - 1
    return line[None, :], line[:, None]


@lru_cache(maxsize=256)
def spline(cells: int, side: int) -> tuple[NDArray[np.intp], Array]:
    """Return for each pixel of a line the first of its four lattice points, and the weights."""
    place = (np.arange(side) + 0.5) / side * cells
    first = place.astype(np.intp)
    t = place - first
    weights = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    return first, np.stack(weights) / 6


def noise(rng: Generator, side: int, cells: int, across: int = 0) -> Array:
    """Return smooth noise, mean 0 and deviation about 1, with *cells* lattice steps per side.

    Sums four terms per pixel in a fixed order: a matrix product would be rounded differently on
    other machines.
    """
    across = across or cells
    lattice = rng.standard_normal((cells + 3, across + 3))
    first, weight = spline(cells, side)
    rows = sum(weight[k][:, None] * lattice[first + k] for k in range(4))
    first, weight = spline(across, side)
    field: Array = sum(weight[k] * rows[:, first + k] for k in range(4))
    return field / 0.479  # the spline keeps 151/315 of the variance, along each axis


def step(value: Array) -> Array:
    """Return 0 below 0, 1 above 1, and a smooth rise between."""
    t = np.clip(value, 0, 1)
    return t * t * (3 - 2 * t)


def dimmed(image: Array, amount: Array, colour: Array) -> Array:
    """Multiply *image* by *colour* where *amount* is 1; leave it unchanged where it is 0."""
    return image * (1 - amount * (1 - colour[:, None, None]))


def cover(image: Array, amount: Array, colour: Array) -> Array:
    """Show *colour* where *amount* is 1 and *image* where it is 0."""
    return image + amount * (colour[:, None, None] - image)


def strokes(side: int, x: Array, y: Array, width: float) -> Array:
    """Return the ink, 0 to 1, of a pen of *width* (the side is 2) drawn along the points x, y."""
    from scipy import ndimage  # slow to import, and cached images need none of it

    column, row = (x + 1) / 2 * side, (y + 1) / 2 * side
    on = (column >= 0) & (column < side) & (row >= 0) & (row < side)
    pixel = row[on].astype(np.intp) * side + column[on].astype(np.intp)
    line = np.minimum(np.bincount(pixel, minlength=side * side), 1.0).reshape(side, side)
    spread = max(width * side / 4, 0.35)
    # a line one pixel wide, blurred, peaks at 1 / (2.5 spread): scaled to a little over 1
    return np.minimum(ndimage.gaussian_filter(line, spread, truncate=3) * 3 * spread, 1)


def curves(rng: Generator, number: int, bend: float, steps: int) -> tuple[Array, Array]:
    """Return points (number, steps) along curves that cross the image in similar directions."""
    t = np.linspace(0, 1, steps)
    start = rng.uniform(-1.2, 1.2, (2, number, 1))
    way = rng.uniform(-1.5, 1.5, (2, 1, 1)) + 0.6 * rng.standard_normal((2, number, 1))
    pull = bend * rng.standard_normal((2, number, 1))
    x, y = start + way * t + pull * t * (1 - t)
    return x, y
