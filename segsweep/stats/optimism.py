"""Selection bias: how much of the best cell's lead is due to the images it was chosen on."""

from dataclasses import dataclass

import numpy as np

from segsweep.stats.values import Array, Values

DRAWS = 2_000
AT_ONCE = 200


@dataclass(frozen=True)
class Optimism:
    """Lead of the cell chosen on a bootstrap sample of images, in and out of the sample."""

    chosen: float
    """Its mean on the sampled images minus the mean of all cells."""
    left_out: float
    """The same on the images that were not sampled."""

    @property
    def gap(self) -> float:
        """Selection bias: the lead that is due to choosing."""
        return self.chosen - self.left_out


def optimism(values: Values, seed: int, draws: int = DRAWS) -> Optimism:
    """Return the optimism of the best cell; groups of images are drawn with replacement.

    The mean over cells is subtracted from each image first, so only leads remain.
    """
    means = values.means
    count = int(values.groups.max(initial=-1)) + 1
    if len(means) < 2 or count < 2:
        return Optimism(np.nan, np.nan)
    generator = np.random.default_rng(seed + 3)
    lead = means - means.mean(0)
    results = [_resampled(generator, lead, values, count, AT_ONCE) for _ in range(draws // AT_ONCE)]
    chosen, left_out = np.nanmean(np.concatenate(results, axis=1), axis=1)
    return Optimism(float(chosen), float(left_out))


def _resampled(
    generator: np.random.Generator, lead: Array, values: Values, count: int, draws: int
) -> Array:
    """Return (2, draws): lead of the chosen cell on sampled images and on the others."""
    drawn = generator.multinomial(count, np.full(count, 1 / count), draws)
    times = drawn[:, values.groups].astype(float)
    inside = times @ lead.T / times.sum(1, keepdims=True)
    out = (times == 0).astype(float)
    with np.errstate(invalid="ignore"):
        outside = out @ lead.T / out.sum(1, keepdims=True)
    row, winner = np.arange(draws), inside.argmax(1)
    return np.array([inside[row, winner], outside[row, winner]])
