"""glibc's allocator: which freed memory a process keeps, and which it returns to the system.

Requesting memory from the system again takes up to half of the time of a training step
(`docs/decisions/0005-allocator-inside-the-process.md`). Without glibc nothing here has an effect.
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
    """Sets the allocator before and after the forward pass of each training step."""

    saving: bool
    """Whether the backward pass of large batches returns memory, at the cost of time."""
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
    # the backward pass has a separate thread: it shares one heap, so that memory is kept once
    done = done and _set(_TOP_PAD, 8 << 20) and _set(_ARENA_MAX, 1)
    return done and map_memory()


def map_memory() -> bool:
    """Map tensors of 1 MB and more that fit no freed memory; they are returned when freed.

    In the first training step, permanent allocations (the optimizer's state, caches of kernels)
    then lie together and do not fragment the freed memory. In the backward pass of large
    batches, memory beyond that of the forward pass is returned. Returns whether glibc accepted
    the setting.
    """
    return _set(_MMAP_MAX, 1 << 16)


def keep_memory() -> bool:
    """Keep freed memory of any size: requesting it again at each step takes longer.

    Returns whether glibc accepted the setting.
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
