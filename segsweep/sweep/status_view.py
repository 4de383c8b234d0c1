"""A sweep's status as a notebook holds it: counts, frames, and how they are shown."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from segsweep.sweep.status import SweepStatus
from segsweep.sweep.status_text import RUN, controller_text, run_json, summary

if TYPE_CHECKING:
    from pandas import DataFrame

SHOWN = ("run", "cell", "epoch", "epochs", "val_iou", "seconds_left")
FAILED = ("run", "cell", "attempts", "cause", "error")


@dataclass(frozen=True, repr=False, eq=False)
class StatusView:
    """How far a sweep is, at the moment when it was asked for."""

    found: SweepStatus
    """What the files say."""

    @property
    def summary(self) -> str:
        """One line: the sweep's name, runs by status, time left."""
        return summary(self.found)

    @property
    def counts(self) -> dict[str, int]:
        """Runs by status: finished, running, interrupted, failed, planned."""
        return self.found.counts

    @property
    def seconds_left(self) -> float | None:
        """Until all runs are finished, at the pace so far; None: unknown."""
        return self.found.seconds_left()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each damaged file."""
        return tuple(self.found.warnings)

    @cached_property
    def runs(self) -> "DataFrame":
        """A row per run, trials included.

        Columns: run (the folder's name), run_id, kind, cell (as the plan names it), model, seed,
        fold, status, epoch (done), epochs (in full), val_iou, best_val_iou, seconds_per_epoch,
        seconds_left, cause, error, attempts, folder.
        """
        from pandas import DataFrame

        return DataFrame([run_json(run) for run in self.found.runs], columns=list(RUN))

    @property
    def running(self) -> "DataFrame":
        """The rows of `runs` that train right now."""
        return self._in("running")

    @property
    def failed(self) -> "DataFrame":
        """The rows of `runs` that failed, with cause, error and attempts."""
        return self._in("failed")

    def _in(self, status: str) -> "DataFrame":
        return self.runs[self.runs["status"] == status].reset_index(drop=True)

    def _lines(self) -> list[str]:
        warnings = [f"warning: {line}" for line in self.warnings]
        return [self.summary, controller_text(self.found), *warnings]

    def __repr__(self) -> str:
        """Return runs by status, time left, who works on the sweep, and what is damaged."""
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        from segsweep.report.notebook import status_html

        parts = {"running": self.running[list(SHOWN)], "failed": self.failed[list(FAILED)]}
        return status_html(self._lines(), parts)
