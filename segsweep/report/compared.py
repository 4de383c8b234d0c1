"""From a sweep's tables to what can be said of it: analysis, answer, and their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsweep import metrics
from segsweep.cells import cell_name
from segsweep.errors import ConfigError
from segsweep.paths import RunPaths
from segsweep.store import read_rows
from segsweep.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.stats.answer import Answer
    from segsweep.stats.engine import Analysis
    from segsweep.stats.values import Values


@dataclass(frozen=True)
class Asked:
    """What a comparison is to be about."""

    metric: str = "iou"
    """One of `segsweep.metrics.METRICS`."""
    baseline: str | None = None
    """A cell that all others are compared with, in a family of their own."""
    groups: Path | None = None
    """CSV with the columns id and group, instead of the groups that the data have."""


@dataclass(frozen=True)
class Compared:
    """What was found out about a sweep."""

    asked: Asked
    analysis: "Analysis | None"
    """None where nothing can be compared."""
    answer: "Answer"
    cells: "DataFrame"
    """As comparison.csv."""
    pairs: "DataFrame"
    """As pairs.csv."""


def compare(tables: Tables, asked: Asked | None = None, advise: bool = True) -> Compared:
    """Compare the cells of a sweep.

    Args:
        tables: what stands in the sweep's folder.
        asked: metric, baseline, groups.
        advise: reckon how many seeds would settle what is not settled; takes the longest.

    Raises:
        ConfigError: the metric or the baseline is none.

    """
    from segsweep.stats.answer import answer
    from segsweep.stats.engine import analyse
    from segsweep.stats.tables import comparison_table, pairs_table

    asked = asked or Asked()
    values = values_of_sweep(tables, asked)
    notes = _swept_note(tables)
    if not values.cells:
        _check_baseline(asked.baseline, ())
        said = replace(answer(None, (*values.notes, *notes)), headline=_nothing(tables))
        cells = comparison_table(None, named_results(tables), asked.metric)
        return Compared(asked, None, said, cells, pairs_table(None))
    try:
        analysis = analyse(values, advise=advise, baseline=asked.baseline)
    except KeyError:
        _check_baseline(asked.baseline, values.cells)
        raise
    return Compared(
        asked,
        analysis,
        answer(analysis, notes),
        comparison_table(analysis, named_results(tables), asked.metric),
        pairs_table(analysis),
    )


def values_of_sweep(tables: Tables, asked: Asked) -> "Values":
    """Return the values of a sweep that can be compared; ConfigError for an unknown metric."""
    from segsweep.stats.values import values_of

    check_metric(asked.metric)
    values = values_of(
        named_results(tables),
        tables.per_image,
        asked.metric,
        groups=groups_for(asked, tables),
        empty=empty_of(tables),
    )
    return replace(values, notes=(*values.notes, *_grouped_note(values)))


def check_metric(metric: str) -> None:
    """Raise ConfigError for a metric that there is not."""
    from segsweep.config import nearest

    if metric not in metrics.METRICS:
        allowed = ", ".join(metrics.METRICS)
        raise ConfigError(
            f"metric {metric}: allowed are {allowed}{nearest(metric, metrics.METRICS)}"
        )


def baseline_frame(compared: Compared, swept: Sequence[str]) -> "DataFrame":
    """Return the cells with how much each is above the baseline, best first.

    Columns: the cell's keys, seeds, test_<metric>, difference, diff_low, diff_high, p_adjusted,
    p_equal, verdict; those of the difference are empty for the baseline itself and for cells
    of which nothing can be claimed.
    """
    columns = ["difference", "ci_low", "ci_high", "p_adjusted", "p_equal", "verdict"]
    rows = compared.pairs[compared.pairs["family"] == "baseline"].set_index("a")[columns]
    rows = rows.rename(columns={"ci_low": "diff_low", "ci_high": "diff_high"})
    cells = with_names(compared.cells, swept)
    keys = ["model", "loss", *swept, "seeds", f"test_{compared.asked.metric}", "cell"]
    return cells[keys].join(rows, on="cell").drop(columns="cell")


def named_results(tables: Tables) -> "DataFrame":
    """Return results.csv with a column `cell`."""
    cells = [run["cell"] for run in tables.runs if run["kind"] == "run"]
    return tables.results.assign(cell=cells)


def groups_for(asked: Asked, tables: Tables) -> dict[str, str] | None:
    """Return image -> group from the file that was named, else from the data; None for none.

    Raises:
        DataError: the file cannot be read, contradicts itself, or names none of the images.

    """
    from segsweep.data.folder import read_groups

    if asked.groups is None:
        return _stored_groups(tables) or None
    images = set(tables.per_image["image"])
    return read_groups(asked.groups, images)[0] if images else None


def _stored_groups(tables: Tables) -> dict[str, str]:
    """Return image -> group (patient, lesion) as the first finished run has stored them."""
    for run in tables.runs:
        if run["kind"] == "run" and run["status"] == "finished":
            rows = _split_rows(RunPaths(Path(run["path"])))
            if rows:
                return {row["id"]: row["group"] for row in rows if row.get("group")}
    return {}


def empty_of(tables: Tables) -> metrics.Empty:
    """Return what two empty masks are worth in this sweep."""
    for run in tables.runs:
        if run["status"] == "finished":
            values = tables.known.values(run["path"])
            return "skip" if values.get("evaluate.empty") == "skip" else "one"
    return "one"


def with_names(cells: "DataFrame", swept: Sequence[str]) -> "DataFrame":
    """Return *cells* with a column `cell`: the name of each, as people write it."""
    names = [cell_name(_present(row), swept) for row in cells.to_dict("records")]
    return cells.drop(columns="cell", errors="ignore").assign(cell=names)


def _present(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row's values that are there; whole numbers as the config has them."""
    from pandas import isna

    return {
        str(key): int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in row.items()
        if not isna(value)
    }


def _split_rows(paths: RunPaths) -> list[dict[str, str]]:
    try:
        return read_rows(paths.split)
    except (OSError, ValueError):
        return []


def _nothing(tables: Tables) -> str:
    """Say why there is nothing to compare."""
    count = len(tables.results)
    if not count:
        return "Nothing is planned in this sweep yet."
    states = tables.results["status"].value_counts()
    if states.get("finished", 0):
        return "Nothing to compare: no finished run has counts of its test images."
    every = states.get("failed", 0) == count
    return f"All {count} runs failed." if every else "Nothing to compare: no run is finished."


def _grouped_note(values: "Values") -> tuple[str, ...]:
    """Say that images belong together: their number is not what the intervals rest on."""
    count = len(set(values.groups.tolist()))
    if count == len(values.images):
        return ()
    return (f"{len(values.images)} test images of {count} groups: groups are what varies.",)


def _swept_note(tables: Tables) -> tuple[str, ...]:
    """Say by which keys cells differ beside model and loss: a default may have been edited."""
    if not tables.swept:
        return ()
    keys = ", ".join(tables.swept)
    return (f"Cells differ in {keys} too; each value makes cells of its own.",)


def _check_baseline(baseline: str | None, cells: tuple[str, ...]) -> None:
    from segsweep.config import nearest

    if baseline is not None:
        known = f"cells are {', '.join(cells)}" if cells else "no cell has finished runs"
        hint = nearest(baseline, cells)
        raise ConfigError(f"baseline {baseline}: nothing to compare with; {known}{hint}")
