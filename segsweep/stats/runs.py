"""Which runs of a comparison count: finished runs of seeds with all their folds."""

import re
from itertools import product
from typing import TypeAlias

from pandas import DataFrame

from segsweep.metrics import Metric
from segsweep.stats.notes import (
    CellsWithoutRuns,
    FailedRuns,
    IncompleteFolds,
    MissingCombinations,
    Note,
    RepeatedRuns,
    RunsWithoutCounts,
    RunsWithoutMetric,
    SeveralVersions,
    SupersededRuns,
    UnfinishedRuns,
)

FINISHED, FAILED, SUPERSEDED = "finished", "failed", "superseded"
OPEN = ("running", "interrupted", "planned")
"""Words of the column `status`; those of OPEN stand for runs that are neither of the first two."""
SEED = "seed"
"""The columns of results.csv between run_id and this one name a cell."""
DATA = ("data_fingerprint", "data_target")
"""Columns in which compared runs agree: the data, and what counts as foreground."""
SEPARATOR = "@"
"""In a cell's name before each further key; the same as in the tables of a sweep."""
SWEEP_KEY = f"{SEPARATOR}sweep="
"""Ends a cell's name when two sweeps are compared; the sweep's name follows."""
COMMIT_LENGTH = 7
"""Characters of a shortened commit."""


Counted: TypeAlias = tuple[DataFrame, list[Note]]
"""The runs that count, and notes on the others: what `counted_runs` returns."""


def counted_runs(results: DataFrame) -> Counted:
    """Return the runs that count, and notes on the others, most important first.

    Runs on different data, or with different targets (what counts as foreground), are never
    compared: each comparison has its own results.

    A seed with folds counts if it has every fold that any run of the sweep has. If a seed has
    several runs (a search was repeated), the one that finished last counts.

    Args:
        results: one row per run, as in results.csv; the column `cell`, if present, names the
            cells, otherwise the columns before `seed` do.

    Returns:
        Columns run_id, cell, seed, fold, data_fingerprint, unit (identifies cell and seed)
        and, if runs differ in the value of an empty mask, empty.

    Raises:
        ValueError: the runs are on different data or have different targets.

    """
    _check_data(results)
    runs = _with_cells(results)
    finished = runs[runs["status"] == FINISHED]
    notes = [*_versions(finished), *_failed(runs), *_superseded(runs)]
    for step in (_one_run_each, _complete):
        finished, more = step(finished, runs)
        notes += more
    return finished.drop(columns=["status", "version", "git_commit", "finished"]), notes


def missing_runs(results: DataFrame) -> list[Note]:
    """Return notes on missing cells, combinations and runs; *results* as in `counted_runs`."""
    runs = _with_cells(results)
    return [*_empty_cells(runs), *_missing_combinations(results, runs), *_unfinished(runs)]


def cell_names(results: DataFrame) -> list[str]:
    """Return the cell of each run: `unet2/dice`, further swept keys after an at sign."""
    if "cell" in results:
        return [str(name) for name in results["cell"]]
    before = list(results.columns[: list(results.columns).index(SEED)])
    further = [key for key in before if key not in ("run_id", "model", "loss", *DATA)]
    settings = [_settings(results, key) for key in further]
    pairs = zip(results["model"], results["loss"], strict=True)
    return [
        SEPARATOR.join([f"{model}/{loss}", *(words[row] for words in settings if words[row])])
        for row, (model, loss) in enumerate(pairs)
    ]


def _settings(results: DataFrame, key: str) -> list[str]:
    """Return `key=value` of each run; '' if the run has no value."""
    known = results[key].notna()
    both = zip(results[key].tolist(), known.tolist(), strict=True)
    return [f"{key}={_plain(value)}" if is_known else "" for value, is_known in both]


