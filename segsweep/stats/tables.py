"""The analysis as tables: comparison.csv, one row per cell, and pairs.csv, one per contrast."""

from collections.abc import Sequence

import numpy as np
from pandas import NA, DataFrame, Series, array, concat, to_numeric

from segsweep import metrics
from segsweep.metrics import Empty
from segsweep.stats.best import DISTANCE
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.runs import FAILED, SEED, cell_names
from segsweep.stats.values import Array, Values, counted_runs_of, further_means

PAIRS = (
    *("family", "a", "b", "difference", "ci_low", "ci_high"),
    *("p_adjusted", "p_equal", "verdict", "seeds_needed"),
)
INTERVAL = ("ci_low", "ci_high", "sd_seeds", "sd_images")
PAIR_KINDS = dict.fromkeys(PAIRS, "float64") | {
    **dict.fromkeys(("family", "a", "b", "verdict"), "str"),
    "seeds_needed": "Int64",
}
COST = ("lr", "seconds", "parameters", "multiply_adds")
NUMBERS = ("val_iou", *COST)
CELL_REST = ("val_iou", "rank", "may_be_best", *DISTANCE, "p_best", *COST)


def pairs_table(analysis: Analysis | None) -> DataFrame:
    """Return one row per contrast of every family, as in pairs.csv; no rows for None.

    Intervals are simultaneous and p-values adjusted within each family. p_adjusted and p_equal
    are empty if no claim is possible. seeds_needed (total per cell) is empty if the contrast is
    decided, is not among the leading undecided ones, or no number of seeds is enough.
    """
    parts = [_rows(tested) for tested in analysis.tested.values()] if analysis else []
    if not parts:
        return DataFrame(columns=list(PAIRS)).astype(PAIR_KINDS)
    return concat(parts, ignore_index=True)


def _rows(tested: Tested) -> DataFrame:
    count = len(tested.t)
    needed = [tested.advice[k].seeds if k in tested.advice else None for k in range(count)]
    low, high = (tested.low, tested.high) if tested.sign > 0 else (-tested.high, -tested.low)
    columns = {
        "family": tested.family.name,
        "a": tested.family.a,
        "b": tested.family.b,
        "difference": tested.sign * tested.difference,
        "ci_low": low,
        "ci_high": high,
        "p_adjusted": tested.p,
        "p_equal": tested.chances.equal,
        "verdict": tested.verdicts,
        "seeds_needed": array([NA if seeds is None else seeds for seeds in needed], dtype="Int64"),
    }
    return DataFrame(columns)[list(PAIRS)]


def comparison_table(
    analysis: Analysis | None,
    results: DataFrame,
    metric: str = "iou",
    per_image: DataFrame | None = None,
    empty: Empty = "one",
) -> DataFrame:
    """Return one row per planned cell, best first, as in comparison.csv.

    Args:
        analysis: of the values of *results*; None if nothing can be compared yet.
        results: one row per run, as in results.csv; the columns between run_id and seed name
            the cells.
        metric: the analysed metric; it is the first one, as test_<metric>.
        per_image: counts from which the other metrics are computed on the same images;
            if None, they are the means that the runs report.
        empty: value of an image with two empty masks, as in the analysis.

    All numbers refer to the compared runs and images. A cell without any has 0 seeds and empty
    numbers. may_be_best is <NA> if no claim is possible.

    """
    table, where = _planned_cells(results, () if analysis is None else analysis.values.cells)
    keys = list(table.columns[:-1])
    found = _further(analysis, results, per_image, empty) | _of_cells(analysis, f"test_{metric}")
    for name in found.keys() - {*keys}:
        table[name] = _picked(found[name], where)
    return _ordered(_marked(table, analysis, where), keys, f"test_{metric}")


def validation_table(values: Values, results: DataFrame, metric: str = "iou") -> DataFrame:
    """Return one row per planned cell, the best validation mean first, without statistics.

    Args:
        values: of validation images.
        results: as in `comparison_table`.
        metric: the metric of *values*; it is the first one, as val_<metric>.

    """
    headline = f"val_{metric}"
    table, where = _planned_cells(results, values.cells)
    keys = list(table.columns[:-1])
    names = [name for name in (*metrics.columns("val"), *COST) if name not in (headline, *keys)]
    means = _means(values, results, names)
    own = np.array([values.sign * float(rows.mean()) for rows in values.tables])
    seeds = [len(own) for own in values.seeds]
    table["seeds"] = np.array([seeds[cell] if cell >= 0 else 0 for cell in where], np.int64)
    table["failed"] = table["failed"].astype("int64")
    for name, numbers in ({headline: own} | means).items():
        table[name] = _picked(numbers, where)
    ascending = [metrics.lower_is_better(headline), *[True] * len(keys[:2])]
    table = table.sort_values([headline, *keys[:2]], ascending=ascending)
    return table.reset_index(drop=True)[[*keys, "seeds", "failed", headline, *names]]


