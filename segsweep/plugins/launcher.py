"""`hydra/launcher=segsweep`: runs in slots of this machine, executed by `places/local.py`.

segsweep's own sweeper passes it frozen runs. Other sweepers (Hydra's Optuna and basic ones)
pass overrides, which are planned here first.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

if TYPE_CHECKING:
    from segsweep.sweep.places.place import Place
    from segsweep.sweep.planning.plan import PlannedRun


class SegsweepLauncher(Launcher):
    """Executes each run in a separate process, one per slot at a time."""

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Remember the folder where Hydra's other sweepers write their files."""
        self.folder = Path(config.hydra.sweep.dir)

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Execute the runs; return their validation IoUs, NaN for a failed run."""
        from segsweep.sweep.command import run_batch
        from segsweep.sweep.places.local import Local
        from segsweep.sweep.session import current

        self.folder.mkdir(parents=True, exist_ok=True)
        given = current.planned[initial_job_idx : initial_job_idx + len(job_overrides)]
        planned = given or _plan(job_overrides)
        values = run_batch(planned, Local())
        return [
            _returned(overrides, value)
            for overrides, value in zip(job_overrides, values, strict=True)
        ]


def place_of(launcher: Launcher, config: DictConfig) -> "Place":
    """Return the place where *launcher* executes runs; *config* is the whole composed config."""
    if isinstance(launcher, SegsweepLauncher):
        from segsweep.sweep.places.local import Local

        return Local()
    from segsweep.sweep.places.hydra_launchers import HydraPlace

    choice = str(config.hydra.runtime.choices["hydra/launcher"])
    return HydraPlace(launcher, choice, config.hydra.launcher)


def _plan(runs: Sequence[Sequence[str]]) -> "list[PlannedRun]":
    from segsweep.sweep.planning.compose import Composer
    from segsweep.sweep.planning.plan import plan_run

    composer = Composer()
    return [plan_run(*composer.composed(overrides)) for overrides in runs]


def _returned(overrides: Sequence[str], value: float) -> JobReturn:
    result = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED)
    result.return_value = value
    return result
