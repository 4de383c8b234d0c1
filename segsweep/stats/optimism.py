"""How much of the winner's lead is luck with the images it was chosen on."""

from dataclasses import dataclass

import numpy as np

from segsweep.stats.values import Array, Values

DRAWS = 2_000
AT_ONCE = 200


@dataclass(frozen=True)
class Optimism:
    """The cell chosen on drawn images, on those images and on the ones left out."""

    chosen: float
    """Its mean on the images it was chosen on, beyond the mean of all cells."""
    left_out: float
    """Its mean on the others, likewise."""

    @property
    def gap(self) -> float:
        """What choosing adds by luck."""
        return self.chosen - self.left_out


def optimism(values: Values, seed: int, draws: int = DRAWS) -> Optimism:
    """Return the winner's optimism: groups of images are drawn with replacement.

    The cells' common ups and downs over images are taken off first: they are no lead.
    """
    means = values.means
    count = int(values.groups.max(initial=-1)) + 1
    if len(means) < 2 or count < 2:
        return Optimism(np.nan, np.nan)
    generator = np.random.default_rng(seed + 3)
    lead = means - means.mean(0)
    results = [_once(generator, lead, values, count, AT_ONCE) for _ in range(draws // AT_ONCE)]
    chosen, left_out = np.nanmean(np.concatenate(results, axis=1), axis=1)
    return Optimism(float(chosen), float(left_out))


def _once(
    generator: np.random.Generator, lead: Array, values: Values, count: int, draws: int
) -> Array:
    """Return (2, draws): the chosen cell's lead on drawn images and on those left out."""
    drawn = generator.multinomial(count, np.full(count, 1 / count), draws)
    times = drawn[:, values.groups].astype(float)
    inside = times @ lead.T / times.sum(1, keepdims=True)
    out = (times == 0).astype(float)
    with np.errstate(invalid="ignore"):
        outside = out @ lead.T / out.sum(1, keepdims=True)
    row, winner = np.arange(draws), inside.argmax(1)
    return np.array([inside[row, winner], outside[row, winner]])
