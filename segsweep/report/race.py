"""The comparison of a sweep whose seeds a race gave."""

from dataclasses import replace
from typing import TYPE_CHECKING

from segsweep.report.analysis import Compared, compare, further_notes, with_search
from segsweep.report.question import Asked, Comparable, comparable, values_of_sweep
from segsweep.report.raced import Raced, cells_analysis, only, with_race
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from segsweep.stats.contrasts import Family
    from segsweep.stats.values import Values

RACED = "iou"
"""The metric by which a race decides."""


def compare_race(tables: Tables, asked: Asked, raced: Raced, data: str = "") -> Compared:
    """Compare the cells of a race; arguments and errors as in `compare`.

    By another metric, or with groups of one's own, the race's set does not hold: then the seeds of
    the first look are compared as any others.
    """
    used = comparable(only(tables, raced.used_runs))
    further = values_of_sweep(used, asked)
    first = only(tables, raced.first_runs)
    balanced = compare(first, asked, advise=False, data=data, further=further)
    if balanced.analysis is None or balanced.analysis.best is None:
        return balanced
    if asked.metric != RACED or asked.groups is not None:
        return _with_notes(balanced, raced)
    return _with_notes(_with_set(balanced, tables, raced, (used, further)), raced)


def _with_set(
    balanced: Compared, tables: Tables, raced: Raced, used: "tuple[Comparable, Values]"
) -> Compared:
    """Return the comparison of the first look's seeds with the set and the means of the race.

    *used* are the runs that looks used, and their values.
    """
    from segsweep.stats.engine import analyse_families
    from segsweep.stats.tables import comparison_table
    from segsweep.stats.wording.answer import answer
    from segsweep.stats.wording.cheapest import cell_costs
    from segsweep.stats.wording.race import race_steps, race_texts

    assert balanced.analysis is not None, "there is something to compare"
    runs, values = used
    asked, analysis = balanced.asked, with_race(balanced.analysis, raced)
    whole = analyse_families(values, _no_family, advise=False)
    shown = cells_analysis(whole, analysis)
    cells = comparison_table(shown, runs.results, asked.metric, runs.tables.per_image, runs.empty)
    cells.insert(0, "data", balanced.data)
    costs = cell_costs(runs.counted_results)
    order = tuple(row.cell for row in raced.by_mean if row.cell in analysis.values.cells)
    said = answer(analysis, further_notes(runs), balanced.planned, costs, order)
    counts = raced.counts_of(tables)
    how = race_texts(raced.end, len(raced.last), raced.left, raced.look, counts, balanced.margin)
    said = replace(
        said,
        settled=(*how, *said.settled),
        next=(*said.next, *race_steps(raced.end)),
    )
    found = replace(balanced, analysis=analysis, answer=said, cells=cells, raced=raced)
    return with_search(found, tables)


def _no_family(names: "Sequence[str]") -> "list[Family]":
    return []


def _with_notes(compared: Compared, raced: Raced) -> Compared:
    from segsweep.stats.wording.race import race_note

    answer = compared.answer
    other = "" if compared.raced is not None else compared.metric.label
    note = race_note(raced.rows[0].seeds, raced.further, len(raced.last), other)
    return replace(compared, answer=replace(answer, notes=(note, *answer.notes)))
