"""A loss that is slow until a file exists, so that a test can act on the run meanwhile."""

import time
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F


class Patience(nn.Module):
    """Binary cross-entropy that sleeps in each call until a file exists.

    Args:
        until: the file, relative to the folder in which the command was started.
        seconds: sleep in each call.

    """

    def __init__(self, until: str = "go on", seconds: float = 1.0) -> None:
        super().__init__()
        self.until, self.seconds = Path(until), seconds

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss, after the sleep if the file does not exist."""
        if not self.until.exists():
            time.sleep(self.seconds)
        return F.binary_cross_entropy_with_logits(logits, target)
