"""Everything that the page shows, as frames and plain values, without drawings and HTML."""

from dataclasses import dataclass, field, replace

from pandas import DataFrame

from segsweep.config.truth import data_titles
from segsweep.metrics import Metric
from segsweep.report.analysis import Compared, with_names
from segsweep.report.content.images import cases, image_table
from segsweep.report.content.outlines import ImageOutlines, outlines_of
from segsweep.report.content.records import (
    Reads,
    Record,
    commands_of,
    damages_of,
    ensembles_of,
    failures_of,
    last_change,
    machines_of,
    reads_of,
    settings_of,
    split_of,
)
from segsweep.stats.best import DISTANCE
from segsweep.store.states import OPEN_STATUSES, Status
from segsweep.store.tables import Tables

BAR = (Status.FINISHED, Status.FAILED, *OPEN_STATUSES, Status.SUPERSEDED)
"""The order of the progress bar."""


@dataclass(frozen=True)
class Material:
    """What the page shows of a sweep."""

    name: str
    as_of: str
    """When something last changed in the sweep, ISO 8601; empty where there is nothing."""
    compared: Compared
    """The comparison of its cells."""
    cells: DataFrame
    """As comparison.csv, with a column `cell`, best mean first."""
    keys: tuple[str, ...]
    """Swept keys besides model and loss."""
    runs: DataFrame
    """As results.csv, with `cell` and `folder`."""
    trials: DataFrame
    history: DataFrame
    failures: list[Record] = field(default_factory=list)
    damages: tuple[str, ...] = ()
    """A line for each stored file that was left out because it is damaged."""
    reads: Reads = field(default_factory=lambda: Reads([], ()))
    machines: list[Record] = field(default_factory=list)
    commands: list[Record] = field(default_factory=list)
    split: list[tuple[str, int]] = field(default_factory=list)
    settings: list[Record] = field(default_factory=list)
    options: list[Record] = field(default_factory=list)
    outlines: dict[str, ImageOutlines] = field(default_factory=dict)
    """By test image, for those listed as hardest, in the middle, easiest and most disputed."""
    data: str = ""
    """Which data the runs are on, in words."""
    elsewhere: list[dict[str, object]] = field(default_factory=list)
    """Each cell on each other data set that the sweep was evaluated on."""
    ensembles: list[Record] = field(default_factory=list)
    """What networks together scored on the sweep's own images."""
    elsewhere_words: tuple[str, ...] = ()
    """Whether the ranking carries over to these."""

    @property
    def images(self) -> DataFrame:
        """The metric of each cell (row) on each test image (column), mean over its seeds."""
        return self.compared.images

    @property
    def value(self) -> str:
        """The column of the metric that is compared."""
        return self.compared.value

    @property
    def validation_only(self) -> bool:
        """Whether its runs have no test part."""
        return self.compared.part == "val"

    @property
    def metric(self) -> Metric:
        """What is compared."""
        return self.compared.metric

    @property
    def counts(self) -> dict[str, int]:
        """Status -> number of runs, in the order of the progress bar."""
        found = self.runs["status"].value_counts()
        return {status.value: int(found[status]) for status in BAR if status in found}

    @property
    def open(self) -> int:
        """Number of runs that are not at their end."""
        return sum(count for status, count in self.counts.items() if status in OPEN_STATUSES)

    @property
    def done(self) -> DataFrame:
        """The cells that have a mean."""
        return self.cells[self.cells[self.value].notna()]


def material_of(tables: Tables, compared: Compared) -> Material:
    """Return what the page shows of a sweep: its *tables*, and the comparison of its cells."""
    settings, options = settings_of(tables)
    cells = shown_cells(compared, tables)
    table = image_table(compared.images, compared.metric)
    rows = [row for _, group in cases(table) for row in group]
    extremes = [row[end] for row in rows for end in ("best_cell", "worst_cell") if row[end]]
    made = Material(
        name=tables.sweep.root.resolve().name,
        data=data_titles(run.settings for run in tables.runs),
        as_of=last_change(tables),
        compared=compared,
        cells=cells,
        keys=tuple(tables.swept),
        runs=_with_folders(tables.results, tables),
        trials=_with_folders(tables.trials, tables),
        history=tables.compared_history,
        failures=failures_of(tables),
        reads=reads_of(tables),
        machines=machines_of(tables),
        commands=commands_of(tables),
        split=split_of(tables),
        settings=settings,
        options=options,
        ensembles=ensembles_of(tables),
        outlines=outlines_of(
            tables, list(cells["cell"]), [str(row["image"]) for row in rows], extremes
        ),
    )
    return replace(made, damages=damages_of(tables))  # all files have been read now


def shown_cells(compared: Compared, tables: Tables) -> DataFrame:
    """Return the cells with their names; without claims, the columns on the best are left out."""
    cells = with_names(compared.cells, tables.swept)
    if compared.claims:
        return cells
    return cells.drop(columns=["may_be_best", *DISTANCE, "p_best"], errors="ignore")


def _with_folders(frame: DataFrame, tables: Tables) -> DataFrame:
    known = {run.run_id: run for run in tables.runs}
    return frame.assign(
        cell=[known[run].cell for run in frame["run_id"]],
        folder=[known[run].path.name for run in frame["run_id"]],
    )
