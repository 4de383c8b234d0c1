"""Draw sweeps with a known truth: IoU values of cells x seeds x images, varying as in practice."""

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from other_methods import Sweep

from segsweep.stats.values import Values

IMAGE, CELL_IMAGE, SEED, REST = 0.1, 0.02, 0.012, 0.045
MEAN, IMAGES, GAP = 0.86, 50, 0.03
ERROR = 1 - MEAN
LAYOUT = {2: (1, 2), 4: (2, 2), 20: (4, 5)}
"""Number of cells -> numbers of architectures and losses."""


class Setting(NamedTuple):
    """The parameters of a simulated sweep."""

    seeds: int
    cells: int
    sds: str
    """equal | spread: whether cells have the same sd over seeds"""
    values: str
    """normal | skewed"""
    gap: float
    """True lead of the first cell, 0 or GAP"""
    pilot: int = 0
    """Seeds of a first sweep that determines the seeds of the second by its advice; 0: none"""


def draw(
    setting: Setting,
    generator: np.random.Generator,
    seeds: int,
    gaps: NDArray[np.float64] | None = None,
) -> Sweep:
    """Return one sweep with *seeds* per cell: test values, and validation means.

    *gaps* are the true leads of the cells; None: that of the setting for the first one.
    """
    spread = generator.standard_normal(setting.cells) * (0.5 if setting.sds == "spread" else 0)
    luck = generator.standard_normal((setting.cells, seeds)) * (SEED * np.exp(spread))[:, None]
    if gaps is None:
        gaps = np.zeros(setting.cells)
        gaps[0] = setting.gap
    draw_images = _normal if setting.values == "normal" else _skewed
    shift = gaps[:, None] + luck
    return Sweep(draw_images(shift, generator), draw_images(shift, generator).mean((1, 2)))


def _normal(shift: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    cells, seeds = shift.shape
    image = MEAN + IMAGE * generator.standard_normal(IMAGES)
    own = CELL_IMAGE * generator.standard_normal((cells, 1, IMAGES))
    return image + own + shift[..., None] + REST * generator.standard_normal((cells, seeds, IMAGES))


def _skewed(shift: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Values in [0, 1] with a long lower tail: hard images vary more, as real IoU does.

    1 - value is a product of independent factors: its mean is exactly ERROR - shift.
    """
    cells, seeds = shift.shape
    total = ERROR * MEAN / IMAGE**2 - 1
    error = generator.beta(ERROR * total, MEAN * total, IMAGES)
    size = np.hypot(IMAGE, ERROR)
    own = _around_one(generator, CELL_IMAGE / size, (cells, 1, IMAGES))
    rest = _around_one(generator, REST / size, (cells, seeds, IMAGES))
    return 1 - np.minimum(error * own * rest * np.maximum(1 - shift / ERROR, 0)[..., None], 1)


def _around_one(
    generator: np.random.Generator, sd: float, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    variance = np.log1p(sd**2)
    return np.exp(np.sqrt(variance) * generator.standard_normal(shape) - variance / 2)


def values(sweep: Sweep) -> Values:
    """Return a sweep in the form that `segsweep.stats` takes."""
    cells, seeds, images = sweep.test.shape
    models, losses = LAYOUT[cells]
    names = [f"m{model}/l{loss}" for model, loss in product(range(models), range(losses))]
    numbers = tuple(str(seed) for seed in range(seeds))
    ids = tuple(f"{image:03d}" for image in range(images))
    return Values(tuple(names), tuple(sweep.test), (numbers,) * cells, ids, np.arange(images))
