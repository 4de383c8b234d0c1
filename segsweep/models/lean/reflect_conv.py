"""The 3x3 convolution with reflected border: torch's values with less memory and time.

Shapes: B images, C channels, H rows, W columns.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from segsweep.models.lean.recompute import is_captured, is_large, later, not_keeping

SIDES = (
    (np.s_[..., 1:2, :], np.s_[..., :1, :], np.s_[..., :1, :]),
    (np.s_[..., -2:-1, :], np.s_[..., -1:, :], np.s_[..., 2:, :]),
    (np.s_[..., 1:2], np.s_[..., :1], np.s_[..., :1]),
    (np.s_[..., -2:-1], np.s_[..., -1:], np.s_[..., 2:]),
)
"""Top, bottom, left, right: the line reflected there, the border, the kernel's part outside."""


class ReflectConv2d(nn.Conv2d):
    """A 3x3 convolution with reflected border over several tensors, with less memory.

    Large tensors that are quick to recompute are not kept for the gradient:

    - several inputs are never concatenated: each is convolved with its share of the weights, and
      the results are added;
    - an input of half the others' height and width is repeated to their size, as by nearest
      upsampling, and again for the gradient;
    - a large input is not padded: its border is corrected (`BorderCorrectedConv`); a small
      one is padded again for the gradient.

    Values and gradients are those of nn.Conv2d on torch.cat, except for the order of additions.
    """

    def forward(self, *parts: Tensor) -> Tensor:
        """Return the convolution of one or more (B, C, H, W), some of half the H and W."""
        if len(parts) == 1:
            return convolved(parts[0], self.weight, 1, self.bias)
        height = max(part.shape[-2] for part in parts)
        times = [1 if part.shape[-2] == height else 2 for part in parts]
        shares = self.weight.split([part.shape[1] for part in parts], dim=1)
        first, *rest = zip(parts, shares, times, strict=True)
        result = convolved(*first, self.bias)
        for part in rest:
            result = result.add_(convolved(*part, None))
        return result


def convolved(x: Tensor, weight: Tensor, times: int, bias: Tensor | None) -> Tensor:
    """Return the convolution of *x*, its pixels repeated *times* in each direction."""
    if is_large(x, times):
        result: Tensor = BorderCorrectedConv.apply(x, weight, bias, times)
        return result
    x = repeated(x, times)
    bordered = padded(x)
    if is_captured() or not torch.is_grad_enabled():
        return F.conv2d(bordered, weight, bias)
    get = later(x)
    with not_keeping(bordered, lambda: padded(get())):
        return F.conv2d(bordered, weight, bias)


class BorderCorrectedConv(torch.autograd.Function):
    """Convolution padded with zeros, plus the contribution of the reflected pixels.

    Makes no padded copies of the input and of its gradient. It has
    no second derivative and no forward-mode derivative.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, times: int) -> Tensor:
        """Return the convolution of *x* (B, C, H, W), its pixels repeated *times*."""
        ctx.save_for_backward(x, weight)
        ctx.times, ctx.biases = times, None if bias is None else [len(bias)]
        x = repeated(x, times)
        result = F.conv2d(x, weight, bias, padding=1)
        for line, border, outside in SIDES:
            result[border].add_(reflection(x[line], weight[outside]))
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients with respect to input, weight and bias, where needed."""
        x, weight = ctx.saved_tensors
        x, wanted = repeated(x, ctx.times), ctx.needs_input_grad[:3]
        by_x, by_weight, by_bias = torch.ops.aten.convolution_backward(
            grad, x, weight, ctx.biases, *_PADDED_BY_ZEROS, wanted
        )
        for line, border, outside in SIDES:
            inputs = [part.detach().requires_grad_() for part in (x[line], weight[outside])]
            with torch.enable_grad(), torch.autocast("cpu", enabled=False):
                contribution = reflection(*inputs)
            by_line, by_outside = torch.autograd.grad(contribution, inputs, grad[border])
            if wanted[0]:
                by_x[line].add_(by_line)
            if wanted[1]:
                by_weight[outside].add_(by_outside)
        del x
        if wanted[0] and ctx.times > 1:
            by_x = F.avg_pool2d(by_x, ctx.times, divisor_override=1)
        return by_x, by_weight, by_bias, None


_PADDED_BY_ZEROS = ([1, 1], [1, 1], [1, 1], False, [0, 0], 1)
"""In torch's order: stride, padding, dilation, transposed, output padding, groups."""


def reflection(line: Tensor, outside: Tensor) -> Tensor:
    """Return what the reflected pixels outside, a copy of *line*, add to the border next to them.

    A row of pixels outside is longer by one pixel at both ends, which are reflected again; a
    column is not: the corners belong to the rows.
    """
    if line.shape[-2] == 1:
        return F.conv2d(F.pad(line, (1, 1, 0, 0), mode="reflect"), outside)
    return F.conv2d(line, outside, padding=(1, 0))


def padded(x: Tensor) -> Tensor:
    """Return *x* padded with one reflected pixel on each side."""
    return F.pad(x, (1, 1, 1, 1), mode="reflect")


def repeated(x: Tensor, times: int) -> Tensor:
    """Return *x* with each pixel repeated *times* to the right and down; *x* itself for 1."""
    return x if times == 1 else F.interpolate(x, scale_factor=times, mode="nearest")
