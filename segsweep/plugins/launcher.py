"""`hydra/launcher=segsweep`: runs in slots of this machine, executed by `places/local.py`.

segsweep's own sweeper passes it frozen runs. Other sweepers (Hydra's Optuna and basic ones)
pass overrides, which are planned here first.
"""

import sys
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from segsweep.errors import SegsweepError, UserCodeError
from segsweep.store.outcome import NAN
from segsweep.system.names import plural

if TYPE_CHECKING:
    from segsweep.sweep.places.place import Place
    from segsweep.sweep.planning.plan import PlannedRun


class FailedJob(JobReturn):
    """A failed trial of a search: reading its value raises, which is how sweepers notice it."""

    @property
    def return_value(self) -> float:
        """Raise SegsweepError."""
        raise SegsweepError("the trial failed")

    @return_value.setter
    def return_value(self, value: float) -> None:
        """Keep the value, which nobody reads."""
        self._return_value = value


class SegsweepLauncher(Launcher):
    """Executes each run in a separate process, one per slot at a time."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember where Hydra's other sweepers write their files, and when they give up."""
        self.folder = Path(config.hydra.sweep.dir)
        self.max_failure_rate = config.hydra.sweeper.get("max_failure_rate")

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Execute the runs; return their validation IoUs, NaN for a failed run."""
        from segsweep.sweep.command import run_batch
        from segsweep.sweep.places.local import Local
        from segsweep.sweep.session import current

        self.folder.mkdir(parents=True, exist_ok=True)
        given = bool(current.jobs)
        numbers = range(initial_job_idx, initial_job_idx + len(job_overrides))
        planned = [current.run_of_job(one) for one in numbers] if given else _plan(job_overrides)
        runs = [run for run in planned if run is not None]
        values = iter(run_batch(runs, Local()) if runs else ())
        returned = [
            _returned(overrides, NAN if run is None else next(values), given)
            for overrides, run in zip(job_overrides, planned, strict=True)
        ]
        self._tell_end(returned)
        return returned

    def _tell_end(self, returned: Sequence[JobReturn]) -> None:
        """Say why a search ends after these trials, if it does: its sweeper then raises."""
        failed = sum(isinstance(one, FailedJob) for one in returned)
        if self.max_failure_rate is not None and failed > self.max_failure_rate * len(returned):
            print(
                f"hydra.sweeper.max_failure_rate={self.max_failure_rate:g}: the search ends, "
                f"because {failed} of {plural(len(returned), 'trial')} failed",
                file=sys.stderr,
            )


def place_of(launcher: Launcher, config: DictConfig) -> "Place":
    """Return the place where *launcher* executes runs; *config* is the whole composed config."""
    if isinstance(launcher, SegsweepLauncher):
        from segsweep.sweep.places.local import Local

        return Local()
    from segsweep.sweep.places.hydra_launchers import HydraPlace

    choice = str(config.hydra.runtime.choices["hydra/launcher"])
    return HydraPlace(launcher, choice, config.hydra.launcher)


def _plan(runs: Sequence[Sequence[str]]) -> "list[PlannedRun | None]":
    """Return the planned runs of a search; None for one whose own classes crash, exit or hang."""
    from segsweep.sweep.planning.compose import Composer
    from segsweep.sweep.planning.plan import plan_run
    from segsweep.sweep.planning.plan_runs import left_out
    from segsweep.sweep.session import current

    composer = Composer()
    planned: list[PlannedRun | None] = []
    for overrides in runs:
        try:
            planned.append(plan_run(*composer.composed(overrides)))
        except UserCodeError as error:
            current.outcomes += left_out({str(error): [" ".join(overrides)]})
            planned.append(None)
    return planned


def _returned(overrides: Sequence[str], value: float, planned: bool) -> JobReturn:
    """Return what the sweeper is told of a run; a search is told that its trial failed."""
    kind = JobReturn if planned or not isnan(value) else FailedJob
    result = kind(overrides=list(overrides), status=JobStatus.COMPLETED)
    result.return_value = value
    return result
