"""A metric of one's own, from counts: it joins METRICS for as long as this process runs."""

from __future__ import annotations

from segsweep.metrics.formulas import METRICS
from segsweep.metrics.metric import COUNTS, Metric

_TRIED = ((0, 3, 2, 0, 7, 0), (0, 1, 0, 4, 0, 0), (0, 2, 5, 0, 0, 2), (9, 0, 1, 0, 8, 1))
"""tp, fp, fn and tn of images with which a new metric is tried, some of them 0 in each."""


def add_metric(metric: Metric) -> str:
    """Let *metric* be compared by its name in this process, and return the name.

    Counts are stored for every run, so it is computed of sweeps that have ended, too.

    Raises ValueError if its name is taken, if it is not a function of counts, or if the function
    does not return one number within `limits` for each image.
    """
    known = METRICS.get(metric.name)
    if known is metric:
        return metric.name
    if known is not None or not metric.name.isidentifier():
        reason = "segsweep has a metric of this name" if known is not None else "not a plain word"
        raise ValueError(f"metric {metric.name!r}: {reason}; give it another name")
    if metric.function is None or metric.column or metric.validated:
        raise ValueError(
            f"metric {metric.name!r}: give a function of counts, without stored, column and "
            "validated, which are for what segsweep stores"
        )
    _try(metric)
    METRICS[metric.name] = metric
    return metric.name


def _try(metric: Metric) -> None:
    """Raise ValueError unless the function returns a number for each image, of any shape."""
    import numpy as np

    low, high = metric.limits
    for shape in ((6,), (1, 6)):
        counts = tuple(np.asarray(row, np.int64).reshape(shape) for row in _TRIED)
        try:
            values = metric.of_images(counts)
        except Exception as error:  # a user's function may raise anything
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
            raise ValueError(f"metric {metric.name!r}: its function failed ({reason})") from error
        good = (values >= low) & (values <= high) if values.shape == shape else np.asarray([False])
        if not good.all():
            worst = int(np.argmin(good))
            at = ", ".join(
                f"{key} {int(row.flat[worst])}" for key, row in zip(COUNTS, counts, strict=True)
            )
            found = f"{values.flat[worst]:g} for {at}" if good.size > 1 else f"shape {values.shape}"
            raise ValueError(
                f"metric {metric.name!r}: its function must return one number in "
                f"[{low:g}, {high:g}] (`limits`) for each image; got {found}"
            )
