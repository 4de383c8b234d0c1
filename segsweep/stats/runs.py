"""Which runs of a sweep count: finished ones, on one data set, with all their folds."""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

from pandas import DataFrame, isna

SEED = "seed"
"""The columns of results.csv between run_id and this one name a cell."""
SWEEP_KEY = ";sweep="
"""Ends a cell's name where two sweeps stand side by side; the sweep's name follows."""
NAMED = 6
"""More names than this are counted, not listed."""
COMMIT = 7
"""Characters by which a commit is named."""


Counted: TypeAlias = tuple[DataFrame, list[str]]
"""The runs that count, and sentences about the others: what `counted_runs` returns."""


def counted_runs(results: DataFrame) -> Counted:
    """Return the runs that count and sentences about the others, the most important first.

    A seed with folds counts when it has every fold that any run of the sweep has; of several
    runs of one seed (a search was repeated) the one that finished last.

    Args:
        results: a row per run, as in results.csv; a column `cell`, where there is one, names
            the cells, otherwise the columns before `seed` do.

    Returns:
        Columns run_id, cell, seed, fold, data_fingerprint, unit (a name for cell and seed)
        and, where runs differ in what an empty mask is worth, empty.

    """
    runs, notes = _of_one_data_set(_named(results))
    finished = runs[runs["status"] == "finished"]
    notes += [*_versions(finished), *_failed(runs)]
    for step in (_once_each, _complete):
        finished, more = step(finished, runs)
        notes += more
    return finished.drop(columns=["status", "version", "git_commit", "finished"]), notes


def open_notes(results: DataFrame) -> list[str]:
    """Return sentences about what is missing: cells, combinations, runs; *results* as above."""
    runs, _ = _of_one_data_set(_named(results))
    return [*_empty_cells(runs), *_missing(results, runs), *_unfinished(runs)]


def cell_names(results: DataFrame) -> list[str]:
    """Return the cell of each run: `unet2/dice`, further swept keys after a semicolon."""
    if "cell" in results:
        return [str(name) for name in results["cell"]]
    before = list(results.columns[: list(results.columns).index(SEED)])
    beside = [key for key in before if key not in ("run_id", "model", "loss", "data_fingerprint")]
    return [
        ";".join([f"{row['model']}/{row['loss']}", *_beside(row, beside)])
        for row in results.to_dict("records")
    ]


def many(count: int, noun: str) -> str:
    """Return `1 run`, `2 runs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def spoken(cell: str, seed: object = None) -> str:
    """Return a cell, or one seed of it, as sentences name it: `m/a seed 3 of one sweep`."""
    name, mark, sweep = cell.rpartition(SWEEP_KEY)
    name = name if mark else cell
    name = name if seed is None else f"{name} seed {seed}"
    return f"{name} of {sweep}" if mark else name


def listed(names: Sequence[str], most: int = NAMED) -> str:
    """Return the first *most* names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _beside(row: Mapping[Any, Any], keys: Sequence[str]) -> list[str]:
    return [f"{key}={_plain(row[key])}" for key in keys if not isna(row[key])]


