"""Two sweeps on the same images, cell by cell: did the change of protocol, data or code matter?"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from pandas import DataFrame, Series

from segsweep.stats.contrasts import SWEEPS, Family, Weights, family_of
from segsweep.stats.engine import Analysis, analyse_families
from segsweep.stats.null import TINY, Settings
from segsweep.stats.runs import SWEEP_KEY, listed
from segsweep.stats.values import Values
from segsweep.stats.verdicts import A_BETTER, B_BETTER, EQUAL, UNDECIDED
from segsweep.stats.wording.sentences import interval, no_claim, p_text

ALL = "all shared cells"
FIRST_BETTER, SECOND_BETTER = "first better", "second better"
VERDICTS = {A_BETTER: FIRST_BETTER, B_BETTER: SECOND_BETTER}
COLUMNS = (
    *("cell", "first", "second", "difference", "ci_low", "ci_high"),
    *("p_adjusted", "p_equal", "verdict"),
)


def compare_sweeps(
    values: Values, first: str, second: str, settings: Settings | None = None
) -> tuple[str, DataFrame]:
    """Return what is settled between two sweeps, in words and as a table.

    Args:
        values: cells whose names end in `;sweep=` and the name of their sweep, on the same
            images.
        first: name of one sweep.
        second: of the other.
        settings: level, margin, draws.

    Raises:
        ValueError: they share no cell that can be compared, or have the same name.

    """
    _check(values.cells, first, second)
    choose = partial(_families, cells=values.cells, first=first, second=second)
    analysis = analyse_families(values, choose, settings, advise=False)
    table = sweeps_table(analysis, first, second)
    return sweeps_text(analysis, table, first, second), table


def sweeps_table(analysis: Analysis, first: str, second: str) -> DataFrame:
    """Return a row for each cell that both sweeps have and, of several, one for their mean.

    Args:
        analysis: of values with the family `sweeps`, as `compare_sweeps` makes it.
        first: name of one sweep.
        second: of the other.

    Returns:
        Columns cell, first, second (means), difference (first less second), ci_low, ci_high,
        p_adjusted, p_equal, verdict (first better | second better | equal within the margin |
        undecided). Intervals and p hold for all rows together; they are empty where nothing
        can be claimed about one of the cells, and without claims p is.

    """
    mean = analysis.values.sign * analysis.parts.mean
    rows = []
    for cell, (one, other) in _rows(analysis.values.cells, first, second).items():
        means = {"first": mean[one].mean(), "second": mean[other].mean()}
        difference = means["first"] - means["second"]
        found = _found(analysis, _label(cell, first))
        rows.append({"cell": cell, **means, "difference": difference, **found})
    return DataFrame(rows, columns=list(COLUMNS))


def sweeps_text(analysis: Analysis, table: DataFrame, first: str, second: str) -> str:
    """Return what is settled between the two sweeps of a *table* from `sweeps_table`."""
    said = [
        _overall(analysis, table, first, second),
        *_single(analysis, table, first, second),
        *_alone(analysis.values.cells, first, second),
    ]
    return " ".join(said)


def cells_of_sweep(cells: Sequence[str], sweep: str) -> dict[str, int]:
    """Return cell (without the sweep's name) -> position of the cells of one sweep."""
    split = [name.rpartition(SWEEP_KEY) for name in cells]
    return {cell: k for k, (cell, mark, name) in enumerate(split) if mark and name == sweep}


def _rows(cells: Sequence[str], first: str, second: str) -> dict[str, tuple[list[int], list[int]]]:
    """Return for each row of the table the positions of the cells on either side."""
    one, other = cells_of_sweep(cells, first), cells_of_sweep(cells, second)
    shared = sorted(one.keys() & other.keys())
    rows = {cell: ([one[cell]], [other[cell]]) for cell in shared}
    if len(shared) > 1:
        rows[ALL] = [one[cell] for cell in shared], [other[cell] for cell in shared]
    return rows


def _label(cell: str, sweep: str) -> str:
    """Return what one side of a row is called in the family."""
    return sweep if cell == ALL else f"{cell}{SWEEP_KEY}{sweep}"


def _families(names: Sequence[str], cells: Sequence[str], first: str, second: str) -> list[Family]:
    """Return the rows all of whose cells are among *names*, the claimed ones of *cells*."""
    place = {name: position for position, name in enumerate(names)}
    rows: list[tuple[str, str, Weights]] = []
    for cell, (one, other) in _rows(cells, first, second).items():
        if place.keys() >= {cells[k] for k in (*one, *other)}:
            weights = {place[cells[k]]: 1 / len(one) for k in one}
            weights |= {place[cells[k]]: -1 / len(other) for k in other}
            rows.append((_label(cell, first), _label(cell, second), weights))
    return [family_of(SWEEPS, rows, len(names))]


def _found(analysis: Analysis, label: str) -> dict[str, object]:
    """Return what is known of a row by what its first side is called."""
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


def _check(cells: Sequence[str], first: str, second: str) -> None:
    if first == second:
        raise ValueError(f"two sweeps of one name, {first}: they cannot be told apart")
    one, other = cells_of_sweep(cells, first), cells_of_sweep(cells, second)
    if not one.keys() & other.keys():
        has = [
            f"{name} has {listed(tuple(own)) or 'none'}"
            for name, own in ((first, one), (second, other))
        ]
        raise ValueError(f"no cell in common that can be compared: {', '.join(has)}")


def _overall(analysis: Analysis, table: DataFrame, first: str, second: str) -> str:
    """Return the last row in words: the mean over the shared cells, or the only cell."""
    row = table.iloc[-1]
    only = f"in {row['cell']}, the one cell that both have"
    cells = f"{len(table) - 1} cells of both"
    where = only if len(table) == 1 else f"on average over the {cells}"
    less = f"{first} less {second} is {row['difference']:.4f}"
    size = f"{less} {interval(row['ci_low'], row['ci_high'])}"
    if _same(analysis.values, first, second):
        every = only if len(table) == 1 else f"in each of the {cells}"
        return f"{first} and {second} are the same on every image, {every}."
    if not analysis.claims:
        networks = f"Of these trained networks {size}, {where}, on new images."
        return f"No claim about methods: {no_claim(analysis)}. {networks}"
    p = "" if np.isnan(row["p_adjusted"]) else f", {p_text(row['p_adjusted'])}"
    if row["verdict"] == UNDECIDED:
        return f"Not settled: {size}{p}, {where}."
    if row["verdict"] == EQUAL:
        margin = f"{analysis.settings.margin:g}"
        return f"Settled: {first} and {second} are equal within {margin}, {where}: {size}."
    return f"Settled: {_better(row, first, second)}{p}, {where}."


def _better(row: Series, first: str, second: str) -> str:
    """Return which sweep is better by how much."""
    size, low, high = row["difference"], row["ci_low"], row["ci_high"]
    if size < 0:
        size, low, high = -size, -high, -low
    names = (first, second) if row["verdict"] == FIRST_BETTER else (second, first)
    return f"{names[0]} is better than {names[1]} by {size:.4f} {interval(low, high)}"


def _single(analysis: Analysis, table: DataFrame, first: str, second: str) -> list[str]:
    """Return what is settled in single cells, and about which nothing can be claimed."""
    if not analysis.claims:
        return []
    cells = table[table["cell"] != ALL]
    silent = tuple(cells.loc[cells["p_adjusted"].isna(), "cell"])
    few = [f"Nothing can be claimed about {listed(silent)}: one seed."] if silent else []
    if len(cells) == 1 or _same(analysis.values, first, second):
        return few
    found = {verdict: tuple(own) for verdict, own in cells.groupby("verdict")["cell"]}
    said = [
        f"{name} is better in {listed(found[verdict])}"
        for name, verdict in ((first, FIRST_BETTER), (second, SECOND_BETTER))
        if verdict in found
    ]
    margin = f"{analysis.settings.margin:g}"
    said += [f"equal within {margin} in {listed(found[EQUAL])}"] if EQUAL in found else []
    return [f"Cell by cell: {'; '.join(said) or 'nothing is settled'}.", *few]


def _same(values: Values, first: str, second: str) -> bool:
    """Whether every cell that both sweeps have is the same on every image."""
    rows = _rows(values.cells, first, second)
    pairs = [(one[0], other[0]) for cell, (one, other) in rows.items() if cell != ALL]
    means = values.means
    return all(bool(np.abs(means[a] - means[b]).max() < TINY) for a, b in pairs)


def _alone(cells: Sequence[str], first: str, second: str) -> list[str]:
    """Return the cells that only one of the sweeps has."""
    one, other = cells_of_sweep(cells, first), cells_of_sweep(cells, second)
    sides = ((first, one.keys() - other.keys()), (second, other.keys() - one.keys()))
    said = [f"{name} has {listed(tuple(sorted(own)))}" for name, own in sides if own]
    return [f"In one sweep only: {'; '.join(said)}."] if said else []
