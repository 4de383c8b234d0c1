"""A run's two checkpoints: `last.pt` with all state, and the best epoch's weights.

`last.pt` names the best one. The new best file is written first, `last.pt` second, the
old best file deleted third: a kill between any two of them loses nothing.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from segsweep.errors import StoreError
from segsweep.system.files import replacing

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint folder of one run."""

    folder: Path

    @property
    def last(self) -> Path:
        """All state of the training, to go on from."""
        return self.folder / "last.pt"

    def best(self, epoch: int) -> Path:
        """Return the path of the weights of the best epoch, counted from 1."""
        return self.folder / f"best-{epoch}.pt"

    def save(self, state: Mapping[str, Any], best_epoch: int, weights: Weights | None) -> None:
        """Store *state*; *weights* are given when `best_epoch` is new."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if weights is not None:
            _save(weights, self.best(best_epoch))
        _save({**state, "best_file": self.best(best_epoch).name}, self.last)
        for old in self.folder.glob("best-*.pt"):
            if old.name != self.best(best_epoch).name:
                old.unlink()

    def load(self) -> dict[str, Any] | None:
        """Return the state to go on from, on the CPU, or None where there is none."""
        return _load(self.last) if self.last.exists() else None

    def load_best(self, epoch: int) -> dict[str, Any]:
        """Return the weights of the best epoch, on the CPU."""
        return _load(self.best(epoch))

    def clear(self) -> None:
        """Delete every checkpoint: the run starts from scratch."""
        for file in self.folder.glob("*.pt"):
            file.unlink()


def _save(values: Mapping[str, Any], path: Path) -> None:
    buffer = io.BytesIO()  # writing straight to a full disk, torch hides the system's error
    torch.save(dict(values), buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def _load(path: Path) -> dict[str, Any]:
    """Load tensors and plain values only: a checkpoint cannot run code.

    Onto the CPU: what takes them over puts each where it belongs, counters stay here.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise StoreError(f"{path}: cannot be read ({type(error).__name__})") from error
