"""The searches of a comparison's cells, from the trials and from what was chosen."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from segsweep.config.cells import flat_key
from segsweep.report.columns import BUDGET
from segsweep.stats.ranges import Range
from segsweep.stats.search import SearchedCell, Trial, TrialState
from segsweep.store.run_cache import PRUNED, RunRecord
from segsweep.store.states import Cause, Status
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.store.chosen import Chosen

STUDY, FILLED = "search.study", "search.filled"
Place = tuple[str, int | None]
"""A cell, as chosen.csv identifies it, and a fold."""


def searched_cells(tables: Tables) -> tuple[SearchedCell, ...]:
    """Return the searches of the cells in *tables*, of one comparison, by name; () without one."""
    trials = [run for run in tables.runs if run.kind == "trial" and run.settings.get(STUDY)]
    finals: dict[Place, list[RunRecord]] = {}
    for run in tables.runs:
        if run.chosen is not None:
            finals.setdefault((run.chosen.cell_id, run.chosen.fold), []).append(run)
    every = list(_chosen_ones(tables, finals, trials))
    known = {str(row.study) for row in tables.chosen}
    studies: dict[str, list[RunRecord]] = {}
    for run in trials:
        studies.setdefault(str(run.settings[STUDY]), []).append(run)
    lost = tables.sweep.chosen in tables.noted
    still = [_still(runs, lost) for study, runs in studies.items() if study not in known]
    there = {(one.cell, one.fold) for one in every}
    new = [one for one in still if (one.cell, one.fold) not in there or _goes_on(one)]
    return tuple(sorted((*every, *new), key=lambda one: (one.cell, one.fold or 0)))


def _chosen_ones(
    tables: Tables, finals: Mapping[Place, Sequence[RunRecord]], trials: Sequence[RunRecord]
) -> Iterable[SearchedCell]:
    """Yield the searches that have chosen."""
    for row in tables.chosen:
        runs = finals.get((row.cell_id, row.fold), [])
        own = [run for run in trials if run.settings[STUDY] == row.study]
        if runs or own:
            yield _of_row(row, runs, own)


def _of_row(
    row: "Chosen", finals: Sequence[RunRecord], trials: Sequence[RunRecord]
) -> SearchedCell:
    by_id = {run.run_id: run for run in trials}
    order = [by_id[name] for name in row.trials if name in by_id]
    order += _by_start([run for run in trials if run.run_id not in row.trials])
    keys = list(row.values)
    values = [
        value
        for run in finals
        if run.status == Status.FINISHED
        if (value := _number(run.columns.get("val_iou"))) is not None
    ]
    known = {
        TrialState.COMPLETE: row.complete,
        TrialState.PRUNED: row.pruned,
        TrialState.DIVERGED: row.diverged,
        TrialState.FAILED: row.failed,
    }
    return SearchedCell(
        cell=finals[0].cell if finals else row.cell,
        fold=row.fold,
        trials=tuple(_trial(run, keys) for run in order),
        ranges={key: range_of(key, text) for key, text in row.params.items()},
        values=row.values,
        val_iou=or_nan(row.val_iou),
        own=row.own,
        own_val_iou=or_nan(row.own_val_iou),
        sampler=row.sampler,
        counts=known,
        epochs=row.epochs,
        seconds=row.seconds,
        source="" if row.trial else row.study,
        seeds=tuple(values),
    )


def _still(runs: Sequence[RunRecord], lost: bool) -> SearchedCell:
    """Return a search that has not chosen yet, from its trials so far; *lost*: or it has."""
    first = runs[0]
    fold = first.columns.get("fold")
    trials = tuple(_trial(run, _filled(first)) for run in _by_start(runs))
    return SearchedCell(
        cell=first.cell,
        fold=fold if isinstance(fold, int) else None,
        trials=trials,
        counts=Counter(one.state for one in trials),
        epochs=sum(one.epochs or 0 for one in trials),
        seconds=sum(one.seconds or 0.0 for one in trials),
        lost=lost and all(one.state != TrialState.OPEN for one in trials),
    )


def _goes_on(one: SearchedCell) -> bool:
    """Whether trials are running: it is no earlier search of a cell that has chosen."""
    return one.counts.get(TrialState.OPEN, 0) > 0


def _filled(run: RunRecord) -> list[str]:
    """Return the dotted keys that a search filled in."""
    text = str(run.settings.get(FILLED) or "")
    return [name.strip(" '\"") for name in text.strip("[]").split(",") if name.strip(" '\"")]


def _by_start(runs: Iterable[RunRecord]) -> list[RunRecord]:
    """Return *runs* in the order in which they started, those that still run last."""
    return sorted(runs, key=lambda run: str(run.columns.get("started") or "~"))


def _trial(run: RunRecord, keys: Sequence[str]) -> Trial:
    value, epochs = _number(run.columns.get("val_iou")), run.columns.get("epochs")
    return Trial(
        run.run_id,
        {key: run.settings.get(flat_key(key)) for key in keys},
        _state(run),
        or_nan(value),
        epochs if isinstance(epochs, int) else None,
        _number(run.columns.get("seconds")),
    )


def _state(run: RunRecord) -> TrialState:
    if run.status == Status.FINISHED:
        return TrialState.PRUNED if run.columns.get(PRUNED) else TrialState.COMPLETE
    if run.status == Status.FAILED:
        diverged = run.cause == Cause.NON_FINITE
        return TrialState.DIVERGED if diverged else TrialState.FAILED
    return TrialState.OPEN


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def or_nan(value: float | None) -> float:
    """Return a stored number, NaN where there is none."""
    return math.nan if value is None else value


def range_of(key: str, text: str) -> Range | None:
    """Return the numbers that *text*, of `search.params`, stands for; None for other values."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.core.override_parser.types import IntervalSweep
    from hydra.errors import HydraException

    try:
        (override,) = OverridesParser.create().parse_overrides([f"{key}={text}"])
    except HydraException:  # as an edited file may have it
        return None
    value = override.value()
    if isinstance(value, IntervalSweep):
        low, high = _number(value.start), _number(value.end)
        if low is None or high is None or low >= high or (low <= 0 and "log" in value.tags):
            return None
        whole = isinstance(value.start, int) and isinstance(value.end, int)
        return Range(low, high, "log" in value.tags, whole and "int(" in text)
    if not override.is_sweep_override():
        return None
    listed = list(override.sweep_iterator())
    if not all(isinstance(one, int | float) and not isinstance(one, bool) for one in listed):
        return None
    numbers = tuple(sorted({float(str(one)) for one in listed}))
    whole = all(isinstance(one, int) for one in listed)
    return Range(numbers[0], numbers[-1], whole=whole, listed=numbers) if numbers else None


def with_budget(
    cells: "DataFrame", names: Sequence[str], searched: Sequence[SearchedCell]
) -> "DataFrame":
    """Return comparison.csv with the columns of BUDGET; as it is without a search.

    Args:
        cells: a row per cell.
        names: the name of the cell of each row.
        searched: the searches of these cells; folds are added up.

    """
    if not searched:
        return cells
    sums: dict[str, list[float]] = {}
    for one in searched:
        own = sums.setdefault(one.cell, [0, 0, 0.0])
        for at, count in enumerate((one.ended, one.epochs, one.seconds)):
            own[at] += count
    none = [math.nan] * len(BUDGET)
    columns = zip(*(sums.get(cell, none) for cell in names), strict=True)
    added = cells.assign(**dict(zip(BUDGET, map(list, columns), strict=False)))
    return added.astype({name: "Int64" for name in BUDGET[:2] if name in added})
