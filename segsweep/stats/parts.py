"""Variance components of the cells' means: seeds, and test images."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.values import Array, Values


@dataclass(frozen=True)
class Parts:
    """Means and variance components of C cells, from n images in G groups."""

    mean: Array
    """(C,)"""
    seeds: NDArray[np.int64]
    """(C,) Number of seeds."""
    variance: Array
    """(C,) Of the means of single seeds: seed variance + residual / n. NaN for one seed."""
    sigma: Array
    """(C, C) Covariance of the cells' means due to the sampling of images."""
    residual: Array
    """(C,) Residual (seed x image) part that was subtracted from the diagonal of *sigma*."""
    sd_seeds: Array
    """(C,) Of seeds alone, from the two-way layout; NaN for one seed."""
    sd_images: Array
    """(C,) Of images alone; with one seed the residual is included."""
    groups: int
    """G: number of independent groups of images."""

    def only(self, cells: NDArray[np.int64]) -> "Parts":
        """Return the parts of the cells at these positions."""
        return Parts(
            self.mean[cells],
            self.seeds[cells],
            self.variance[cells],
            self.sigma[np.ix_(cells, cells)],
            self.residual[cells],
            self.sd_seeds[cells],
            self.sd_images[cells],
            self.groups,
        )

    def of_trained_networks(self) -> "Parts":
        """Return the parts for inference on these trained networks only: the residual is kept."""
        whole = self.sigma + np.diag(self.residual)
        return replace(self, sigma=whole, residual=np.zeros_like(self.residual))


def parts_of(values: Values) -> Parts:
    """Return means and variance components of *values*."""
    mean = np.array([table.mean() for table in values.tables])
    _, first, number = np.unique(values.classes, return_index=True, return_inverse=True)
    mean = mean[first][number]  # equal cells may have summed their seeds in another order
    seeds = np.array([len(table) for table in values.tables])
    groups = int(values.groups.max(initial=-1)) + 1
    two_way = np.array([two_way_sds(table) for table in values.tables])
    variance = np.array([seed_variance(table) for table in values.tables])
    sigma, residual = image_covariance(values)
    return Parts(mean, seeds, variance, sigma, residual, two_way[:, 0], two_way[:, 1], groups)


def seed_variance(table: Array) -> float:
    """Return the sample variance of the means of the seeds of a (seeds, images) table."""
    return float(table.mean(1).var(ddof=1)) if len(table) > 1 else np.nan


def two_way_sds(table: Array) -> tuple[float, float]:
    """Return the standard deviations over seeds and over images of a (seeds, images) table.

    (MS_seed - MS_res) / n and (MS_image - MS_res) / S, at least 0. With one seed the first is
    NaN and the second is the plain standard deviation over images.
    """
    seeds, images = table.shape
    if images < 2:
        return np.nan, np.nan
    if seeds < 2:
        return np.nan, float(table.std(ddof=1))
    residual = float((_residuals(table) ** 2).sum()) / ((seeds - 1) * (images - 1))
    of_seeds = table.mean(1).var(ddof=1) - residual / images
    of_images = table.mean(0).var(ddof=1) - residual / seeds
    return float(np.sqrt(max(of_seeds, 0.0))), float(np.sqrt(max(of_images, 0.0)))


def image_covariance(values: Values) -> tuple[Array, Array]:
    """Return sigma (C, C), the covariance of the cells' means over images, and residual (C,).

    Sums per group make it robust to correlation within groups (cluster-robust). The residual is
    seed noise on single images, not a property of the images: it is subtracted from the diagonal.
    """
    means, groups = values.means, values.groups
    count = int(groups.max(initial=-1)) + 1
    if count < 2:
        return np.zeros((len(means), len(means))), np.zeros(len(means))
    scale = count / (count - 1) / len(groups) ** 2
    sums = _group_sums(means - means.mean(1, keepdims=True), groups, count)
    rest = np.array([_residual_part(table, groups, count) for table in values.tables])
    return positive(scale * sums @ sums.T, scale * rest), scale * rest


def positive(sigma: Array, residual: Array) -> Array:
    """Return *sigma* minus the diagonal *residual*, projected to be positive semidefinite.

    Negative eigenvalues are set to 0.
    """
    weight, direction = np.linalg.eigh(sigma - np.diag(residual))
    return (direction * np.maximum(weight, 0.0)) @ direction.T


def _residual_part(table: Array, groups: NDArray[np.int64], count: int) -> float:
    """Return the residual part of the sum over groups of squared sums; 0 for one seed."""
    seeds = len(table)
    if seeds < 2:
        return 0.0
    sums = _group_sums(_residuals(table), groups, count)
    return float((sums**2).sum()) / (seeds * (seeds - 1))


def _residuals(table: Array) -> Array:
    return table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()


def _group_sums(rows: Array, groups: NDArray[np.int64], count: int) -> Array:
    """Return the sums over the images of each group, (rows, groups)."""
    if count == rows.shape[1]:
        return rows
    member = np.zeros((rows.shape[1], count))
    member[np.arange(rows.shape[1]), groups] = 1.0
    return rows @ member
