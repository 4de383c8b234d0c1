"""Runs that collapsed after their best epoch."""

from collections.abc import Iterable

from segsweep.report.columns import TableRow
from segsweep.store.run_cache import RunRecord
from segsweep.store.states import Status

SHARE = 0.5
"""A run collapsed if its last validation IoU is below this share of that of the selected epoch."""
LEAST = 0.1
"""Validation IoU below which a run has learned nothing that it could lose."""
MOST_RUNS = 6
"""Runs that a note names; it counts the others."""


def is_collapsed(row: TableRow) -> bool:
    """Whether a run collapsed; *row* as in results.csv. Unfinished runs have not: they go on."""
    best, last = row.get("val_iou"), row.get("last_val_iou")
    if row.get("status") != Status.FINISHED:
        return False
    if not isinstance(best, float) or not isinstance(last, float):
        return False
    return best >= LEAST and last < SHARE * best


def collapse_notes(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    """Return one sentence that names the collapsed runs; none if there is none."""
    found = [run for run in runs if is_collapsed(run.columns)]
    if not found:
        return ()
    names = ", ".join(map(_fall, found[:MOST_RUNS]))
    more = f" and {len(found) - MOST_RUNS} more" if len(found) > MOST_RUNS else ""
    many = "1 run" if len(found) == 1 else f"{len(found)} runs"
    its = "its" if len(found) == 1 else "their"
    return (
        f"{many} collapsed after {its} best epoch (validation IoU at the end below half): "
        f"{names}{more}. The weights of the best epoch are tested.",
    )


def _fall(run: RunRecord) -> str:
    """Return `segnet/ss seed 0 (0.640 to 0.000)`."""
    best, last = run.columns["val_iou"], run.columns["last_val_iou"]
    return f"{run.cell} seed {run.seed} ({best:.3f} to {last:.3f})"
