"""Tensors that are not kept for the gradient, because they are quick to recompute.

With the same number of threads, values and gradients stay the same to the last bit.
Shapes: B images, C channels, H rows, W columns.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F

LARGE = 16 << 20
"""Bytes from which the memory of a tensor, or a copy of it, costs more than a few small kernels."""


def is_large(x: Tensor, times: int = 1) -> bool:
    """Whether *x* (B, C, H, W), repeated *times* in both directions, is large for a CPU.

    Always False on GPUs, where many small kernels cost more than a copy; under autocast, whose
    casts would have to be written by hand; and while a model is compiled, traced or exported.
    """
    if x.device.type != "cpu" or torch.is_autocast_enabled("cpu") or is_captured():
        return False
    return x.dim() == 4 and x.nbytes * times**2 >= LARGE


def is_captured() -> bool:
    """Whether torch is recording the computation, to run it later without Python."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def has_hooks(*modules: nn.Module) -> bool:
    """Whether one of *modules* has a hook that sees or changes its inputs or outputs."""
    return any(
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        for module in modules
    )


def later(x: Tensor) -> Callable[[], Tensor]:
    """Return a function that returns *x* when the gradient is computed.

    It raises RuntimeError, as torch does, if *x* was changed in place in between.
    """
    x, version = x.detach(), x._version  # *x* itself would refer to the graph that refers to it

    def get() -> Tensor:
        if x._version != version:
            raise RuntimeError(_CHANGED)
        return x

    return get


_CHANGED = "a tensor needed for the gradient was changed in place after the forward pass used it"


def not_keeping(x: Tensor, again: Callable[[], Tensor]) -> saved_tensors_hooks:
    """Return a context in which *x* is not kept for the gradient: *again* recomputes it.

    *x* must live as long as the context, or another tensor may take its place in memory.
    """
    at, shape = x.data_ptr(), x.shape
    versions: set[int] = set()

    def made() -> Tensor:
        if len(versions) > 1:
            raise RuntimeError(_CHANGED)
        return again()

    def pack(saved: Tensor) -> Callable[[], Tensor]:
        if saved.data_ptr() != at or saved.shape != shape:
            return later(saved)
        versions.add(saved._version)
        return made

    return saved_tensors_hooks(pack, _get)


def _get(get: Callable[[], Tensor]) -> Tensor:
    return get()


def passed_on(x: Tensor, norm: nn.Module, activation: nn.Module, then: nn.Module) -> Tensor:
    """Return then(activation(norm(x))) without keeping the input of *then*, if it is large.

    Shape: (B, C, H, W) to the output of *then*.

    BatchNorm keeps *x*; the rest is recomputed from it, with the same batch statistics. Only
    torch's own BatchNorm in training mode, followed by its ReLU in place, is treated this way.
    """
    between: Tensor = norm(x)
    usual = type(norm) is nn.BatchNorm2d and norm.training and not has_hooks(norm, activation)
    usual = usual and type(activation) is nn.ReLU and activation.inplace
    if not (usual and is_large(x) and between.requires_grad):
        return cast("Tensor", then(activation(between)))
    again = _normalising(x, cast("nn.BatchNorm2d", norm))
    with not_keeping(between, again):  # ReLU works in place: its result has the same memory
        return cast("Tensor", then(activation(between)))


def _normalising(x: Tensor, norm: nn.BatchNorm2d) -> Callable[[], Tensor]:
    """Return a function that computes norm and ReLU of *x* with the norm's current weights."""
    get, eps = later(x), norm.eps
    parts: list[Tensor | None] = [norm.weight, norm.bias]
    weight, bias = (None if part is None else part.detach().clone() for part in parts)

    def again() -> Tensor:
        with torch.no_grad(), torch.autocast("cpu", enabled=False):
            return F.relu_(F.batch_norm(get(), None, None, weight, bias, training=True, eps=eps))

    return again


class RecomputedMaxPool(nn.MaxPool2d):
    """Max-pooling that does not keep the positions of the maxima of large tensors.

    They are found again for the gradient.
    """

    def forward(self, x: Tensor) -> Any:
        """Return what nn.MaxPool2d returns."""
        if not (is_large(x) and torch.is_grad_enabled()):
            return super().forward(x)
        get = later(x)

        def pack(saved: Tensor) -> Callable[[], Tensor]:
            return later(saved) if saved.is_floating_point() else lambda: self._indices(get())

        with saved_tensors_hooks(pack, _get):
            return super().forward(x)

    def _indices(self, x: Tensor) -> Tensor:
        how = self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        found: Tensor = F.max_pool2d(x, *how, return_indices=True)[1]
        return found
