"""A run's two checkpoints: `last.pt` with all state, and the weights of the best epoch.

`last.pt` names the file of the best epoch. The new best file is written first, then
`last.pt`, then the old best file is deleted, so a kill between two of them loses nothing.
"""

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch

from segsweep.errors import StoreError
from segsweep.system.files import replacing

SavedWeights = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint folder of one run."""

    folder: Path

    @property
    def last(self) -> Path:
        """All state of the training, to resume from."""
        return self.folder / "last.pt"

    def best(self, epoch: int) -> Path:
        """Return the path of the weights of the best *epoch*, counted from 1."""
        return self.folder / f"best-{epoch}.pt"

    def save(
        self, state: Mapping[str, object], best_epoch: int, weights: SavedWeights | None
    ) -> None:
        """Store *state*, and *weights* if `best_epoch` is new."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if weights is not None:
            _save(weights, self.best(best_epoch))
        _save({**state, "best_file": self.best(best_epoch).name}, self.last)
        for old in self.folder.glob("best-*.pt"):
            if old.name != self.best(best_epoch).name:
                old.unlink()

    def load(self) -> Mapping[str, object] | None:
        """Return the state to resume from, on the CPU; None if there is none."""
        return _load(self.last) if self.last.exists() else None

    def load_best(self, epoch: int) -> SavedWeights:
        """Return the weights of the best epoch, on the CPU."""
        return cast("SavedWeights", _load(self.best(epoch)))

    def clear(self) -> None:
        """Delete every checkpoint, so that the run starts from scratch."""
        for file in self.folder.glob("*.pt"):
            file.unlink()


def _save(values: Mapping[str, object], path: Path) -> None:
    buffer = io.BytesIO()  # torch would hide the system's error about a full disk
    torch.save(dict(values), buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def _load(path: Path) -> Mapping[str, object]:
    """Load a checkpoint onto the CPU; only tensors and plain values, so it cannot run code."""
    try:
        with warnings.catch_warnings():  # torch's advice about files that it did not write
            warnings.simplefilter("ignore")
            return cast("Mapping[str, object]", torch.load(path, "cpu", weights_only=True))
    except Exception as error:
        raise StoreError(f"{path}: cannot be read ({type(error).__name__})") from error
