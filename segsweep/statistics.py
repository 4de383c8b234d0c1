"""Compare cells: DataFrame in, DataFrame out; no files, no torch."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame

MEANS = ("test_iou", "test_dice", "test_score", "val_iou", "val_dice", "val_score")
CELL = ("seeds", "failed", "test_iou", "sd_seeds", "test_dice", "test_score", "val_iou")
CELL_REST = ("val_dice", "val_score", "rank", "lr", "seconds", "parameters")


def compare_cells(results: "DataFrame", keys: Sequence[str]) -> "DataFrame":
    """Return a row per cell: means over its finished seeds, and their spread.

    Args:
        results: a row per run, as in results.csv.
        keys: the columns that name a cell.

    Returns:
        Columns *keys*, seeds (finished runs; a complete set of folds counts as its runs),
        failed, test_iou (mean over seeds), sd_seeds (sample standard deviation of the
        seeds' test IoU, empty for one seed), test_dice, test_score, val_iou, val_dice,
        val_score, rank (1 is the highest test IoU; empty where nothing is finished), lr,
        seconds and parameters (means). Best first.

    """
    from pandas import DataFrame, to_numeric

    keys = list(keys)
    columns = list(dict.fromkeys([*keys, *CELL, *CELL_REST]))
    if results.empty:
        return DataFrame(columns=columns)
    numbers = [*MEANS, "lr", "seconds", "parameters"]
    data = results.assign(**{name: to_numeric(results[name]) for name in numbers})
    rows = []
    for _, runs in data.groupby(keys, dropna=False, sort=False):
        finished = runs[runs["status"] == "finished"]
        row = {key: runs[key].iloc[0] for key in keys}
        row |= {"seeds": len(finished), "failed": int((runs["status"] == "failed").sum())}
        row |= {name: finished[name].mean() for name in numbers if name not in keys}
        row["sd_seeds"] = finished["test_iou"].std(ddof=1)
        rows.append(row)
    table = DataFrame(rows)
    table["rank"] = table["test_iou"].rank(ascending=False, method="min").astype("Int64")
    table = table.sort_values(["test_iou", *keys[:2]], ascending=[False, True, True])
    return table.reset_index(drop=True)[columns]
