"""A loss that works for a number of calls in a process, then fails in a chosen way."""

import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Trouble(nn.Module):
    """Binary cross-entropy that fails after *after* calls, unless MENDED is in the environment.

    Args:
        kind: raise | kill (itself) | nan | exit | os-exit (with code 0) | interrupt (raises
            KeyboardInterrupt) | hang | memory (asks for a petabyte) | wait | none.
        after: calls (training steps and validation batches) that work.
        seconds: sleep in each call of kind wait.
        once: a file that is created at the first failure; if it exists, nothing fails.

    """

    def __init__(
        self, kind: str = "none", after: int = 12, seconds: float = 0.0, once: str = ""
    ) -> None:
        super().__init__()
        self.kind, self.after, self.seconds, self.once = kind, after, seconds, once
        self.calls = 0

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss or fail."""
        self.calls += 1
        loss = F.binary_cross_entropy_with_logits(logits, target)
        if self.kind == "wait":
            time.sleep(self.seconds)
        elif self.calls > self.after and "MENDED" not in os.environ and not self._failed_before():
            return self._fail(loss)
        return loss

    def _failed_before(self) -> bool:
        if not self.once:
            return False
        there = Path(self.once).exists()
        Path(self.once).touch()
        return there

    def _fail(self, loss: Tensor) -> Tensor:
        if self.kind == "raise":
            raise RuntimeError("the loss has a fault")
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.kind == "exit":
            print("about to leave")
            sys.exit(3)
        if self.kind == "os-exit":
            os._exit(0)
        if self.kind == "interrupt":
            raise KeyboardInterrupt
        if self.kind == "hang":
            time.sleep(3600)
        if self.kind == "memory":
            torch.empty(1 << 50, dtype=torch.uint8)
        return loss * float("nan") if self.kind == "nan" else loss
