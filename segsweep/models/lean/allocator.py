"""glibc's allocator: which freed memory a process keeps, and which goes back to the system.

Taking memory from the system again at every step costs up to half of the step
(`docs/decisions/0005-allocator-inside-the-process.md`). Without glibc nothing here does anything.
"""

import contextlib
import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import cast

from torch import Tensor

LARGE_BATCH = 8 << 20
"""Bytes of images from which the backward pass needs much more memory than the forward pass."""
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -2, -3, -4, -8


@dataclass
class StepMemory:
    """Tells the allocator what to do around the forward pass of each training step."""

    saving: bool
    """Whether the backward pass of large batches returns memory, at the price of time."""
    warm: bool = False
    """Whether a step has run in this process."""

    @contextmanager
    def __call__(self, images: Tensor) -> Iterator[None]:
        """Return the context of the forward pass of *images*; the first step maps its tensors."""
        if self.warm:
            keep_memory()
        yield
        if self.saving and images.device.type == "cpu" and images.nbytes >= LARGE_BATCH:
            map_memory()
        self.warm = True


def prepare_memory() -> bool:
    """Let glibc keep small tensors that are freed, and map large ones; return whether it did.

    Called before a run makes its first tensor; it works however the process was started.
    """
    done = _set(_MMAP_THRESHOLD, 1 << 20) and _set(_TRIM_THRESHOLD, -1)
    # the backward pass has its own thread: one heap for both, or each keeps its memory apart
    done = done and _set(_TOP_PAD, 8 << 20) and _set(_ARENA_MAX, 1)
    return done and map_memory()


def map_memory() -> bool:
    """Map tensors of 1 MB and more that fit no freed memory; they go back when freed.

    In the first training step, what stays (the optimizer's state, caches of kernels) then lies
    together, not in islands between freed memory that fits nothing any more. In the backward
    pass of large batches, what it needs beyond the forward pass goes back. Returns whether
    glibc accepted it.
    """
    return _set(_MMAP_MAX, 1 << 16)


def keep_memory() -> bool:
    """Keep freed memory of any size: taking it again at each step costs more.

    Returns whether glibc accepted it.
    """
    return _set(_MMAP_MAX, 0)


def _set(parameter: int, value: int) -> bool:
    mallopt = _mallopt()
    return mallopt is not None and bool(mallopt(parameter, value))


@cache
def _mallopt() -> Callable[[int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    with contextlib.suppress(OSError, AttributeError):
        return cast("Callable[[int, int], int]", ctypes.CDLL("libc.so.6").mallopt)
    return None
