"""Whether a network at its size can fit into memory at all, found out without any memory.

The network is built on torch's meta device, which knows shapes and no numbers. What it needs is a
lower bound: measuring real steps (`sweep/planning/probe.py`) finds out the rest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from segsweep.errors import ConfigError, SegsweepError
from segsweep.system.machine import available_memory_mb, gpus
from segsweep.system.units import MIB, size_text

SMALL_VALUES = 2**30
"""Values of a layer's output up to which a real pass is done instead, which is as fast."""
SMALL_WEIGHTS = 2**28
"""The same for the bytes of the weights."""
CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class Step:
    """A training step: its images, and what it computes in."""

    size: tuple[int, int]
    channels: int
    batch: int
    value_bytes: int = 4
    """Bytes of a value, at least: 2 with mixed precision."""
    on_gpu: bool = False
    size_key: str = "data.size"
    """The config's key that decides the size."""


def large_output(
    name: str, make: Callable[[], nn.Module], step: Step
) -> tuple[nn.Module, tuple[int, ...]] | None:
    """Return the network without numbers and the shape of its output for one image.

    None if it is small, or if it cannot be built or called without numbers. Raises ConfigError
    if a training step cannot fit into memory.
    """
    try:
        with torch.device("meta"):
            model = make().eval()
    except SegsweepError:
        raise
    except Exception:  # it reads numbers
        return None
    weights = sum(item.numel() * item.element_size() for item in model.parameters())
    widest = max((item.shape[0] for item in model.parameters() if item.ndim), default=1)
    height, width = step.size
    values = step.batch * height * width * max(widest, step.channels)
    if values <= SMALL_VALUES and weights <= SMALL_WEIGHTS:
        return None
    _raise_if_short(name, 2.0 * weights, step)  # and their gradients
    if height % getattr(model, "size_multiple", 1) or width % getattr(model, "size_multiple", 1):
        return model, ()
    largest, shape = _pass(model, step)
    _raise_if_short(name, 2.0 * weights + largest * step.batch * step.value_bytes, step)
    return (model, shape) if shape else None


def _pass(model: nn.Module, step: Step) -> tuple[int, tuple[int, ...]]:
    """Return the most values that one layer reads and writes, and the shape of the output."""
    largest = step.channels * step.size[0] * step.size[1]

    def note(module: nn.Module, given: tuple[object, ...], output: object) -> None:
        nonlocal largest
        counted = [output, *(given if isinstance(module, CONVOLUTIONS) else ())]
        largest = max(largest, sum(one.numel() for one in counted if isinstance(one, Tensor)))

    for module in model.modules():
        if not list(module.children()):
            module.register_forward_hook(note)
    try:
        with torch.inference_mode():
            output = model(torch.empty(1, step.channels, *step.size, device="meta"))
    except Exception:  # a layer that needs numbers
        return largest, ()
    return largest, tuple(getattr(output, "shape", ())) or (0,)


def _raise_if_short(name: str, needed: float, step: Step) -> None:
    room = _free_mb(_gpu_memory_mb if step.on_gpu else available_memory_mb) * MIB
    if needed > room:
        height, width = step.size
        raise ConfigError(
            f"not enough memory for model={name} with {step.size_key}={height} x {width} and "
            f"trainer.batch={step.batch}: a step needs at least {size_text(needed)}, this machine "
            f"has {size_text(room)} free; use a smaller {step.size_key}, trainer.batch or network"
        )


@lru_cache
def _free_mb(read: Callable[[], float]) -> float:
    """Return what *read* returned first: runs that cannot fit are refused in equal words."""
    return read()


def _gpu_memory_mb() -> float:
    """Return what the GPU with most free memory has; infinite without one."""
    return max((gpu.free_mb for gpu in gpus()), default=float("inf"))
