"""The comparisons of a sweep's cells: analysis, answer, and their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from segsweep.config.cells import SEARCHED, cell_name
from segsweep.errors import ConfigError
from segsweep.metrics import METRICS, Metric, Part
from segsweep.report.collapse import collapse_notes
from segsweep.report.placement import placement_notes
from segsweep.report.question import (
    Asked,
    Comparable,
    check_cell,
    comparable,
    differing_sizes,
    values_of_sweep,
)
from segsweep.store.states import Status
from segsweep.store.tables import Tables
from segsweep.system.names import plural

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.report.raced import Raced
    from segsweep.stats.engine import Analysis
    from segsweep.stats.search import SearchedCell
    from segsweep.stats.values import Values
    from segsweep.stats.wording.answer import Answer


@dataclass(frozen=True)
class Compared:
    """One comparison: cells on the same data, with the same target.

    What only the page needs is computed on first use.
    """

    asked: Asked
    analysis: "Analysis | None"
    """None where nothing can be compared."""
    answer: "Answer"
    cells: "DataFrame"
    """As comparison.csv."""
    pairs: "DataFrame"
    """As pairs.csv."""
    planned: int
    """Cells that were asked for."""
    data: str = ""
    """The data set, and the target where targets differ: `ph2`, `mine, inverted`."""
    swept: tuple[str, ...] = ()
    """Keys besides model and loss in which its cells differ."""
    part: Part = "test"
    """The images that the means are of: val where the runs have no test part."""
    searched: "tuple[SearchedCell, ...]" = ()
    """The searches of its cells, by cell and fold."""
    raced: "Raced | None" = None
    """The race that gave its runs their seeds."""

    @property
    def value(self) -> str:
        """The column of the means: test_iou, or val_iou where the runs have no test part."""
        return f"{self.part}_{self.asked.metric}"

    @property
    def metric(self) -> Metric:
        """What was compared."""
        return METRICS[self.asked.metric]

    @property
    def claims(self) -> bool:
        """False where nothing can be said about methods, as with one seed per cell."""
        return self.analysis is not None and bool(self.analysis.claims)

    @property
    def margin(self) -> float:
        """Two means closer than this are equal for practical purposes."""
        return self.metric.margin if self.analysis is None else self.analysis.settings.margin

    @cached_property
    def images(self) -> "DataFrame":
        """Mean over seeds of each compared cell (row) on each common test image (column)."""
        from pandas import DataFrame

        if self.analysis is None:
            return DataFrame()
        values = self.analysis.values
        return DataFrame(values.sign * values.means, values.cells, values.images)

    @cached_property
    def rank_shares(self) -> "DataFrame | None":
        """Chance of each cell (row) to have each rank (columns 1, 2, ...)."""
        from pandas import DataFrame, Index

        if (analysis := self._of_several) is None or not analysis.claims:
            return None
        names = [analysis.values.cells[cell] for cell in analysis.claimed]
        return DataFrame(analysis.ranks.share, names, Index(range(1, len(names) + 1)))

    @property
    def kendall(self) -> float | None:
        """Median of Kendall's tau between the shown order and the orders that may be true."""
        if (analysis := self._of_several) is None or not analysis.claims:
            return None
        return float(np.median(analysis.ranks.kendall))

    @property
    def optimism(self) -> float | None:
        """Selection bias: how much the best cell's lead is inflated by choosing it."""
        return None if (several := self._of_several) is None else float(several.optimism.gap)

    @property
    def _of_several(self) -> "Analysis | None":
        """The analysis, if it compares several cells."""
        several = self.analysis is not None and len(self.analysis.claimed) > 1
        return self.analysis if several else None


def compare(
    tables: Tables,
    asked: Asked | None = None,
    advise: bool = True,
    data: str = "",
    further: "Values | None" = None,
) -> Compared:
    """Compare the cells of one comparison.

    Args:
        tables: one of `Tables.comparisons`.
        asked: metric, baseline, groups.
        advise: estimate how many seeds would settle what is not settled; takes the longest.
        data: the name of the comparison.
        further: values of these and further seeds, if there are any: what they say of cells that
            are equal, and of networks that predict nothing, holds here.

    Raises:
        ConfigError: there is no such metric, or the baseline cannot be compared with.
        DataError: the groups file cannot be used.

    """
    from segsweep.stats.tables import comparison_table, pairs_table
    from segsweep.stats.wording.answer import answer
    from segsweep.stats.wording.cheapest import cell_costs
    from segsweep.stats.wording.notes import note_texts

    asked = asked or Asked()
    runs = comparable(tables)
    values = values_of_sweep(runs, asked)
    if further is not None and further.cells == values.cells:
        values = replace(values, equal=further.equal, warnings=further.warnings)
    if asked.baseline is not None:
        check_cell(asked.baseline, values.cells, tables)
    analysis = _analysed(values, asked, advise) if values.cells else None
    planned = int(runs.results["cell"].nunique())
    said = answer(analysis, further_notes(runs), planned, cell_costs(runs.counted_results))
    if analysis is None:
        said = replace(
            said,
            headline=nothing(tables, asked.metric),
            notes=(*note_texts(values.notes), *said.notes),
        )
    cells = comparison_table(analysis, runs.results, asked.metric, tables.per_image, runs.empty)
    pairs = pairs_table(analysis)
    cells.insert(0, "data", data)
    pairs.insert(0, "data", data)
    found = Compared(asked, analysis, said, cells, pairs, planned, data, tuple(tables.swept))
    return with_search(found, tables)


