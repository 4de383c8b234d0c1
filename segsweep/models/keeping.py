"""What a network does not keep for its gradient, because it is large and quickly made again.

Values and gradients stay the same to the last bit.
"""

from collections.abc import Callable
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

LARGE = 16 << 20
"""Bytes of a tensor from which on its memory matters more than the time to make it again."""


def is_large(x: Tensor, times: int = 1) -> bool:
    """Whether *x*, or it repeated so many *times* in both directions, is large for a CPU.

    Left as torch has it: GPUs, where many small kernels cost more than a copy; autocast, whose
    casts would have to be done by hand; and what is compiled, traced or exported.
    """
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or is_captured():
        return False
    return x.nbytes * times**2 >= LARGE


def is_captured() -> bool:
    """Whether torch is writing down what is computed, to run it later without Python."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def not_keeping(x: Tensor, again: Callable[[], Tensor]) -> saved_tensors_hooks:
    """Return a context in which *x* is not kept for the gradient: *again* gives it then.

    *x* must live as long as the context, or another tensor may take its place in memory.
    """
    at, shape = x.data_ptr(), x.shape

    def pack(saved: Tensor) -> Tensor | None:
        return None if saved.data_ptr() == at and saved.shape == shape else saved

    def unpack(kept: Tensor | None) -> Tensor:
        return again() if kept is None else kept

    return saved_tensors_hooks(pack, unpack)


def passed_on(x: Tensor, norm: nn.Module, activation: nn.Module, then: nn.Module) -> Tensor:
    """Return then(activation(norm(x))) without keeping what *then* is given.

    BatchNorm keeps *x*; from that the rest is made again, with the same batch statistics.
    Anything but BatchNorm over the batch and a ReLU in place is left as it is.
    """
    between: Tensor = norm(x)
    usual = isinstance(norm, nn.BatchNorm2d) and norm.training
    usual = usual and isinstance(activation, nn.ReLU) and activation.inplace
    if not (usual and is_large(x) and between.requires_grad):
        return cast("Tensor", then(activation(between)))
    again = partial(_normalised, x.detach(), cast("nn.BatchNorm2d", norm))
    with not_keeping(between, again):  # ReLU works in place: its result is there too
        return cast("Tensor", then(activation(between)))


def _normalised(x: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    with torch.no_grad():
        y = F.batch_norm(x, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)
        return F.relu_(y)


class Pool(nn.MaxPool2d):
    """Max-pooling that does not keep where the maxima stood: its gradient looks again."""

    def forward(self, x: Tensor) -> Tensor:
        """Return what nn.MaxPool2d does."""
        if is_captured() or not torch.is_grad_enabled():
            return F.max_pool2d(x, self.kernel_size)

        def pack(saved: Tensor) -> Tensor | None:
            return saved if saved.is_floating_point() else None

        def unpack(kept: Tensor | None) -> Tensor:
            if kept is None:
                return F.max_pool2d(x.detach(), self.kernel_size, return_indices=True)[1]
            return kept

        with saved_tensors_hooks(pack, unpack):
            return F.max_pool2d(x, self.kernel_size)
