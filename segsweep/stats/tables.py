"""The analysis as tables: comparison.csv, a row per cell, and pairs.csv, a row per contrast."""

import numpy as np
from pandas import NA, DataFrame, Series, array, concat

from segsweep.statistics import compare_cells
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.runs import SEED, cell_names
from segsweep.stats.values import Array

PAIRS = (
    *("family", "a", "b", "difference", "ci_low", "ci_high"),
    *("p_adjusted", "p_equal", "verdict", "seeds_needed"),
)
INTERVAL = ("ci_low", "ci_high", "sd_seeds", "sd_images")
BESIDE = ("iou", "dice", "score")
CELL_REST = ("val_iou", "rank", "may_be_best", "p_best", "lr", "seconds", "parameters")


def pairs_table(analysis: Analysis) -> DataFrame:
    """Return a row per contrast of every family, as in pairs.csv.

    Intervals and p hold together over their family. p_adjusted and p_equal are empty where
    nothing can be claimed; seeds_needed (per cell, in all) where a pair is decided, is not
    among the leading undecided ones, or no number of seeds would do.
    """
    parts = [_rows(tested) for tested in analysis.tested.values()]
    if not parts:
        return DataFrame(columns=list(PAIRS)).astype({"seeds_needed": "Int64"})
    return concat(parts, ignore_index=True)


def _rows(tested: Tested) -> DataFrame:
    count = len(tested.t)
    needed = [tested.advice[k].seeds if k in tested.advice else None for k in range(count)]
    columns = {
        "family": tested.family.name,
        "a": tested.family.a,
        "b": tested.family.b,
        "difference": tested.difference,
        "ci_low": tested.low,
        "ci_high": tested.high,
        "p_adjusted": tested.p,
        "p_equal": tested.chances.equal,
        "verdict": tested.verdicts,
        "seeds_needed": array([NA if seeds is None else seeds for seeds in needed], dtype="Int64"),
    }
    return DataFrame(columns)[list(PAIRS)]


def comparison_table(analysis: Analysis, results: DataFrame, metric: str = "iou") -> DataFrame:
    """Return a row per cell that was asked for, best first, as in comparison.csv.

    Args:
        analysis: of the values of these *results*.
        results: a row per run, as in results.csv; the columns between run_id and seed name
            the cells.
        metric: what was analysed: it stands first, as test_<metric>.

    Means, intervals and ranks are of the seeds and images that can be compared; they are empty
    for a cell that has none, which then has 0 seeds.

    """
    before = list(results.columns)[: list(results.columns).index(SEED)]
    keys = [name for name in before if name not in ("run_id", "cell")]
    table = compare_cells(results, keys)
    first = results.drop_duplicates(keys)[keys]
    named = first.assign(name=cell_names(results.loc[first.index]))
    names = table[keys].merge(named, how="left", on=keys)["name"].tolist()
    known = {name: position for position, name in enumerate(analysis.values.cells)}
    where = [known.get(name, -1) for name in names]
    if "data_fingerprint" in keys and analysis.values.data:
        alien = (table["data_fingerprint"] != analysis.values.data).tolist()
        where = [-1 if other else place for place, other in zip(where, alien, strict=True)]
    return _filled(table, analysis, np.array(where, int), keys, f"test_{metric}")


def _filled(
    table: DataFrame, analysis: Analysis, where: Array, keys: list[str], headline: str
) -> DataFrame:
    """Return *table* with what the analysis says of the cell at each row; -1 is no cell."""
    parts = analysis.parts
    found = {
        headline: parts.mean,
        **dict(
            zip(
                INTERVAL,
                (analysis.low, analysis.high, parts.sd_seeds, parts.sd_images),
                strict=True,
            )
        ),
        "p_best": analysis.p_best,
    }
    table = table.assign(**{name: _picked(values, where) for name, values in found.items()})
    table["seeds"] = [int(parts.seeds[cell]) if cell >= 0 else 0 for cell in where]
    best = [bool(analysis.may_be_best[cell]) if cell >= 0 else NA for cell in where]
    table["may_be_best"] = array(best, dtype="boolean")
    table["rank"] = table[headline].rank(ascending=False, method="min").astype("Int64")
    beside = [f"test_{name}" for name in BESIDE if f"test_{name}" != headline]
    columns = [*keys, "seeds", "failed", headline, *INTERVAL, *beside, *CELL_REST]
    table = table.sort_values([headline, *keys[:2]], ascending=[False, True, True])
    return table.reset_index(drop=True)[list(dict.fromkeys(columns))]


def _picked(values: Array, where: Array) -> Series:
    return Series([values[cell] if cell >= 0 else np.nan for cell in where], dtype=float)