def with_search(compared: Compared, tables: Tables) -> Compared:
    """Return a comparison with what its searches say, in sentences and as columns."""
    from segsweep.report.searched import searched_cells, with_budget
    from segsweep.stats.wording.search import range_warnings, search_texts

    searched = searched_cells(tables)
    if not searched:
        return compared
    said = replace(
        compared.answer,
        search=search_texts(searched, compared.planned),
        warnings=(*compared.answer.warnings, *range_warnings(searched)),
    )
    names = list(with_names(compared.cells, compared.swept)["cell"])
    cells = with_budget(compared.cells, names, searched)
    return replace(compared, answer=said, cells=cells, searched=searched)


def baseline_frame(compared: Compared, swept: Sequence[str]) -> "DataFrame":
    """Return the cells with their difference to the baseline, best first.

    Columns: data, the cell's keys, seeds, test_<metric>, difference, diff_low, diff_high,
    p_adjusted, p_equal, verdict; those of the difference are empty for the baseline itself and
    for cells of which nothing can be claimed.
    """
    columns = ["difference", "ci_low", "ci_high", "p_adjusted", "p_equal", "verdict"]
    rows = compared.pairs[compared.pairs["family"] == "baseline"].set_index("a")[columns]
    rows = rows.rename(columns={"ci_low": "diff_low", "ci_high": "diff_high"})
    cells = with_names(compared.cells, swept)
    keys = ["data", "model", "loss", *swept, "seeds", f"test_{compared.asked.metric}", "cell"]
    return cells[keys].join(rows, on="cell").drop(columns="cell")


def with_names(cells: "DataFrame", swept: Sequence[str]) -> "DataFrame":
    """Return *cells* with a column `cell`, the name of each."""
    names = [cell_name(_present(row), swept) for row in cells.to_dict("records")]
    return cells.drop(columns="cell", errors="ignore").assign(cell=names)


def _present(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a row without missing values; whole numbers as int, as in the config."""
    from pandas import isna

    return {
        str(key): int(value) if isinstance(value, float) and value.is_integer() else value
        for key, value in row.items()
        if not isna(value)
    }


def _analysed(values: "Values", asked: Asked, advise: bool) -> "Analysis":
    from segsweep.stats.engine import analyse

    try:
        return analyse(values, advise=advise, baseline=asked.baseline)
    except KeyError as error:
        if asked.baseline is None or error.args != (asked.baseline,):
            raise
        raise ConfigError(
            f"baseline {asked.baseline}: nothing can be claimed about a cell with one seed; "
            "run further seeds of it"
        ) from None


def nothing(tables: Tables, metric: str, part: str = "test") -> str:
    """Return why there is nothing to compare on the images of *part*: test or validation."""
    count = len(tables.results)
    if not count and len(tables.trials):
        return f"A search: {plural(len(tables.trials), 'trial')}, but no run to compare."
    if not count:
        return "Nothing is planned in this sweep yet."
    states = tables.results["status"].value_counts()
    known = METRICS[metric]
    if states.get(Status.FINISHED, 0) and known.stored is not None:
        return f"Nothing to compare: {known.label} was not measured in these runs."
    if states.get(Status.FINISHED, 0):
        return f"Nothing to compare: no finished run has counts of its {part} images."
    every = states.get(Status.FAILED, 0) == count
    failed = "The only run failed." if count == 1 else f"All {count} runs failed."
    return failed if every else "Nothing to compare: no run is finished."


def further_notes(runs: Comparable) -> tuple[str, ...]:
    """Return sentences on how the runs of a comparison differ, and on those that collapsed."""
    counted = runs.counted_runs
    return (
        *_swept_note(runs.tables),
        *_size_note(runs),
        *collapse_notes(counted),
        *placement_notes(counted),
    )


def _swept_note(tables: Tables) -> tuple[str, ...]:
    """Name the keys besides model and loss in which cells differ: a default may have changed."""
    runs = [run for run in tables.runs if run.kind == "run"]
    differing = [
        key for key in tables.swept if len({str(run.columns.get(key)) for run in runs}) > 1
    ]
    if not differing:
        return ()
    words = {SEARCHED: "whether a search chose values"}
    keys = ", ".join(words.get(key, key) for key in differing)
    return (f"Cells also differ in {keys}; each value makes separate cells.",)


def _size_note(runs: Comparable) -> tuple[str, ...]:
    """Say at which size cells are compared where the network sees images at several sizes."""
    differing = differing_sizes(runs.counted_runs)
    if not differing:
        return ()
    keys = ", ".join(differing)
    if runs.at == "native":
        return (f"Cells differ in {keys}: they are compared at the images' own size.",)
    return (
        f"Cells differ in {keys}, and no run has counts at the images' own size: they are compared "
        "at the training size, which is not the same for all.",
    )
