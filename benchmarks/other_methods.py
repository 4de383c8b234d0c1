"""Common ways to compare cells: each returns (cells, cells), True if row is called better.

Most compare one cell with the rest: the leader, which has the best validation mean.
"""

import io
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import NamedTuple

import numpy as np
from classic import holm, wilcoxon_over_images
from numpy.typing import NDArray
from scipy import stats

LEVEL, RESAMPLES = 0.05, 1_000
Floats = NDArray[np.float64]
Better = NDArray[np.bool_]


class Sweep(NamedTuple):
    """Values of one simulated sweep."""

    test: Floats
    """(cells, seeds, images)"""
    validation: Floats
    """(cells,): means over the validation images, of the same networks"""


def wilcoxon_one_pair(sweep: Sweep, generator: np.random.Generator) -> Better:
    """Wilcoxon over images between the first two cells, chosen in advance."""
    first, second = sweep.test[:2].mean(1)
    p = float(wilcoxon_over_images(first, second))
    better = _no_claims(sweep)
    better[0, 1] = p <= LEVEL and first.mean() > second.mean()
    better[1, 0] = p <= LEVEL and first.mean() < second.mean()
    return better


def wilcoxon(sweep: Sweep, generator: np.random.Generator) -> Better:
    """Wilcoxon over images, the leader against each other cell, Holm."""
    leader, others = _leader(sweep)
    means = sweep.test.mean(1)
    p = wilcoxon_over_images(means[[leader]], means[others])
    return _claims(sweep, leader, others, p)


def t_test(sweep: Sweep, generator: np.random.Generator) -> Better:
    """Welch's t test over seeds, the leader against each other cell, Holm."""
    leader, others = _leader(sweep)
    means = sweep.test.mean(2)
    p = stats.ttest_ind(means[[leader]], means[others], axis=1, equal_var=False).pvalue
    return _claims(sweep, leader, others, p)


def bootstrap(sweep: Sweep, generator: np.random.Generator) -> Better:
    """Images and seeds drawn with replacement, the leader against each other cell, Holm."""
    leader, others = _leader(sweep)
    cells, seeds, images = sweep.test.shape
    of_images = generator.multinomial(images, np.full(images, 1 / images), RESAMPLES) / images
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), (cells, RESAMPLES)) / seeds
    means = np.einsum("csb,cbs->cb", sweep.test @ of_images.T, of_seeds)
    difference = means[[leader]] - means[others]
    below = np.minimum((difference <= 0).sum(1), (difference >= 0).sum(1))
    return _claims(sweep, leader, others, np.minimum(2 * (below + 1) / (RESAMPLES + 1), 1))


def autorank(sweep: Sweep, generator: np.random.Generator) -> Better | None:
    """Herbold's autorank over images; None if it is not installed."""
    try:
        from autorank import autorank as rank
    except ImportError:
        return None
    from pandas import DataFrame

    means = sweep.test.mean(1)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints its tables
        warnings.simplefilter("ignore")
        result = rank(DataFrame(means.T), alpha=LEVEL, verbose=False, order="descending")
    return _autorank_claims(result, means)


def _autorank_claims(result: NamedTuple, means: Floats) -> Better:
    """Return the pairs that autorank separates: by critical distance of ranks or by intervals."""
    higher = means.mean(1)[:, None] > means.mean(1)[None, :]
    if result.pvalue >= result.alpha:
        return np.zeros_like(higher)
    if len(means) == 2:
        return higher
    frame = result.rankdf.loc[range(len(means))]
    if result.posthoc == "nemenyi":
        rank = frame["meanrank"].to_numpy()
        return rank[:, None] + result.cd < rank[None, :]
    low, high = frame["ci_lower"].to_numpy(), frame["ci_upper"].to_numpy()
    return low[:, None] > high[None, :]


def _leader(sweep: Sweep) -> tuple[int, NDArray[np.int64]]:
    leader = int(sweep.validation.argmax())
    return leader, np.delete(np.arange(len(sweep.test)), leader)


def _claims(sweep: Sweep, leader: int, others: NDArray[np.int64], p: Floats) -> Better:
    means = sweep.test.mean((1, 2))
    significant = holm(p) <= LEVEL
    better = _no_claims(sweep)
    better[leader, others] = significant & (means[leader] > means[others])
    better[others, leader] = significant & (means[leader] < means[others])
    return better


def _no_claims(sweep: Sweep) -> Better:
    return np.zeros((len(sweep.test), len(sweep.test)), bool)


METHODS: dict[str, Callable[[Sweep, np.random.Generator], Better | None]] = {
    function.__name__: function
    for function in (wilcoxon_one_pair, wilcoxon, t_test, bootstrap, autorank)
}
