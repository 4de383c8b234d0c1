"""Corrects a measured cost by what a finished run of its kind took."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from segsweep.errors import StoreError
from segsweep.sweep.history_end import history_end
from segsweep.sweep.planning import cost
from segsweep.sweep.planning.plan import PlannedRun

ENOUGH = 3
"""Epochs of this attempt or earlier ones from which on their median tells a pace."""
SECONDS = (
    *("start", "warm_up", "step", "val_image", "score_image"),
    *("save_last", "save_best", "preview"),
)
NEAR = 1.25
"""Up to this factor a measurement stays as it is."""


def correct_cost(run: PlannedRun) -> None:
    """Scale the cached cost of a kind of run by the epochs of a finished one.

    Steps are measured in seconds, once, perhaps while the machine did something else: a plan
    would repeat that error for as long as the cache lives.
    """
    cache, kind = Path(run.config.outputs) / ".cache", cost.probe_key(run.config)
    measured = cost.load(cache, kind)
    taken = sorted(row["seconds"] or 0.0 for row in history_end(run.paths.history))
    if measured is None or len(taken) < ENOUGH:
        return
    by_epoch = cost.epoch_seconds(run.config, measured) - cost.EPOCH_SECONDS
    median = taken[len(taken) // 2]
    factor = max(median - cost.EPOCH_SECONDS, 0.0) / by_epoch if by_epoch else 0.0
    if factor and not 1 / NEAR <= factor <= NEAR:
        with suppress(OSError, StoreError):  # a full disk: the next run says it, or the next plan
            cost.store(cache, kind, scaled(measured, factor))


def scaled(measured: cost.Measured, factor: float) -> cost.Measured:
    """Return a cost whose seconds are all multiplied."""
    return replace(measured, **{name: factor * getattr(measured, name) for name in SECONDS})
