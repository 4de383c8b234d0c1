"""The switch for the special kernels, and the only module that imports `segsweep/models/lean`.

Without that folder every level acts like "off": networks consist of plain torch layers and the
allocator keeps its settings.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Literal, TypeAlias

from torch import Tensor, nn

Level: TypeAlias = Literal["off", "fast", "memory"]
"""off: plain torch; fast: what saves time; memory: also what saves memory and costs time."""
ForwardContext: TypeAlias = Callable[[Tensor], AbstractContextManager[object]]
"""Images of a training step -> the context of its forward pass."""


def is_available() -> bool:
    """Whether the folder is there and contains the kernels."""
    try:
        return find_spec("segsweep.models.lean.parts") is not None
    except ModuleNotFoundError:
        return False


def level_of(lean: str) -> Level:
    """Return the level that a value of `trainer.lean` stands for in a run."""
    if lean == "off" or not is_available():
        return "off"
    return "memory" if lean == "on" else "fast"


def apply(model: nn.Module, level: Level) -> None:
    """Replace the parts of *model* in place; weights and names in its state dict stay."""
    if level != "off":
        from segsweep.models.lean import parts

        parts.apply(model, saving=level == "memory")


def prepare_memory(level: Level) -> None:
    """Set up the allocator of this process, before a run makes its first tensor."""
    if level != "off":
        from segsweep.models.lean import allocator

        allocator.prepare_memory()


def around_forward(level: Level) -> ForwardContext:
    """Return the function that gives the context of each forward pass in training."""
    if level == "off":
        return untouched
    from segsweep.models.lean.allocator import StepMemory

    return StepMemory(saving=level == "memory")


def untouched(images: Tensor) -> AbstractContextManager[object]:
    """Return a context that changes nothing."""
    return nullcontext()
