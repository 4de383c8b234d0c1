"""From pixel counts to metrics: every metric is one entry of METRICS. numpy only.

Four integers per image, true and false positives and negatives, are enough for most metrics.
One that needs more than counts is a stored column of per_image.csv. What an image with two
empty masks is worth is decided only here. numpy is imported on first use: configs need no arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Counts: TypeAlias = "NDArray[np.int64]"
Values: TypeAlias = "NDArray[np.float64]"
Empty = Literal["one", "skip"]
Function = Callable[[Counts, Counts, Counts, Counts], Values]
"""From tp, fp, fn and tn of equal shape to a value per image."""
Part = Literal["test", "val"]

COUNTS = ("tp", "fp", "fn", "tn")
SCORE_PERCENT = range(50, 100, 5)


class Rows(Protocol):
    """Columns by name: a DataFrame, or a dict of arrays."""

    def __getitem__(self, name: str, /) -> ArrayLike:
        """Return the column *name*."""
        ...


@dataclass(frozen=True)
class Metric:
    """One metric: how it is computed, and what the tables and the report need to know of it."""

    name: str
    """In columns and on the command line: test_<name>, val_<name>, `--metric <name>`."""
    label: str
    """What people read."""
    description: str
    """One line."""
    function: Function | None = None
    """Computes it from counts; None for a stored column."""
    stored: str | None = None
    """The column of per_image.csv that holds it, after tn; None for a function of counts."""
    higher_is_better: bool = True
    unit: str = ""
    limits: tuple[float, float] = (0.0, 1.0)
    """The lowest and the highest value."""
    margin: float = 0.01
    """Two means closer than this are equal for practical purposes."""
    empty: float = 1.0
    """The value of an image whose truth and prediction are both empty."""
    column: bool = False
    """Whether results.csv and comparison.csv have it whatever was compared."""
    validated: bool = False
    """Whether it is measured after every epoch: history.csv and results.csv have val_<name>."""

    def __post_init__(self) -> None:
        """Raise ValueError unless there is exactly one source, and counts where it is validated."""
        if (self.function is None) == (self.stored is None):
            raise ValueError(f"{self.name}: give a function of counts or a stored column")
        if self.validated and self.function is None:
            raise ValueError(f"{self.name}: only a function of counts can be validated")

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.higher_is_better else -1

    def of_images(self, counts: tuple[Counts, ...], stored: ArrayLike | None = None) -> Values:
        """Return a value per image from (tp, fp, fn, tn), or from the stored column."""
        import numpy as np

        tp, fp, fn, tn = counts
        found = stored if self.function is None else self.function(tp, fp, fn, tn)
        return np.where(tp + fp + fn == 0, self.empty, np.asarray(found, np.float64))


def ratio(numerator: ArrayLike, denominator: ArrayLike, empty: float) -> Values:
    """Return numerator / denominator as float64, *empty* where the denominator is 0."""
    import numpy as np

    over, under = np.broadcast_arrays(
        np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    )
    return np.divide(over, under, out=np.full(over.shape, empty), where=under != 0)


def iou(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return tp / (tp + fp + fn), the Jaccard index, in [0, 1]; both masks empty is 1."""
    return ratio(tp, tp + fp + fn, 1.0)


