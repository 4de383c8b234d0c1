"""Single test images: the hard ones, and those on which cells disagree."""

from typing import Any

from pandas import DataFrame

from segsweep.metrics import Metric

CASES_PER_GROUP = 3
"""Images listed in each group: hardest, in the middle, easiest, most disputed."""


def image_table(images: DataFrame, metric: Metric) -> DataFrame:
    """Return a row per test image, hardest first.

    Columns image, mean and sd (over cells), range, best and worst cell, and their values.

    Args:
        images: the metric of each cell (row) on each test image (column).
        metric: says whether higher is better.

    """
    if images.empty:
        names = ("image", "mean", "sd", "range", "best_cell", "best", "worst_cell", "worst")
        return DataFrame(columns=list(names))
    whole = images.dropna(axis="columns", how="all")
    good = metric.sign * whole
    differ = good.max() > good.min()  # equal cells: neither is the best one
    best, worst = good.idxmax().where(differ, None), good.idxmin().where(differ, None)
    table = DataFrame(
        {
            "image": [str(name) for name in whole.columns],
            "mean": whole.mean().to_numpy(),
            "sd": whole.std(ddof=1).to_numpy(),
            "range": (whole.max() - whole.min()).to_numpy(),
            "best_cell": best.to_numpy(),
            "best": (metric.sign * good.max()).to_numpy(),
            "worst_cell": worst.to_numpy(),
            "worst": (metric.sign * good.min()).to_numpy(),
        }
    )
    hardest = table.sort_values("mean", ascending=metric.higher_is_better, kind="stable")
    return hardest.reset_index(drop=True)


def cases(table: DataFrame) -> list[tuple[str, list[dict[Any, Any]]]]:
    """Return the hardest images, those in the middle, the easiest, and the most disputed."""
    if table.empty:
        return []
    each = min(CASES_PER_GROUP, -(-len(table) // 3))  # of few images, none is shown twice
    hardest, easiest = table.head(each), table.iloc[max(len(table) - each, each) :].iloc[::-1]
    between = table.iloc[each : len(table) - len(easiest)]
    start = max(len(between) // 2 - each // 2, 0)
    middle = between.iloc[start : start + each]
    groups = (("Hardest", hardest), ("In the middle", middle), ("Easiest", easiest))
    found = [(name, rows) for name, rows in groups if len(rows)]
    if table["range"].max() > 0:
        found.append(("Cells disagree most", table.nlargest(CASES_PER_GROUP, "range")))
    return [(name, rows.to_dict("records")) for name, rows in found]
