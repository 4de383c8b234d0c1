"""The trials of a sweep's searches, read from their runs and plan.csv. No torch, no pandas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segsweep.config.cells import SEARCHED
from segsweep.store.chosen import Chosen
from segsweep.store.json_files import known_failure, known_result
from segsweep.store.plan import read_plan
from segsweep.store.run_cache import RunRecord
from segsweep.store.states import Cause, Status
from segsweep.store.tables import Tables

PRUNED, DIVERGED = "pruned", "diverged"
"""How a trial may end early: behind the others, or with a loss that is NaN or infinite."""


@dataclass(frozen=True)
class TrialRow:
    """One trial."""

    cell: str
    fold: int | None
    trial: int
    """Its place among the trials of its study, from 1."""
    values: Mapping[str, object]
    """Dotted key -> the value that was tried."""
    status: str
    """A run's status, or PRUNED or DIVERGED."""
    val_iou: float | None
    """Of the selected epoch; None unless it is finished or was pruned."""
    epochs: int | None
    seconds: float | None
    run_id: str
    study: str
    chosen: bool
    """Whether its values are the chosen ones."""

    @property
    def has_ended(self) -> bool:
        """Whether its values are known to be good or bad."""
        return self.status in (Status.FINISHED, PRUNED, DIVERGED)

    def as_row(self) -> dict[str, object]:
        """Return the columns of a CSV or a frame, the tried values among them."""
        names = {"cell": self.cell, "fold": self.fold, "trial": self.trial}
        found = {name: getattr(self, name) for name in ("status", "val_iou", "epochs", "seconds")}
        last = {"run_id": self.run_id, "study": self.study, "chosen": self.chosen}
        return {**names, **self.values, **found, **last}


def trial_rows(tables: Tables, chosen: Sequence[Chosen]) -> list[TrialRow]:
    """Return the trials of all studies of a sweep, in the order in which they were asked for.

    Runs of Hydra's own Optuna sweeper belong to no cell's search and are left out.
    """
    planned = {row["folder"]: row for row in read_plan(tables.sweep.plan).rows}
    order = {name: place for place, name in enumerate(planned)}
    trials = [run for run in tables.runs if run.kind == "trial" and _study(run)]
    trials.sort(key=lambda run: order.get(run.path.name, len(order)))
    counts: dict[str, int] = {}
    by_study = {one.study: one for one in chosen}
    found = []
    for run in trials:
        study = _study(run)
        counts[study] = counts.get(study, 0) + 1
        cell = planned.get(run.path.name, {}).get("cell") or run.cell
        row = by_study.get(study)
        found.append(_row(tables, run, counts[study], row.cell if row else cell, row))
    return found


def _row(tables: Tables, run: RunRecord, place: int, cell: str, chosen: Chosen | None) -> TrialRow:
    columns, paths = run.columns, tables.sweep.run(run.path.name)
    status = str(run.status)
    result, failure = known_result(paths.result), known_failure(paths.failure)
    if result is not None and result.values.get("pruned"):
        status = PRUNED
    elif result is None and failure is not None and failure.known_cause == Cause.NON_FINITE:
        status = DIVERGED
    fold = run.settings.get("data.split.fold")
    return TrialRow(
        cell=cell,
        fold=fold if isinstance(fold, int) else None,
        trial=place,
        values=_values(run),
        status=status,
        val_iou=_number(columns.get("val_iou")),
        epochs=None if (epochs := _number(columns.get("epochs"))) is None else int(epochs),
        seconds=_number(columns.get("seconds")),
        run_id=str(columns["run_id"]),
        study=_study(run),
        chosen=chosen is not None and chosen.trial == columns["run_id"],
    )


def _study(run: RunRecord) -> str:
    return str(run.settings.get("search.study") or "")


def _values(run: RunRecord) -> dict[str, object]:
    keys = str(run.settings.get(SEARCHED) or "").split(",")
    return {("optimizer.lr" if key == "lr" else key): run.settings.get(key) for key in keys if key}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
