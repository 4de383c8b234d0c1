"""Everything that changes while a run trains, and how it is stored and loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import AveragedModel

from segsweep.models.kernels import ForwardContext, untouched

Row = dict[str, float]
Saved: TypeAlias = Mapping[str, Any]
"""A checkpoint: tensors and plain values by name."""


@dataclass
class State:
    """Everything that changes while a run trains."""

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler
    every: str
    """When the scheduler steps: step | epoch | val_loss."""
    averaged: AveragedModel | None = None
    scaler: torch.amp.GradScaler | None = None
    epoch: int = 0
    """Epochs finished."""
    step: int = 0
    """Steps finished in the current epoch."""
    losses: list[float] = field(default_factory=list)
    """The loss of each of those steps."""
    spent: float = 0.0
    """Seconds spent on those steps."""
    lr: float = 0.0
    """The learning rate of the last step."""
    history: list[Row] = field(default_factory=list)
    best_epoch: int = 0
    """Counted from 1; 0 before the first."""
    around_forward: ForwardContext = untouched
    """Gives the context of a training step's forward pass; not stored."""

    @property
    def judged(self) -> nn.Module:
        """The network that is validated and tested: with averaged weights, if they are used."""
        return self.model if self.averaged is None else self.averaged.module

    def to_dict(self) -> Saved:
        """Return all of it as tensors and plain values."""
        parts = {name: getattr(self, name).state_dict() for name in self._parts()}
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        values = {name: getattr(self, name) for name in (*_PLAIN, "lr")}
        return {**parts, **values, "rng": torch.get_rng_state(), "cuda_rng": cuda}

    def load(self, saved: Saved) -> None:
        """Restore the state from what `to_dict` returned."""
        for name in self._parts():
            getattr(self, name).load_state_dict(saved[name])
        for name in _PLAIN:
            setattr(self, name, saved[name])
        # checkpoints of 0.1.0 lack it; it matters only if no step of the epoch is left
        self.lr = float(saved.get("lr", self.optimizer.param_groups[0]["lr"]))
        torch.set_rng_state(saved["rng"].cpu())
        if saved["cuda_rng"] and torch.cuda.device_count() == len(saved["cuda_rng"]):
            torch.cuda.set_rng_state_all([state.cpu() for state in saved["cuda_rng"]])

    def _parts(self) -> list[str]:
        names = ("model", "optimizer", "scheduler", "averaged", "scaler")
        return [name for name in names if getattr(self, name) is not None]


_PLAIN = ("epoch", "step", "losses", "spent", "history", "best_epoch")


def averaging_of(model: nn.Module, decay: float) -> AveragedModel | None:
    """Return the exponential average of *model*'s weights and buffers, None for decay 0.

    Early in training the average covers the few steps done so far: the decay at step n is at
    most (1 + n) / (10 + n), so that the random initial weights soon lose their influence.
    """
    if not decay:
        return None

    @torch.no_grad()
    def average(
        averages: Sequence[Tensor], values: Sequence[Tensor], updates: Tensor | int
    ) -> None:
        n = int(updates)
        keep = min(decay, (1 + n) / (10 + n))
        for mean, value in zip(averages, values, strict=True):
            if mean.is_floating_point():
                mean.lerp_(value, 1 - keep)
            else:
                mean.copy_(value)

    return AveragedModel(model, multi_avg_fn=average, use_buffers=True)
