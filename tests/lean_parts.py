"""Plain twins of parts with special kernels, and what counts as large in a test."""

import copy

import pytest
from torch import nn

from networks import seeded
from segsweep.models.blocks import Stage
from segsweep.models.lean.parts import LeanStage, SplitStage, Unrepeated, apply, replace_parts
from segsweep.models.lean.recompute import RecomputedMaxPool
from segsweep.models.lean.reflect_conv import ReflectConv2d

either_size = pytest.mark.parametrize("large", [1, 1 << 30], ids=["large", "small"])
"""Bytes from which tensors count as large: all of a test's, or none."""
PLAIN = {
    ReflectConv2d: nn.Conv2d,
    SplitStage: Stage,
    LeanStage: Stage,
    RecomputedMaxPool: nn.MaxPool2d,
    Unrepeated: nn.Upsample,
}


def lean(build, *arguments, **named) -> nn.Module:
    """Build parts from a fixed seed, all of them replaced that can be."""
    module = seeded(build, *arguments, **named)
    apply(module, saving=True)
    replace_parts(module, saving=True)
    return module


def plain(module: nn.Module) -> nn.Module:
    """Return a copy of *module* in which torch's own layers compute."""
    twin = copy.deepcopy(module)
    for part in twin.modules():
        part.__class__ = PLAIN.get(type(part), type(part))
    return twin
