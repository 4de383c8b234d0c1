"""A plain Hydra application with segsweep's config but without its sweeper, for comparison.

    python benchmarks/hydra_app.py -m hydra/launcher=basic seed=0,1,2

Each job builds the network and trains it with segsweep's own loop. It stores nothing: no
checkpoint, no scores, no lock; an empty file records when it ended. The time beyond the fit is
therefore that of Hydra and of building the network.
`hydra/launcher=nothing` starts no job, which leaves the time of composing.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from segsweep.plugins.register import register_schema
from segsweep.system.installation import conf_folder
from segsweep.train import HYDRA_WHITELIST


class Nothing(Launcher):
    """Starts no job."""

    def setup(self, **_: object) -> None:
        """Prepare nothing."""

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> list[Any]:
        """Return no results."""
        return []


def train(cfg: DictConfig) -> float:
    """Train as the config says; return the last validation IoU."""
    from hydra.core.hydra_config import HydraConfig

    from segsweep.config.check import check_config
    from segsweep.config.run_config import FACTS, FrozenConfig
    from segsweep.store.paths import RunPaths
    from segsweep.sweep.planning.compose import resolve
    from segsweep.training.build import build_job
    from segsweep.training.dataset import prepared_data
    from segsweep.training.loop import Hooks, fit

    checked = check_config(resolve(cfg), dict(HydraConfig.get().runtime.choices))
    config = FrozenConfig.of({**dict.fromkeys(FACTS, ""), "contents": {}, **checked})
    job = build_job(config, RunPaths(Path("unused")), prepared_data(config))
    hooks = Hooks(save=lambda *_: None, epoch_done=lambda *_: None)
    history = fit(job.state, job.loss_fn, job.train, job.val, job.loop, hooks, job.augment)
    Path(cfg.outputs, f"{cfg.sweep}-{cfg.seed}.end").touch()
    return float(history[-1]["val_iou"])


def main() -> None:
    """Run the command line with Hydra's basic sweeper."""
    register_schema()
    target = {"_target_": f"{Nothing.__module__}.Nothing"}
    ConfigStore.instance().store(group="hydra/launcher", name="nothing", node=target)
    Plugins.instance().register(Nothing)
    sys.argv[1:1] = ["hydra/sweeper=basic", "~hydra.callbacks.segsweep"]
    folder = str(conf_folder())
    hydra.main(config_path=folder, config_name="config", execution_whitelist=HYDRA_WHITELIST)(
        train
    )()


if __name__ == "__main__":
    main()
