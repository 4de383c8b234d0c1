"""A metric of one's own, from counts: it joins METRICS for as long as this process runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from segsweep.errors import ConfigError
from segsweep.metrics.formulas import METRICS
from segsweep.metrics.metric import COUNTS, Counts, Metric, PerImage

_TRIED = ((0, 3, 2, 0, 7, 0), (0, 1, 0, 4, 0, 0), (0, 2, 5, 0, 0, 2), (9, 0, 1, 0, 8, 1))
"""tp, fp, fn and tn of images with which a new metric is tried, some of them 0 in each."""


def add_metric(metric: Metric) -> str:
    """Let *metric* be compared by its name in this process, and return the name.

    Counts are stored for every run, so it is computed of sweeps that have ended, too.

    Raises ConfigError if its name is taken, if it is not a function of counts, or if the function
    does not return one number within `limits` for each image; also when it is used.
    """
    known = METRICS.get(metric.name)
    if known is not None and isinstance(known.function, _Checked) and known.function.of is metric:
        return metric.name
    if known is not None or not metric.name.isidentifier():
        reason = "segsweep has a metric of this name" if known is not None else "not a plain word"
        raise ConfigError(f"metric {metric.name!r}: {reason}; give it another name")
    if metric.function is None or metric.column or metric.validated:
        raise ConfigError(
            f"metric {metric.name!r}: give a function of counts, without stored, column and "
            "validated, which are for what segsweep stores"
        )
    import numpy as np

    checked = replace(metric, function=_Checked(metric))
    for shape in ((6,), (1, 6)):
        checked.of_images(tuple(np.asarray(row, np.int64).reshape(shape) for row in _TRIED))
    METRICS[metric.name] = checked
    return metric.name


@dataclass(frozen=True)
class _Checked:
    """A user's function whose results are checked wherever it is called."""

    of: Metric

    def __call__(self, tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> PerImage:
        """Return a number for each image; ConfigError names the metric and what is wrong."""
        import numpy as np

        own = [np.array(row) for row in np.broadcast_arrays(tp, fp, fn, tn)]
        for row in own:
            row.setflags(write=False)  # they are used further
        metric, (low, high) = self.of, self.of.limits
        assert metric.function is not None, "it was checked"
        try:
            with np.errstate(divide="ignore", invalid="ignore"):  # what comes of it is checked
                values = np.asarray(metric.function(*own), np.float64)
        except Exception as error:  # a user's function may raise anything
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
            raise ConfigError(f"metric {metric.name!r}: its function failed ({reason})") from error
        start = f"metric {metric.name!r}: its function must return one number in "
        start += f"[{low:g}, {high:g}] (`limits`) for each image; got "
        if values.shape != own[0].shape:
            raise ConfigError(f"{start}shape {values.shape} for shape {own[0].shape}")
        empty = sum(own[:3]) == 0  # their value is `both_empty`
        wrong = ~((values >= low) & (values <= high)) & ~empty
        if wrong.any():
            worst = int(np.argmax(wrong))
            pairs = zip(COUNTS, own, strict=True)
            at = ", ".join(f"{key} {int(row.flat[worst])}" for key, row in pairs)
            raise ConfigError(f"{start}{values.flat[worst]:g} for {at}")
        return values