def _planned_cells(results: DataFrame, cells: Sequence[str]) -> tuple[DataFrame, list[int]]:
    """Return a row per planned cell with its number of failed runs, and its place in *cells*.

    The place of a cell that is not among *cells* is -1.
    """
    before = list(results.columns)[: list(results.columns).index(SEED)]
    keys = [name for name in before if name not in ("run_id", "cell")]
    failed = results[keys].assign(failed=results["status"] == FAILED)
    table = failed.groupby(keys, dropna=False, sort=False)["failed"].sum().reset_index()
    first = results.drop_duplicates(keys)[keys]
    named = first.assign(name=cell_names(results.loc[first.index]))
    names = table[keys].merge(named, how="left", on=keys)["name"].tolist()
    known = {name: position for position, name in enumerate(cells)}
    return table, [known.get(name, -1) for name in names]


def _further(
    analysis: Analysis | None, results: DataFrame, per_image: DataFrame | None, empty: Empty
) -> dict[str, Array]:
    """Return the further columns, from the runs that count in *analysis*.

    A column that *results* lacks, of a later metric, follows from *per_image* or is empty; one of
    a stored metric is then left out.
    """
    columns = metrics.known_columns("test", map(str, results))
    names = [*columns, *NUMBERS]
    if analysis is None:
        return dict.fromkeys(names, np.empty(0))
    found = _means(analysis.values, results, names)
    if per_image is not None:
        further = [name.removeprefix("test_") for name in columns]
        other = further_means(analysis.values, results, per_image, further, empty)
        found |= {f"test_{name}": values for name, values in other.items()}
    return found


def _means(values: Values, results: DataFrame, names: Sequence[str]) -> dict[str, Array]:
    """Return the mean of columns of *results* over the runs behind each cell of *values*."""
    if not values.cells:
        return dict.fromkeys(names, np.empty(0))
    runs = counted_runs_of(values, results)
    numbers = results.loc[runs.index].reindex(columns=list(names)).apply(to_numeric)
    means = numbers.groupby(runs["cell"]).mean().reindex(values.cells)
    return {name: means[name].to_numpy(float) for name in names}


def _marked(table: DataFrame, analysis: Analysis | None, where: list[int]) -> DataFrame:
    """Return *table* with the number of compared seeds and may_be_best."""
    seeds = [] if analysis is None else analysis.parts.seeds.tolist()
    best = [] if analysis is None else _may_be_best(analysis)
    table["seeds"] = np.array([seeds[cell] if cell >= 0 else 0 for cell in where], np.int64)
    table["failed"] = table["failed"].astype("int64")
    chosen = [best[cell] if cell >= 0 else None for cell in where]
    table["may_be_best"] = array(chosen, dtype="boolean")
    return table


def _may_be_best(analysis: Analysis) -> list[bool | None]:
    """Return whether each cell may be the best; None if no claim about it is possible."""
    compared = set(analysis.claimed.tolist())
    if not analysis.claims or len(compared) < 2:
        return [None] * len(analysis.may_be_best)
    best = enumerate(analysis.may_be_best.tolist())
    return [may if cell in compared else None for cell, may in best]


def _ordered(table: DataFrame, keys: list[str], headline: str) -> DataFrame:
    """Return *table* with rank, columns in order, best cell first."""
    ascending = metrics.lower_is_better(headline)
    table["rank"] = table[headline].rank(ascending=ascending, method="min").astype("Int64")
    further = [name for name in metrics.known_columns("test", map(str, table)) if name != headline]
    columns = [*keys, "seeds", "failed", headline, *INTERVAL, *further, *CELL_REST]
    table = table.sort_values([headline, *keys[:2]], ascending=[ascending, True, True])
    return table.reset_index(drop=True)[list(dict.fromkeys(columns))]


def _of_cells(analysis: Analysis | None, headline: str) -> dict[str, Array]:
    """Return the numbers of all cells by column."""
    if analysis is None:
        return dict.fromkeys([headline, *INTERVAL, *DISTANCE, "p_best"], np.empty(0))
    parts, values = analysis.parts, analysis.values
    spread = *values.natural(analysis.low, analysis.high), parts.sd_seeds, parts.sd_images
    known = dict(zip(INTERVAL, spread, strict=True)) | _distances(analysis)
    return {headline: values.sign * parts.mean, **known, "p_best": analysis.p_best}


def _distances(analysis: Analysis) -> dict[str, Array]:
    """Return how far each cell is from the best of the others; NaN where no claim is possible."""
    found = np.full((len(DISTANCE), len(analysis.values.cells)), np.nan)
    if (best := analysis.best) is not None:
        found[:, analysis.claimed] = best.p, *best.natural(analysis.values.sign)
    return dict(zip(DISTANCE, found, strict=True))


def _picked(values: Array, where: list[int]) -> Series:
    return Series([values[cell] if cell >= 0 else np.nan for cell in where], dtype=float)
