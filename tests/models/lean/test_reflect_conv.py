"""The convolution with reflected border: torch's values and gradients, nothing padded or joined."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lean_parts import either_size, lean, plain
from networks import images, side_by_side
from segsweep.models.blocks import conv3x3
from segsweep.models.lean import recompute
from segsweep.models.lean.reflect_conv import BorderCorrectedConv


def gradients_of(layer, output, *inputs):
    """Return the gradients of a weighted sum of *output* to the layer's weights and the inputs."""
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).reshape(output.shape)
    return torch.autograd.grad((output * weights).sum(), [*layer.parameters(), *inputs])


def test_padding_again_changes_no_bit():
    """Values and gradients are nn.Conv2d's own, though the padded copy is not kept."""
    layer = lean(conv3x3, 2, 3)
    twin = plain(layer)
    x = images(channels=2).requires_grad_()
    ours, theirs = layer(x), twin(x)
    pairs = zip(gradients_of(layer, ours, x), gradients_of(twin, theirs, x), strict=True)

    assert torch.equal(ours, theirs)
    assert all(torch.equal(a, b) for a, b in pairs)


@either_size
@pytest.mark.parametrize("halves", [(), (0,), (1,), (0, 1)], ids=str)
def test_tensors_side_by_side_are_convolved_as_if_joined(large, halves, monkeypatch):
    """Two inputs, some of half the size, give what torch.cat and nn.Conv2d give, to rounding."""
    monkeypatch.setattr(recompute, "LARGE", large)
    layer = lean(conv3x3, 5, 3).double()
    twin = plain(layer)
    a, b = (images(channels=n).double() for n in (2, 3))
    parts = [x[..., ::2, ::2] if i in halves else x for i, x in enumerate((a, b))]
    parts = [part.clone().requires_grad_() for part in parts]
    ours, theirs = layer(*parts), twin(side_by_side(*parts))

    torch.testing.assert_close(ours, theirs)
    for mine, other in zip(
        gradients_of(layer, ours, *parts), gradients_of(twin, theirs, *parts), strict=True
    ):
        torch.testing.assert_close(mine, other)


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(2, 7), st.integers(2, 7)),
    outputs=st.integers(1, 3),
    layout=st.sampled_from([torch.contiguous_format, torch.channels_last]),
    bias=st.booleans(),
    to_image=st.booleans(),
    times=st.sampled_from([1, 2]),
)
def test_a_corrected_border_is_a_reflected_one(shape, outputs, layout, bias, to_image, times):
    """Values and gradients are those of padding first, for every size down to two pixels."""
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64).to(memory_format=layout).requires_grad_(to_image)
    weight = torch.randn(outputs, shape[1], 3, 3, dtype=torch.float64).requires_grad_()
    shift = torch.randn(outputs, dtype=torch.float64).requires_grad_() if bias else None
    corrected = BorderCorrectedConv.apply(x, weight, shift, times)
    wide = x.repeat_interleave(times, -2).repeat_interleave(times, -1)
    around = nn.functional.pad(wide, (1, 1, 1, 1), mode="reflect")
    expected = nn.functional.conv2d(around, weight, shift)
    by = torch.randn_like(expected)
    inputs = [one for one in (x, weight, shift) if one is not None and one.requires_grad]
    pairs = zip(
        torch.autograd.grad(corrected, inputs, by),
        torch.autograd.grad(expected, inputs, by),
        strict=True,
    )

    torch.testing.assert_close(corrected, expected)
    for mine, other in pairs:
        torch.testing.assert_close(mine, other)


def test_a_corrected_border_has_no_second_gradient(monkeypatch):
    """Asking for the gradient of the gradient is an error, not a wrong number."""
    monkeypatch.setattr(recompute, "LARGE", 1)
    x = images().requires_grad_()
    (first,) = torch.autograd.grad(lean(conv3x3, 3, 2)(x).square().sum(), x, create_graph=True)

    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()