def dice(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return 2 tp / (2 tp + fp + fn), in [0, 1]; both masks empty is 1."""
    return ratio(2 * tp, 2 * tp + fp + fn, 1.0)


def score(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return the share of t in {.50, .55, ..., .95} with iou > t, in integers.

    Floating point gives the wrong answer where the IoU is exactly a threshold.
    """
    import numpy as np

    hit, union = np.asarray(tp, np.int64), np.asarray(tp + fp + fn, np.int64)
    beats = 100 * hit[..., None] > np.asarray(SCORE_PERCENT) * union[..., None]
    return np.where(union == 0, 1.0, beats.mean(-1))


def precision(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return tp / (tp + fp); nothing predicted is 1 where nothing was there, else 0."""
    import numpy as np

    return np.where(tp + fp == 0, np.where(fn == 0, 1.0, 0.0), ratio(tp, tp + fp, 0.0))


def recall(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return tp / (tp + fn), the sensitivity; nothing there is 1."""
    return ratio(tp, tp + fn, 1.0)


def specificity(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return tn / (tn + fp); no background is 1."""
    return ratio(tn, tn + fp, 1.0)


def accuracy(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return the share of pixels that are right."""
    return ratio(tp + tn, tp + fp + fn + tn, 1.0)


def mcc(tp: Counts, fp: Counts, fn: Counts, tn: Counts) -> Values:
    """Return Matthews' correlation in [-1, 1]; 0 where a row or column of the table is empty."""
    import numpy as np

    a, b, c, d = (np.asarray(x, np.float64) for x in (tp, fp, fn, tn))
    under = np.sqrt(a + b) * np.sqrt(a + c) * np.sqrt(d + b) * np.sqrt(d + c)
    return ratio(a * d - b * c, under, 0.0)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="iou",
            label="IoU",
            description="tp / (tp + fp + fn), the Jaccard index",
            function=iou,
            column=True,
            validated=True,
        ),
        Metric(
            name="dice",
            label="Dice",
            description="2 tp / (2 tp + fp + fn), the F1 score of pixels",
            function=dice,
            column=True,
            validated=True,
        ),
        Metric(
            name="score",
            label="score",
            description="share of the thresholds .50, .55, ..., .95 that the IoU exceeds",
            function=score,
            column=True,
            validated=True,
        ),
        Metric(
            name="precision",
            label="precision",
            description="tp / (tp + fp); nothing predicted is 0 unless nothing is there",
            function=precision,
        ),
        Metric(
            name="recall",
            label="recall",
            description="tp / (tp + fn), the sensitivity",
            function=recall,
        ),
        Metric(
            name="specificity",
            label="specificity",
            description="tn / (tn + fp)",
            function=specificity,
        ),
        Metric(
            name="accuracy",
            label="accuracy",
            description="share of pixels that are right",
            function=accuracy,
        ),
        Metric(
            name="mcc",
            label="MCC",
            description="Matthews' correlation; 0 where a row or column of the table is empty",
            function=mcc,
            limits=(-1.0, 1.0),
            empty=0.0,
        ),
    )
}
"""Every metric by name. To add one: a function above, an entry here (CONTRIBUTING.md)."""


def columns(part: Part = "test") -> tuple[str, ...]:
    """Return the columns that results.csv has for *part*: test_iou, test_dice, test_score."""
    return tuple(
        f"{part}_{metric.name}"
        for metric in METRICS.values()
        if (metric.column if part == "test" else metric.validated)
    )


def stored_columns() -> tuple[str, ...]:
    """Return the columns that per_image.csv has after the counts."""
    return tuple(metric.stored for metric in METRICS.values() if metric.stored is not None)


def metric_of(column: str) -> Metric | None:
    """Return the metric of a column test_<name> or val_<name>; None for any other column."""
    part, _, name = column.partition("_")
    return METRICS.get(name) if part in ("test", "val") else None


def label(column: str) -> str:
    """Return what people read for a column: `IoU` for test_iou, `val Dice` for val_dice."""
    part, _, name = column.partition("_")
    known = METRICS.get(name)
    words = name.replace("_", " ") if known is None else known.label
    return words if part == "test" else f"{part} {words}"


def lower_is_better(column: str) -> bool:
    """Whether a lower value of a column is better: a loss, or a metric that says so."""
    known = metric_of(column)
    return column.endswith("_loss") if known is None else not known.higher_is_better


def per_image(
    metric: str,
    tp: Counts,
    fp: Counts,
    fn: Counts,
    tn: Counts,
    empty: Empty = "one",
    stored: ArrayLike | None = None,
) -> Values:
    """Return *metric* for each image, from counts of equal shape.

    With ``empty="skip"`` an image whose truth and prediction are both empty is NaN,
    so that a mean leaves it out; with ``"one"`` it has the metric's own value, `Metric.empty`.
    A metric that is a stored column needs the values of that column: *stored*.
    """
    import numpy as np

    tp, fp, fn, tn = (np.asarray(x, np.int64) for x in (tp, fp, fn, tn))
    values = METRICS[metric].of_images((tp, fp, fn, tn), stored)
    return np.where(tp + fp + fn == 0, np.nan, values) if empty == "skip" else values


def of_rows(metric: str, rows: Rows, empty: Empty = "one") -> Values:
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