def _plain(value: object) -> object:
    """Return 80 for 80.0: pandas turns whole numbers into floats where a column has gaps."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def runs_without(runs: DataFrame, rows: DataFrame, metric: Metric) -> tuple[set[str], list[Note]]:
    """Return the ids of the *runs* without per-image *rows*, or without a stored metric in them."""
    every = set(runs["run_id"])
    if metric.stored is None:
        without = every - set(rows["run_id"])
        return without, [RunsWithoutCounts(len(without))] if without else []
    known = rows.reindex(columns=["run_id", metric.stored]).dropna()
    without = every - set(known["run_id"])
    return without, [RunsWithoutMetric(len(without), metric.label)] if without else []


def _with_cells(results: DataFrame) -> DataFrame:
    """Return the columns that decide which runs count, with `cell` and `unit` added."""
    names = ["run_id", "seed", "fold", "status", "data_fingerprint"]
    names += ["version", "git_commit", "finished"]
    kept = DataFrame({name: results.get(name) for name in names}, index=results.index)
    if "evaluate.empty" in results:
        kept["empty"] = results["evaluate.empty"]
    kept["cell"] = cell_names(results)
    both = zip(kept["cell"], kept["seed"], strict=True)
    return kept.assign(unit=[f"{cell} seed {seed}" for cell, seed in both])


def _check_data(results: DataFrame) -> None:
    """Raise ValueError unless all runs are on one data set, with one target."""
    for column in DATA:
        found = sorted(map(str, results[column].dropna().unique())) if column in results else []
        if len(found) > 1:
            raise ValueError(f"runs differ in {column} ({', '.join(found)}): compare each apart")


def _failed(runs: DataFrame) -> list[Note]:
    failed = int((runs["status"] == FAILED).sum())
    return [FailedRuns(failed)] if failed else []


def _superseded(runs: DataFrame) -> list[Note]:
    count = int((runs["status"] == SUPERSEDED).sum())
    return [SupersededRuns(count)] if count else []


def _empty_cells(runs: DataFrame) -> list[Note]:
    finished = runs.loc[runs["status"] == FINISHED, "cell"]
    missing = tuple(sorted(set(runs["cell"]) - set(finished)))
    return [CellsWithoutRuns(missing)] if missing else []


def _unfinished(runs: DataFrame) -> list[Note]:
    count = int(runs["status"].isin(OPEN).sum())
    return [UnfinishedRuns(count)] if count else []


def _missing_combinations(results: DataFrame, runs: DataFrame) -> list[Note]:
    """Return combinations of model and loss that were not requested; none for two sweeps."""
    two_sweeps = any(SWEEP_KEY in cell for cell in runs["cell"])
    if two_sweeps or not {"model", "loss"} <= set(results):
        return []
    requested = results[["model", "loss"]].dropna().drop_duplicates().astype(str)
    known = set(zip(requested["model"], requested["loss"], strict=True))
    every = list(product(sorted(set(requested["model"])), sorted(set(requested["loss"]))))
    missing = tuple(f"{model}/{loss}" for model, loss in every if (model, loss) not in known)
    return [MissingCombinations(missing, len(every))] if missing else []


def _versions(finished: DataFrame) -> list[Note]:
    """Return the versions and commits of segsweep that made the runs, if there are several."""
    versions = sorted({str(version) for version in finished["version"].dropna()})
    known = finished["git_commit"].dropna().unique()
    commits = sorted({short_commit(str(commit)) for commit in known if str(commit)})
    if len(versions) < 2 and len(commits) < 2:
        return []
    return [SeveralVersions(tuple(versions), tuple(commits))]


def short_commit(described: str) -> str:
    """Return a commit, as `git describe --always --dirty` prints it, cut to COMMIT_LENGTH.

    `0123456789ab-dirty` becomes `0123456-dirty`. A tag before the commit is dropped; text
    without a commit stays unchanged.
    """
    found = re.fullmatch(r"(?:.*-g)?([0-9a-f]{7,40})(-dirty)?", described)
    return found[1][:COMMIT_LENGTH] + (found[2] or "") if found else described


def _one_run_each(finished: DataFrame, runs: DataFrame) -> tuple[DataFrame, list[Note]]:
    """Return one run for each cell, seed and fold."""
    ordered = finished.assign(finished=finished["finished"].fillna("").astype(str))
    ordered = ordered.sort_values("finished", kind="stable")
    kept = ordered.drop_duplicates(["cell", "seed", "fold"], keep="last").sort_index()
    repeated = len(finished) - len(kept)
    return kept, [RepeatedRuns(repeated)] if repeated else []


def _complete(finished: DataFrame, runs: DataFrame) -> tuple[DataFrame, list[Note]]:
    """Return the runs of seeds that have every fold of the sweep, or no folds."""
    folds = int(runs["fold"].dropna().nunique())
    has = finished.groupby("unit")["fold"].nunique()
    incomplete = finished["unit"].isin(has.index[(has > 0) & (has < folds)])
    if not incomplete.any():
        return finished, []
    pairs = finished.loc[incomplete, ["cell", "seed"]].drop_duplicates()
    pairs = pairs.sort_values(["cell", "seed"])
    units = list(zip(pairs["cell"].astype(str), pairs["seed"].astype(str), strict=True))
    return finished[~incomplete], [IncompleteFolds(folds, tuple(units))]
