"""From pixel counts to metrics: every metric is one entry of METRICS. numpy only.

Add a metric in `formulas.py`, or your own from outside with `add_metric`. One that needs more than
counts is a stored column of per_image.csv.
"""

from segsweep.metrics.columns import (
    columns,
    known_columns,
    label,
    lower_is_better,
    metric_of,
    stored_columns,
)
from segsweep.metrics.formulas import (
    BOUNDARY,
    METRICS,
    SCORE_PERCENT,
    accuracy,
    dice,
    iou,
    mcc,
    precision,
    ratio,
    recall,
    score,
    specificity,
)
from segsweep.metrics.images import mean_over_images, of_rows, over_all_pixels, per_image
from segsweep.metrics.metric import (
    COUNTS,
    Counts,
    Empty,
    Function,
    Metric,
    Part,
    PerImage,
    Rows,
    Size,
)
from segsweep.metrics.own import add_metric

__all__ = [
    "BOUNDARY",
    "COUNTS",
    "METRICS",
    "SCORE_PERCENT",
    "Counts",
    "Empty",
    "Function",
    "Metric",
    "Part",
    "PerImage",
    "Rows",
    "Size",
    "accuracy",
    "add_metric",
    "columns",
    "dice",
    "iou",
    "known_columns",
    "label",
    "lower_is_better",
    "mcc",
    "mean_over_images",
    "metric_of",
    "of_rows",
    "over_all_pixels",
    "per_image",
    "precision",
    "ratio",
    "recall",
    "score",
    "specificity",
    "stored_columns",
]
