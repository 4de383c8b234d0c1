"""Single test images: which are hard, and on which cells disagree."""

from typing import Any

from pandas import DataFrame

SHOWN = 3
"""Images named as hardest, in the middle, easiest and most disputed."""


def image_table(images: DataFrame) -> DataFrame:
    """Return a row per test image, hardest first.

    Columns image, mean and sd (over cells), range, best and worst cell, and their values.
    """
    if images.empty:
        names = ("image", "mean", "sd", "range", "best_cell", "best", "worst_cell", "worst")
        return DataFrame(columns=list(names))
    whole = images.dropna(axis="columns", how="all")
    table = DataFrame(
        {
            "image": [str(name) for name in whole.columns],
            "mean": whole.mean().to_numpy(),
            "sd": whole.std(ddof=1).to_numpy(),
            "range": (whole.max() - whole.min()).to_numpy(),
            "best_cell": whole.idxmax().to_numpy(),
            "best": whole.max().to_numpy(),
            "worst_cell": whole.idxmin().to_numpy(),
            "worst": whole.min().to_numpy(),
        }
    )
    return table.sort_values("mean", kind="stable").reset_index(drop=True)


def cases(table: DataFrame) -> list[tuple[str, list[dict[Any, Any]]]]:
    """Return the images with the highest, the middle and the lowest mean, and the most disputed."""
    if table.empty:
        return []
    start = max(len(table) // 2 - SHOWN // 2, 0)
    found = [
        ("Hardest", table.head(SHOWN)),
        ("In the middle", table.iloc[start : start + SHOWN]),
        ("Easiest", table.tail(SHOWN).iloc[::-1]),
    ]
    if table["range"].max() > 0:
        found.append(("Cells disagree most", table.nlargest(SHOWN, "range")))
    return [(name, rows.to_dict("records")) for name, rows in found]
