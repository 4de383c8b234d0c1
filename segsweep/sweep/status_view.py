"""A sweep's status for a notebook: counts and data frames, shown as HTML."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from segsweep.store.states import Status
from segsweep.sweep.status import SweepStatus
from segsweep.sweep.status_text import RUN, controller_text, run_json, summary

if TYPE_CHECKING:
    from pandas import DataFrame

SHOWN_RUNNING = ("run", "cell", "epoch", "epochs", "val_iou", "seconds_left")
SHOWN_FAILED = ("run", "cell", "attempts", "cause", "error")


@dataclass(frozen=True, repr=False, eq=False)
class StatusView:
    """The progress of a sweep at the moment when it was read."""

    found: SweepStatus

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
        """Seconds until all runs are finished, at the pace so far; None if unknown."""
        return self.found.seconds_left()

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each damaged file."""
        return tuple(self.found.warnings)

    @cached_property
    def runs(self) -> "DataFrame":
        """A row per run, trials included.

        Columns: run (the folder's name), run_id, kind, cell (its name in the plan), model, seed,
        fold, status, pruned, epoch (finished epochs), epochs (all), val_iou, best_val_iou,
        seconds_per_epoch, seconds_left, cause, error, attempts, folder.
        """
        from pandas import DataFrame

        return DataFrame([run_json(run) for run in self.found.runs], columns=list(RUN))

    @property
    def running(self) -> "DataFrame":
        """The rows of `runs` that are training now."""
        return self._in(Status.RUNNING)

    @property
    def failed(self) -> "DataFrame":
        """The rows of `runs` that failed, with cause, error and attempts."""
        return self._in(Status.FAILED)

    def _in(self, status: Status) -> "DataFrame":
        return self.runs[self.runs["status"] == status].reset_index(drop=True)

    def _lines(self) -> list[str]:
        warnings = [f"warning: {line}" for line in self.warnings]
        return [self.summary, controller_text(self.found), *warnings]

    def __repr__(self) -> str:
        """Return the summary, the command that uses the sweep, and the warnings."""
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        from segsweep.report.notebook import status_html

        parts = {
            "running": self.running[list(SHOWN_RUNNING)],
            "failed": self.failed[list(SHOWN_FAILED)],
        }
        return status_html(self._lines(), parts)
