"""Columns that follow from the table of metrics: their names, labels and direction."""

from __future__ import annotations

from collections.abc import Iterable

from segsweep.metrics.formulas import METRICS
from segsweep.metrics.metric import Metric, Part


def columns(part: Part = "test") -> tuple[str, ...]:
    """Return the columns that results.csv has for *part*: test_iou, test_dice, test_score."""
    return tuple(
        f"{part}_{metric.name}"
        for metric in METRICS.values()
        if (metric.column if part == "test" else metric.validated)
    )


def known_columns(part: Part, there: Iterable[str]) -> tuple[str, ...]:
    """Return the columns of *part*, those of stored metrics only if they are *there*."""
    found = set(there)
    return tuple(
        name
        for name in columns(part)
        if name in found or METRICS[name.removeprefix(f"{part}_")].function is not None
    )


def stored_columns() -> tuple[str, ...]:
    """Return the columns that per_image.csv has after the counts."""
    return tuple(metric.stored for metric in METRICS.values() if metric.stored is not None)


def metric_of(column: str) -> Metric | None:
    """Return the metric of a column test_<name> or val_<name>; None for any other column."""
    part, _, name = column.partition("_")
    return METRICS.get(name) if part in ("test", "val") else None


def label(column: str) -> str:
    """Return what people read for a column: `IoU` for test_iou, `HD95 (px)` for test_hd95."""
    part, _, name = column.partition("_")
    known = METRICS.get(name)
    words = name.replace("_", " ") if known is None else known.title
    return words if part == "test" else f"{part} {words}"


def lower_is_better(column: str) -> bool:
    """Whether a lower value of a column is better: a loss, or a metric that says so."""
    known = metric_of(column)
    return column.endswith("_loss") if known is None else not known.higher_is_better
