"""What was found out about a sweep: the analysis of its values, the answer, and their tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from segsweep.config.cells import cell_name
from segsweep.errors import ConfigError
from segsweep.report.question import (
    Asked,
    check_cell,
    empty_of,
    named_results,
    values_of_sweep,
)
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.stats.engine import Analysis
    from segsweep.stats.values import Values
    from segsweep.stats.wording.answer import Answer


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
    planned: int
    """Cells that were asked for."""


def compare(tables: Tables, asked: Asked | None = None, advise: bool = True) -> Compared:
    """Compare the cells of a sweep.

    Args:
        tables: what stands in the sweep's folder.
        asked: metric, baseline, groups.
        advise: reckon how many seeds would settle what is not settled; takes the longest.

    Raises:
        ConfigError: there is no such metric, or the baseline cannot be compared with.
        DataError: the groups file cannot be used.

    """
    from segsweep.stats.tables import comparison_table, pairs_table
    from segsweep.stats.wording.answer import answer

    asked = asked or Asked()
    values = values_of_sweep(tables, asked)
    if asked.baseline is not None:
        check_cell(asked.baseline, values.cells, tables)
    analysis = _analysed(values, asked, advise) if values.cells else None
    results = named_results(tables)
    planned = int(results["cell"].nunique())
    said = answer(analysis, _swept_note(tables), planned)
    if analysis is None:
        said = replace(said, headline=_nothing(tables), notes=(*values.notes, *said.notes))
    policy = empty_of(tables)
    cells = comparison_table(analysis, results, asked.metric, tables.per_image, policy)
    return Compared(asked, analysis, said, cells, pairs_table(analysis), planned)


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


def _nothing(tables: Tables) -> str:
    """Say why there is nothing to compare."""
    count = len(tables.results)
    if not count and len(tables.trials):
        return f"A search: {len(tables.trials)} trials, and no run to compare."
    if not count:
        return "Nothing is planned in this sweep yet."
    states = tables.results["status"].value_counts()
    if states.get("finished", 0):
        return "Nothing to compare: no finished run has counts of its test images."
    every = states.get("failed", 0) == count
    return f"All {count} runs failed." if every else "Nothing to compare: no run is finished."


def _swept_note(tables: Tables) -> tuple[str, ...]:
    """Say by which keys cells differ beside model and loss: a default may have been edited."""
    if not tables.swept:
        return ()
    keys = ", ".join(tables.swept)
    return (f"Cells differ in {keys} too; each value makes cells of its own.",)
