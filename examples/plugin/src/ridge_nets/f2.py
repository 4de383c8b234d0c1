"""F2: Dice that counts a missed pixel as much as four false ones."""

import numpy as np
from numpy.typing import NDArray

from segsweep.metrics import Metric, ratio

Counts = NDArray[np.int64]


def f2(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> NDArray[np.float64]:
    """Return 5 tp / (5 tp + 4 fn + fp) of each image, in [0, 1]; both masks empty is 1."""
    return ratio(5 * tp, 5 * tp + 4 * fn + fp, 1.0)


F2 = Metric(
    name="f2",
    label="F2",
    description="5 tp / (5 tp + 4 fn + fp): a missed pixel counts as much as four false ones",
    function=f2,
)
