"""Two sweeps on the same images, compared cell by cell and on average."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from pandas import DataFrame

from segsweep.stats.contrasts import SWEEPS, CellWeights, Family, family_of
from segsweep.stats.engine import Analysis, analyse_families
from segsweep.stats.null import TINY, Settings
from segsweep.stats.runs import SWEEP_KEY
from segsweep.stats.values import Values
from segsweep.stats.verdicts import A_BETTER, B_BETTER, UNDECIDED

ALL = "all shared cells"
FIRST_BETTER, SECOND_BETTER = "first better", "second better"
VERDICTS = {A_BETTER: FIRST_BETTER, B_BETTER: SECOND_BETTER}
COLUMNS = (
    *("cell", "first", "second", "difference", "ci_low", "ci_high"),
    *("p_adjusted", "p_equal", "verdict"),
)


def analyse_sweeps(
    values: Values, first: str, second: str, settings: Settings | None = None
) -> Analysis:
    """Return the analysis of *values* with the family `sweeps`; *first* minus *second*."""
    choose = partial(_families, cells=values.cells, first=first, second=second)
    return analyse_families(values, choose, settings, advise=False)


def sweeps_table(analysis: Analysis, first: str, second: str) -> DataFrame:
    """Return one row per shared cell and, if there are several, one for their mean.

    Args:
        analysis: made by `analyse_sweeps`.
        first: name of one sweep.
        second: of the other.

    Returns:
        Columns cell, first, second (means), difference (first minus second), ci_low, ci_high,
        p_adjusted, p_equal, verdict (first better | second better | equal within the margin |
        undecided). Intervals are simultaneous and p-values adjusted over all rows; both are
        empty if no claim is possible about one of the cells; p-values also if there are no claims.

    """
    mean = analysis.values.sign * analysis.parts.mean
    rows = []
    for cell, (one, other) in sweep_rows(analysis.values.cells, first, second).items():
        means = {"first": mean[one].mean(), "second": mean[other].mean()}
        difference = means["first"] - means["second"]
        tested = _tested_row(analysis, _label(cell, first))
        rows.append({"cell": cell, **means, "difference": difference, **tested})
    return DataFrame(rows, columns=list(COLUMNS))


def cells_of_sweep(cells: Sequence[str], sweep: str) -> dict[str, int]:
    """Return the cells of one sweep, without its name -> position."""
    split = [name.rpartition(SWEEP_KEY) for name in cells]
    return {cell: k for k, (cell, mark, name) in enumerate(split) if mark and name == sweep}


def sweep_rows(
    cells: Sequence[str], first: str, second: str
) -> dict[str, tuple[list[int], list[int]]]:
    """Return row of the table -> positions of its cells in the first and the second sweep."""
    one, other = cells_of_sweep(cells, first), cells_of_sweep(cells, second)
    shared = sorted(one.keys() & other.keys())
    rows = {cell: ([one[cell]], [other[cell]]) for cell in shared}
    if len(shared) > 1:
        rows[ALL] = [one[cell] for cell in shared], [other[cell] for cell in shared]
    return rows


def are_identical(values: Values, first: str, second: str) -> bool:
    """Whether the means over seeds of every shared cell are the same on every image."""
    rows = sweep_rows(values.cells, first, second)
    pairs = [(one[0], other[0]) for cell, (one, other) in rows.items() if cell != ALL]
    means = values.means
    return all(bool(np.abs(means[a] - means[b]).max() < TINY) for a, b in pairs)


def _label(cell: str, sweep: str) -> str:
    """Return the name of one side of a row in the family."""
    return sweep if cell == ALL else f"{cell}{SWEEP_KEY}{sweep}"


def _families(names: Sequence[str], cells: Sequence[str], first: str, second: str) -> list[Family]:
    """Return the contrasts of the rows whose *cells* are all claimed; *names* are the claimed."""
    place = {name: position for position, name in enumerate(names)}
    rows: list[tuple[str, str, CellWeights]] = []
    for cell, (one, other) in sweep_rows(cells, first, second).items():
        if place.keys() >= {cells[k] for k in (*one, *other)}:
            weights = {place[cells[k]]: 1 / len(one) for k in one}
            weights |= {place[cells[k]]: -1 / len(other) for k in other}
            rows.append((_label(cell, first), _label(cell, second), weights))
    return [family_of(SWEEPS, rows, len(names))]


def _tested_row(analysis: Analysis, label: str) -> dict[str, object]:
    """Return the test results of the row whose first side is *label*."""
    tested = analysis.tested.get(SWEEPS)
    if tested is None or label not in tested.family.a:
        nothing = dict.fromkeys(("ci_low", "ci_high", "p_adjusted", "p_equal"), np.nan)
        return {**nothing, "verdict": UNDECIDED}
    k = tested.family.a.index(label)
    _, low, high = tested.size(k)
    return {
        "ci_low": low,
        "ci_high": high,
        "p_adjusted": tested.p[k],
        "p_equal": tested.chances.equal[k],
        "verdict": VERDICTS.get(tested.verdicts[k], tested.verdicts[k]),
    }
