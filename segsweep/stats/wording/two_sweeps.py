"""Two sweeps on the same images in sentences: did the change of protocol, data or code matter?"""

from collections.abc import Sequence

import numpy as np
from pandas import DataFrame, Series

from segsweep.stats.engine import Analysis
from segsweep.stats.null import Settings
from segsweep.stats.two_sweeps import (
    ALL,
    FIRST_BETTER,
    SECOND_BETTER,
    analyse_sweeps,
    are_identical,
    cells_of_sweep,
    sweeps_table,
)
from segsweep.stats.values import Values
from segsweep.stats.verdicts import EQUAL, IDENTICAL, UNDECIDED
from segsweep.stats.wording.notes import warning_texts
from segsweep.stats.wording.phrases import margin_text, p_text, size_text
from segsweep.stats.wording.sentences import no_claim
from segsweep.system.names import name_list


def compare_sweeps(
    values: Values, first: str, second: str, settings: Settings | None = None
) -> tuple[str, DataFrame]:
    """Return the comparison of two sweeps as sentences and as a table.

    Args:
        values: cells whose names end in `@sweep=` and the name of their sweep, on the same
            images.
        first: name of one sweep.
        second: of the other.
        settings: level, margin, draws.

    Raises:
        ValueError: they share no cell that can be compared, or have the same name.

    """
    _check(values.cells, first, second)
    analysis = analyse_sweeps(values, first, second, settings)
    table = sweeps_table(analysis, first, second)
    return sweeps_text(analysis, table, first, second), table


def sweeps_text(analysis: Analysis, table: DataFrame, first: str, second: str) -> str:
    """Return what is settled between the two sweeps; *table* from `sweeps_table`."""
    sentences = [
        *warning_texts(analysis.values.warnings),
        _overall(analysis, table, first, second),
        *_by_cell(analysis, table, first, second),
        *_unshared(analysis.values.cells, first, second),
    ]
    return " ".join(sentences)


def _check(cells: Sequence[str], first: str, second: str) -> None:
    if first == second:
        raise ValueError(f"both sweeps are named {first}; rename one to tell them apart")
    one, other = cells_of_sweep(cells, first), cells_of_sweep(cells, second)
    if not one.keys() & other.keys():
        has = [
            f"{name} has {name_list(tuple(own)) or 'none'}"
            for name, own in ((first, one), (second, other))
        ]
        raise ValueError(f"no cell in common that can be compared: {', '.join(has)}")


def _overall(analysis: Analysis, table: DataFrame, first: str, second: str) -> str:
    """Return the last row as a sentence: the mean over the shared cells, or the only cell."""
    row = table.iloc[-1]
    only = f"in {row['cell']}, the only shared cell"
    cells = f"{len(table) - 1} shared cells"
    where = only if len(table) == 1 else f"on average over the {cells}"
    unit = analysis.values.unit
    by = size_text(row["difference"], row["ci_low"], row["ci_high"], unit)
    size = f"{first} minus {second} is {by}"
    if are_identical(analysis.values, first, second):
        every = only if len(table) == 1 else f"in each of the {cells}"
        return f"{first} and {second} are the same on every image, {every}."
    if not analysis.claims:
        networks = f"For these trained networks {size}, {where}, on new images."
        return f"No claim about methods: {no_claim(analysis)}. {networks}"
    p = "" if np.isnan(row["p_adjusted"]) else f", {p_text(row['p_adjusted'])}"
    if row["verdict"] == UNDECIDED:
        return f"Not settled: {size}{p}, {where}."
    if row["verdict"] == EQUAL:
        margin = margin_text(analysis.settings.margin, unit)
        return f"Settled: {first} and {second} are equal within {margin}, {where}: {size}."
    return f"Settled: {_better(row, first, second, unit)}{p}, {where}."


def _better(row: Series, first: str, second: str, unit: str) -> str:
    """Return which sweep is better, and by how much."""
    size, low, high = row["difference"], row["ci_low"], row["ci_high"]
    if size < 0:
        size, low, high = -size, -high, -low
    names = (first, second) if row["verdict"] == FIRST_BETTER else (second, first)
    return f"{names[0]} is better than {names[1]} by {size_text(size, low, high, unit)}"


def _by_cell(analysis: Analysis, table: DataFrame, first: str, second: str) -> list[str]:
    """Return what is settled in single cells, and the cells without claims."""
    if not analysis.claims:
        return []
    cells = table[table["cell"] != ALL]
    unclaimed = tuple(cells.loc[cells["p_adjusted"].isna(), "cell"])
    few = [f"Nothing can be claimed about {name_list(unclaimed)}: one seed."] if unclaimed else []
    if len(cells) == 1 or are_identical(analysis.values, first, second):
        return few
    by_verdict = {verdict: tuple(own) for verdict, own in cells.groupby("verdict")["cell"]}
    parts = [
        f"{name} is better in {name_list(by_verdict[verdict])}"
        for name, verdict in ((first, FIRST_BETTER), (second, SECOND_BETTER))
        if verdict in by_verdict
    ]
    if IDENTICAL in by_verdict:
        parts.append(f"the same counts on every image in {name_list(by_verdict[IDENTICAL])}")
    if EQUAL in by_verdict:
        margin = margin_text(analysis.settings.margin, analysis.values.unit)
        parts.append(f"equal within {margin} in {name_list(by_verdict[EQUAL])}")
    return [f"Cell by cell: {'; '.join(parts) or 'nothing is settled'}.", *few]


def _unshared(cells: Sequence[str], first: str, second: str) -> list[str]:
    """Return the cells that only one of the sweeps has."""
    one, other = cells_of_sweep(cells, first), cells_of_sweep(cells, second)
    sides = ((first, one.keys() - other.keys()), (second, other.keys() - one.keys()))
    parts = [f"{name} has {name_list(tuple(sorted(own)))}" for name, own in sides if own]
    return [f"In one sweep only: {'; '.join(parts)}."] if parts else []
