"""Values of a metric over images: each image's own, their mean, and that of the summed counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segsweep.metrics.formulas import METRICS
from segsweep.metrics.metric import COUNTS, Counts, Empty, PerImage, Rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def per_image(
    metric: str,
    tp: Counts,
    fp: Counts,
    fn: Counts,
    tn: Counts,
    empty: Empty = "one",
    stored: ArrayLike | None = None,
) -> PerImage:
    """Return *metric* for each image, from counts of equal shape.

    With ``empty="skip"`` an image whose truth and prediction are both empty is NaN,
    so that a mean leaves it out; with ``"one"`` it has the metric's own value, `Metric.both_empty`.
    A metric that is a stored column needs the values of that column: *stored*.
    """
    import numpy as np

    tp, fp, fn, tn = (np.asarray(x, np.int64) for x in (tp, fp, fn, tn))
    values = METRICS[metric].of_images((tp, fp, fn, tn), stored)
    return np.where(tp + fp + fn == 0, np.nan, values) if empty == "skip" else values


def of_rows(metric: str, rows: Rows, empty: Empty = "one") -> PerImage:
    """Return *metric* for each row of a table with the columns of per_image.csv."""
    import numpy as np

    tp, fp, fn, tn = (np.asarray(rows[name], np.int64) for name in COUNTS)
    source = METRICS[metric].stored
    stored = None if source is None else np.asarray(rows[source], np.float64)
    return per_image(metric, tp, fp, fn, tn, empty, stored)


def mean_over_images(
    metric: str,
    tp: Counts,
    fp: Counts,
    fn: Counts,
    tn: Counts,
    empty: Empty = "one",
    stored: ArrayLike | None = None,
) -> float:
    """Return the headline: the mean of *metric* over images, NaN where none is left."""
    import numpy as np

    values = per_image(metric, tp, fp, fn, tn, empty, stored)
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if kept.size else float("nan")


def over_all_pixels(metric: str, tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> float:
    """Return *metric* of the summed counts: the data set's value, dominated by large objects."""
    import numpy as np

    tp, fp, fn, tn = (np.asarray(x, np.int64).sum() for x in (tp, fp, fn, tn))
    return float(METRICS[metric].of_images((tp, fp, fn, tn)))
