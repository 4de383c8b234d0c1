"""`hydra/sweeper=segsweep`: a thin class for Hydra; the work is in `sweep/command.py`."""

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SegsweepSweeper(Sweeper):
    """Plans every run of a command, then launches those that are not finished."""

    def __init__(self, params: dict[str, str] | None = None) -> None:
        """*params* are overrides in the sweeper's config."""
        super().__init__()
        self.params = dict(params or {})
        self.launcher: Launcher | None = None
        self.config: DictConfig | None = None

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Instantiate the launcher that the config names."""
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> None:
        """Run the command; the outcomes of its runs are in the session."""
        from segsweep.plugins.launcher import place_of
        from segsweep.sweep.command import run_sweep

        assert self.launcher is not None and self.config is not None, "Hydra calls setup first"
        run_sweep(arguments, self.params, place_of(self.launcher, self.config), self.config)
