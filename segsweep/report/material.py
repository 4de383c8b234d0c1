"""Everything that the page shows, as plain frames and values; no drawing and no HTML here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pandas import DataFrame, isna

from segsweep import metrics
from segsweep.cells import cell_columns, cell_name
from segsweep.moment import time_text
from segsweep.report.findings import Statistics
from segsweep.report.images import cases, image_table
from segsweep.report.outlines import Outlines, outlines_of
from segsweep.report.records import (
    Reads,
    Row,
    commands_of,
    failures_of,
    machines_of,
    reads_of,
    settings_of,
    split_of,
)
from segsweep.statistics import compare_cells
from segsweep.store import COUNTS, RunPaths, Tables, read_all

OPEN = ("running", "planned", "interrupted")
"""States of runs that may still go on."""


@dataclass(frozen=True)
class Material:
    """What the page shows of a sweep."""

    name: str
    made: str
    """When, ISO 8601."""
    statistics: Statistics
    compared: bool
    """False where *statistics* are only means, for want of anything better."""
    cells: DataFrame
    """As comparison.csv, with a column `cell`, highest mean first."""
    keys: tuple[str, ...]
    """Swept keys beside model and loss."""
    runs: DataFrame
    """As results.csv, with `cell` and `folder`."""
    trials: DataFrame
    history: DataFrame
    images: DataFrame
    """The metric of each cell (row) on each test image (column), mean over its runs."""
    failures: list[Row] = field(default_factory=list)
    reads: Reads = field(default_factory=lambda: Reads([], ()))
    machines: list[Row] = field(default_factory=list)
    commands: list[Row] = field(default_factory=list)
    split: list[tuple[str, int]] = field(default_factory=list)
    settings: list[Row] = field(default_factory=list)
    options: list[Row] = field(default_factory=list)
    outlines: dict[str, Outlines] = field(default_factory=dict)
    """By test image, for those that are named as best, median, worst and most disputed."""

    @property
    def value(self) -> str:
        """The column of the metric that is compared."""
        return f"test_{self.statistics.metric}"

    @property
    def counts(self) -> dict[str, int]:
        """State -> number of runs, in the order in which a bar shows them."""
        found = self.runs["status"].value_counts()
        order = ("finished", "failed", "running", "interrupted", "planned")
        return {state: int(found[state]) for state in order if state in found}

    @property
    def open(self) -> int:
        """How many runs are not at their end."""
        return sum(count for state, count in self.counts.items() if state in OPEN)

    @property
    def done(self) -> DataFrame:
        """The cells that have a mean."""
        return self.cells[self.cells[self.value].notna()]


def material_of(
    sweep: Path | str, statistics: Statistics | None = None, tables: Tables | None = None
) -> Material:
    """Return what the page shows of a sweep folder.

    Args:
        sweep: the folder.
        statistics: None where nothing was compared: means are shown then.
        tables: of the folder, where they have been read already.

    Raises:
        StoreError: there is no such sweep.

    """
    tables = read_all(sweep) if tables is None else tables
    found = statistics or _means_only(tables)
    settings, options = settings_of(tables)
    cells = _with_names(found.cells, tables)
    if not found.claims:
        cells = cells.drop(columns=["may_be_best", "p_best"], errors="ignore")
    images = image_values(tables, found.metric)
    named = [row["image"] for _, rows in cases(image_table(images)) for row in rows]
    return Material(
        name=tables.sweep.root.resolve().name,
        made=time_text(),
        statistics=found,
        compared=statistics is not None,
        cells=cells,
        keys=tuple(tables.swept),
        runs=_with_folders(tables.results, tables),
        trials=_with_folders(tables.trials, tables),
        history=tables.history[tables.history["kind"] == "run"],
        images=images,
        failures=failures_of(tables),
        reads=reads_of(tables),
        machines=machines_of(tables),
        commands=commands_of(tables),
        split=split_of(tables),
        settings=settings,
        options=options,
        outlines=outlines_of(tables, list(cells["cell"]), named),
    )


def image_values(tables: Tables, metric: str, at: str = "train") -> DataFrame:
    """Return the metric of each cell (row) on each test image (column), mean over its runs."""
    rows = tables.per_image
    rows = rows[(rows["split"] == "test") & (rows["at"] == at)]
    cells = {run["run_id"]: run["cell"] for run in tables.runs if run["kind"] == "run"}
    rows = rows.assign(cell=rows["run_id"].map(cells)).dropna(subset=["cell"])
    tp, fp, fn, tn = (rows[name].to_numpy(np.int64) for name in COUNTS)
    values = rows.assign(value=metrics.per_image(metric, tp, fp, fn, tn, _empty(tables)))
    return values.pivot_table("value", "cell", "image", aggfunc="mean", sort=False)


def _empty(tables: Tables) -> metrics.Empty:
    """Return what two empty masks are worth in this sweep."""
    for run in tables.runs:
        if run["status"] == "finished":
            values = tables.known.run(RunPaths(Path(run["path"]))).values
            return "skip" if values.get("evaluate.empty") == "skip" else "one"
    return "one"


def _means_only(tables: Tables) -> Statistics:
    """Return means without any claim."""
    cells = compare_cells(tables.results, cell_columns(tables.swept))
    return Statistics(_plain_headline(tables, cells), cells, DataFrame())


def _plain_headline(tables: Tables, cells: DataFrame) -> str:
    runs = tables.results["status"].value_counts()
    finished, failed = int(runs.get("finished", 0)), int(runs.get("failed", 0))
    if not len(tables.results):
        return "Nothing is planned in this sweep yet."
    if not finished:
        every = failed == len(tables.results)
        return f"All {failed} runs failed." if every else "No run has finished yet."
    top = cells.iloc[0]
    first = f"{top['model']}/{top['loss']} has the mean test IoU {top['test_iou']:.4f}"
    alone = int(cells["test_iou"].notna().sum()) == 1
    return f"{first}; there is {'nothing' if alone else 'no comparison'} to set it against yet."


def _with_names(cells: DataFrame, tables: Tables) -> DataFrame:
    """Return *cells* with the name of each, as people write it."""
    names = [cell_name(_present(row), tables.swept) for row in cells.to_dict("records")]
    return cells.drop(columns="cell", errors="ignore").assign(cell=names)


def _present(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row's values that are there; whole numbers as the config has them."""
    return {
        str(key): int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in row.items()
        if not isna(value)
    }


def _with_folders(frame: DataFrame, tables: Tables) -> DataFrame:
    known = {run["run_id"]: run for run in tables.runs}
    return frame.assign(
        cell=[known[run]["cell"] for run in frame["run_id"]],
        folder=[Path(known[run]["path"]).name for run in frame["run_id"]],
    )
