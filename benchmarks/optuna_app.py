"""A plain Hydra application whose value is the stand-in of `benchmarks/search.py`.

python benchmarks/optuna_app.py -m model=0,1 loss=0,1 "lr=tag(log,interval(1e-5,1e-2))"
"""

from dataclasses import dataclass, field
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig
from search import LOSSES, cells_of


@dataclass
class Stand:
    """The config: a cell, a learning rate, and which draw of the cells."""

    defaults: list[Any] = field(
        default_factory=lambda: [
            "_self_",
            {"override hydra/sweeper": "optuna"},
            {"override hydra/sweeper/sampler": "tpe"},
            {"override hydra/job_logging": "none"},
            {"override hydra/hydra_logging": "none"},
        ]
    )
    model: int = 0
    loss: int = 0
    lr: float = 0.002
    draw: int = 0
    hydra: Any = field(
        default_factory=lambda: {
            "output_subdir": None,
            "sweeper": {"direction": "maximize"},
        }
    )


ConfigStore.instance().store(name="stand", node=Stand)


@hydra.main(config_path=None, config_name="stand", execution_whitelist=["optuna.samplers.*"])
def value(cfg: DictConfig) -> float:
    """Return the value of the cell at the learning rate."""
    return cells_of(cfg.draw)[cfg.model * LOSSES + cfg.loss].value(cfg.lr)


if __name__ == "__main__":
    value()
