"""Networks that do something terrible when they are built, or in their forward pass."""

import ctypes
import os
import sys
import time

from torch import Tensor, nn


def _do(kind: str) -> None:
    if kind == "exit":
        sys.exit(0)
    if kind == "os-exit":
        os._exit(0)
    if kind == "crash":
        ctypes.string_at(0)
    if kind == "interrupt":
        raise KeyboardInterrupt
    if kind == "hang":
        time.sleep(3600)
    if kind == "memory":
        taken = []
        while True:
            taken.append(b"x" * (1 << 26))


class Hostile(nn.Module):
    """One convolution.

    Args:
        built: what the constructor does: exit | os-exit | crash | interrupt | hang | memory.
        called: what the forward pass does.
        in_channels: channels of the images.

    """

    def __init__(self, built: str = "", called: str = "", in_channels: int = 3) -> None:
        super().__init__()
        self.called = called
        self.layer = nn.Conv2d(in_channels, 1, 3, padding=1)
        _do(built)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        _do(self.called)
        logits: Tensor = self.layer(x)
        return logits