def _plain(value: Any) -> Any:
    """Return 80 for the 80.0 that a column with gaps makes of it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _named(results: DataFrame) -> DataFrame:
    """Return the runs with the columns that matter here, `cell` and `unit` among them."""
    names = ["run_id", "seed", "fold", "status", "data_fingerprint"]
    names += ["version", "git_commit", "finished"]
    kept = DataFrame({name: results.get(name) for name in names}, index=results.index)
    if "evaluate.empty" in results:
        kept["empty"] = results["evaluate.empty"]
    kept["cell"] = cell_names(results)
    both = zip(kept["cell"], kept["seed"], strict=True)
    return kept.assign(unit=[spoken(cell, seed) for cell, seed in both])


def _of_one_data_set(runs: DataFrame) -> tuple[DataFrame, list[str]]:
    """Return the runs on the data that most finished runs have."""
    finished = runs.loc[runs["status"] == "finished", "data_fingerprint"].dropna()
    counts = finished.value_counts()
    if len(counts) < 2:
        return runs, []
    used = min(counts[counts == counts.max()].index)
    left = int(counts.sum() - counts[used])
    note = (
        f"{len(counts)} different data sets in one sweep: only the "
        f"{many(int(counts[used]), 'finished run')} on {used} {_are(counts[used])} compared, "
        f"{left} on other data {_are(left)} left out."
    )
    return runs[runs["data_fingerprint"] == used], [note]


def _failed(runs: DataFrame) -> list[str]:
    failed = int((runs["status"] == "failed").sum())
    if not failed:
        return []
    fewer = "its cell has fewer seeds" if failed == 1 else "their cells have fewer seeds"
    return [f"{many(failed, 'run')} failed: {fewer}."]


def _empty_cells(runs: DataFrame) -> list[str]:
    finished = runs.loc[runs["status"] == "finished", "cell"]
    missing = [spoken(cell) for cell in sorted(set(runs["cell"]) - set(finished))]
    return [f"No finished run: {listed(missing)}."] if missing else []


def _unfinished(runs: DataFrame) -> list[str]:
    still = int(runs["status"].isin(["planned", "running", "interrupted"]).sum())
    return [f"{many(still, 'run')} not finished yet."] if still else []


def _missing(results: DataFrame, runs: DataFrame) -> list[str]:
    """Return which combinations of model and loss nobody asked for; nothing for two sweeps."""
    both = any(SWEEP_KEY in cell for cell in runs["cell"])
    if both or not {"model", "loss"} <= set(results):
        return []
    asked = results[["model", "loss"]].dropna().drop_duplicates().astype(str)
    known = set(zip(asked["model"], asked["loss"], strict=True))
    every = product(sorted(set(asked["model"])), sorted(set(asked["loss"])))
    missing = [f"{model}/{loss}" for model, loss in every if (model, loss) not in known]
    if not missing:
        return []
    of = f"{len(missing)} of {len(missing) + len(known)} combinations of model and loss"
    return [f"{of} {_are(len(missing))} not in this sweep: {listed(missing)}."]


def _versions(finished: DataFrame) -> list[str]:
    """Return with which versions and commits of segsweep runs were made, if with several."""
    versions = sorted({str(version) for version in finished["version"].dropna()})
    known = finished["git_commit"].dropna().unique()
    commits = sorted({short_commit(str(commit)) for commit in known if str(commit)})
    if len(versions) < 2 and len(commits) < 2:
        return []
    which = [" and ".join(versions)] if versions else []
    if len(commits) > 1:
        which.append(f"made by different commits ({listed(commits)})")
    return [f"Runs of segsweep {' '.join(which)} stand side by side."]


def short_commit(described: str) -> str:
    """Return a commit as `git describe --always --dirty` names it, cut to COMMIT characters.

    `0123456789ab-dirty` becomes `0123456-dirty`; a tag before the commit is dropped, and what is
    no commit stays as it is.
    """
    found = re.fullmatch(r"(?:.*-g)?([0-9a-f]{7,40})(-dirty)?", described)
    return found[1][:COMMIT] + (found[2] or "") if found else described


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _once_each(finished: DataFrame, runs: DataFrame) -> tuple[DataFrame, list[str]]:
    """Return one run for each cell, seed and fold."""
    ordered = finished.assign(finished=finished["finished"].fillna("").astype(str))
    ordered = ordered.sort_values("finished", kind="stable")
    kept = ordered.drop_duplicates(["cell", "seed", "fold"], keep="last").sort_index()
    if (more := len(finished) - len(kept)) == 0:
        return kept, []
    note = f"{many(more, 'run')} of a seed that was run again left out: the last one counts."
    return kept, [note]


def _complete(finished: DataFrame, runs: DataFrame) -> tuple[DataFrame, list[str]]:
    """Return the runs of seeds that have every fold of the sweep, or none at all."""
    folds = runs["fold"].dropna().nunique()
    has = finished.groupby("unit")["fold"].nunique()
    short = sorted(map(str, has.index[(has > 0) & (has < folds)]))
    if not short:
        return finished, []
    note = f"{many(len(short), 'seed')} without all {folds} folds left out: {listed(short)}."
    return finished[~finished["unit"].isin(short)], [note]
