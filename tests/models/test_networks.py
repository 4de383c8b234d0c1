"""The four networks: their size, shapes and wiring, from plain layers and from special kernels."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from networks import (
    NETWORKS,
    SMALL,
    AsWritten,
    either_layout,
    every_network,
    gradients,
    images,
    inputs_of,
    outputs_of,
    parameters_of,
    seeded,
    steps_of,
    windows,
)
from segsweep.models import kernels
from segsweep.models.blocks import conv, conv3x3
from segsweep.models.unet2 import UNet2
from segsweep.models.unet3 import UNet3

WITH_SKIPS = ("unet", "unet2", "unet3")
VARIANTS = {
    "plain": ("off", 0),
    "fast": ("fast", 1),
    "fast-small": ("fast", 1 << 30),
    "memory": ("memory", 1),
    "memory-small": ("memory", 1 << 30),
}
"""Level of the special kernels, and bytes from which a tensor counts as large."""
Build = Callable[..., nn.Module]


@pytest.fixture(params=VARIANTS)
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Return what builds a network from a fixed seed with the kernels of one level."""
    level, large = VARIANTS[request.param]
    if level != "off":
        recompute = pytest.importorskip("segsweep.models.lean.recompute")
        monkeypatch.setattr(recompute, "LARGE", large)

    def built(network: Callable[..., nn.Module], *arguments, **named) -> nn.Module:
        model = seeded(network, *arguments, **named)
        kernels.apply(model, level)
        return model

    return built


@pytest.mark.parametrize(
    ("name", "expected"),
    [("segnet", 736_129), ("unet", 931_969), ("unet2", 931_969), ("unet3", 1_107_009)],
)
def test_parameter_counts(name, expected):
    """With the default channels the counts are the experiment's, also without any memory."""
    with torch.device("meta"):
        meta = NETWORKS[name]()

    assert expected == parameters_of(NETWORKS[name]()) == parameters_of(meta)


@every_network
@pytest.mark.parametrize("channels", [(5,), (4, 6), [4, 2, 3], (2, 3, 2, 3, 2)], ids=str)
@pytest.mark.parametrize("in_channels", [1, 3])
def test_output_is_one_logit_per_pixel(build, network, channels, in_channels):
    """Any depth, tuple or list, grey or colour, one image: (B, 1, H, W), and no activation."""
    model = build(network, in_channels, channels).eval()
    multiple = 2 ** len(channels)
    x = images(1, in_channels, 2 * multiple, 3 * multiple)
    with torch.no_grad():
        model.decoder[-1][-1].bias.fill_(-7.0)
        logits = model(x)

    assert multiple == model.size_multiple
    assert (1, 1, 2 * multiple, 3 * multiple) == logits.shape
    assert logits.min() < -1


@every_network
@pytest.mark.parametrize("size", [(16, 32), (40, 32), (32, 33), (32, 16), (0, 32)], ids=str)
def test_sizes_that_do_not_fit_are_refused(network, size):
    """The error is one line with the sizes that work and the size given."""
    height, width = size
    message = f"multiples of 16, at least 32; got {height}x{width}$"

    with torch.device("meta"), pytest.raises(ValueError, match=message):
        network()(torch.empty(1, 3, height, width))


@every_network
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": ()}, "channels must be one or more numbers >= 1; got []"),
        ({"channels": (16, 0)}, "channels must be one or more numbers >= 1; got [16, 0]"),
        ({"in_channels": 0}, "in_channels must be >= 1; got 0"),
    ],
)
def test_channels_out_of_range_are_refused(network, arguments, message):
    """The error is one line: name, what is allowed, what was given."""
    with pytest.raises(ValueError) as caught:
        network(**arguments)

    assert message == str(caught.value)


def test_border_is_reflected():
    """A 3x3 convolution equals the plain one on numpy's reflected image."""
    layer = seeded(conv3x3, 2, 3).double()
    x = images(channels=2).double()
    around = np.pad(x.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    plain = nn.functional.conv2d(torch.from_numpy(around), layer.weight, layer.bias)

    torch.testing.assert_close(layer(x), plain)


@every_network
@either_layout
def test_networks_learn_what_they_learn_as_papers_draw_them(build, network, layout):
    """Losses, gradients, weights and batch statistics of three steps agree in float64."""
    model = build(network, channels=SMALL).eval().double().to(memory_format=layout)
    drawn = AsWritten(seeded(network, channels=SMALL)).eval().double().to(memory_format=layout)
    x = images().double().to(memory_format=layout)
    with torch.no_grad():
        torch.testing.assert_close(model(x), drawn(x), rtol=1e-9, atol=1e-12)
    ours, theirs = (steps_of(one.train(), x) for one in (model, drawn))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def test_networks_can_be_captured(build, tmp_path):
    """torch.export writes down what the network computes, whatever it does to save memory."""
    model, x = build(UNet2, channels=(4,)).eval(), images()
    program = torch.export.export(model, (x,))
    torch.export.save(program, tmp_path / "unet2.pt2")

    torch.testing.assert_close(program.module()(x), model(x))


@every_network
def test_every_3x3_convolution_reflects(network):
    """No 3x3 convolution was left with zeros at the border."""
    layers = [part for part in network().modules() if isinstance(part, nn.Conv2d)]
    wide = [part for part in layers if part.kernel_size == (3, 3)]

    assert {"reflect"} == {part.padding_mode for part in wide}
    assert len(wide) == 17


def test_block_is_convolution_norm_relu():
    """A block normalises over the batch and cuts at zero, computed here by hand."""
    block = seeded(conv, 2, 4)
    before = block[0](images(channels=2))
    mean = before.mean((0, 2, 3), keepdim=True)
    variance = before.var((0, 2, 3), correction=0, keepdim=True)

    expected = ((before - mean) / (variance + 1e-5).sqrt()).clamp(min=0)
    torch.testing.assert_close(block(images(channels=2)), expected)


@pytest.mark.parametrize("name", WITH_SKIPS)
def test_skips_carry_the_encoder_output_of_that_size(build, name):
    """The second half of what a decoder stage sees is the encoder's output, deepest first."""
    model = build(NETWORKS[name], channels=SMALL)
    made = outputs_of(model.encoder, model, images())
    seen = inputs_of(model.decoder, model, images())

    for skip, seen_by, channels in zip(reversed(made), seen, reversed(SMALL), strict=True):
        assert 2 * channels == seen_by.shape[1]
        assert torch.equal(skip, seen_by[:, channels:])


@pytest.mark.parametrize("name", ["segnet", "unet"])
def test_unpooling_puts_values_where_the_maxima_stood(build, name):
    """Of each 2x2 window one pixel is filled: the one that was the encoder's largest."""
    model = build(NETWORKS[name], channels=SMALL)
    made = outputs_of(model.encoder, model, images())
    seen = inputs_of(model.decoder, model, images())
    below = outputs_of([model.bottleneck, model.decoder[0]], model, images())

    for source, seen_by, small in zip(reversed(made), seen, below, strict=True):
        old, new = windows(source), windows(seen_by[:, : source.shape[1]])
        unique = (old == old.max(-1, keepdims=True)).sum(-1) == 1  # where ReLU made no ties
        filled = np.take_along_axis(new, old.argmax(-1)[..., None], axis=-1)[..., 0]
        assert unique.mean() > 0.2
        np.testing.assert_array_equal(filled[unique], small.numpy()[unique])
        np.testing.assert_array_equal(new.sum(-1), small.numpy())


def test_unet2_repeats_pixels(build):
    """All four pixels of a window hold the value from below; pooling keeps the largest."""
    model = build(UNet2, channels=SMALL)
    skips = outputs_of(model.encoder, model, images())
    (bottom,) = inputs_of([model.bottleneck], model, images())
    below = outputs_of([model.bottleneck, model.decoder[0]], model, images())
    first = [stage[0][0] for stage in model.decoder]
    made = outputs_of(first, model, images())

    np.testing.assert_array_equal(bottom.numpy(), windows(skips[-1]).max(-1))
    for layer, small, skip, result in zip(first, below, reversed(skips), made, strict=True):
        repeated = small.numpy().repeat(2, axis=-2).repeat(2, axis=-1)
        joined = torch.cat([torch.from_numpy(repeated), skip], 1)
        plain = seeded(conv3x3, layer.in_channels, layer.out_channels)
        plain.load_state_dict(layer.state_dict())
        torch.testing.assert_close(result, plain(joined).detach())


def test_unet3_learns_its_steps(build):
    """Up: each pixel becomes its own 2x2 window; down: a window becomes a pixel, cut at zero."""
    model = build(UNet3, channels=SMALL)
    (bottom,) = inputs_of([model.bottleneck], model, images())
    below = outputs_of([model.bottleneck], model, images())[0]
    seen_by = inputs_of(model.decoder, model, images())[0]
    up = model.ups[0]
    window = torch.einsum("bchw,cdij->bdhwij", below, up.weight.detach()).flatten(-2)

    assert bottom.min() == 0
    expected = window + up.bias.detach()[:, None, None, None]
    np.testing.assert_allclose(windows(seen_by[:, :6]), expected, atol=1e-6)
    assert [down[0].kernel_size for down in model.downs] == [(2, 2), (2, 2)]


@every_network
def test_a_training_step_changes_all_parameters(build, network):
    """Nothing hangs loose: each parameter has a gradient and moves."""
    model = build(network, channels=SMALL)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(images()).square().mean().backward()
    optimizer.step()

    unmoved = [name for name, old in before.items() if torch.equal(old, model.state_dict()[name])]
    assert unmoved == []


@every_network
def test_channels_last_computes_the_same(build, network):
    """The fast memory layout changes rounding only: outputs and gradients agree in float64."""
    plain = build(network, channels=SMALL).double()
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    x = images().double()
    turned = x.to(memory_format=torch.channels_last)

    torch.testing.assert_close(plain(x), last(turned))
    torch.testing.assert_close(gradients(plain, x), gradients(last, turned))


@every_network
def test_channels_last_is_kept_down_to_the_last_stage(build, network):
    """No layer turns the layout back, which would cost a copy per layer."""
    model = build(network, channels=SMALL).to(memory_format=torch.channels_last)
    x = images().to(memory_format=torch.channels_last)
    stages = [*model.encoder, model.bottleneck, *model.decoder[:-1]]
    seen = inputs_of(stages, model, x) + inputs_of(model.decoder, model, x)

    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in seen)


@every_network
def test_same_seed_gives_the_same_bits(build, network):
    """Two networks from one seed agree to the last bit, forwards and backwards, on the CPU."""
    first, second = (gradients(build(network, channels=SMALL), images()) for _ in range(2))

    assert all(map(torch.equal, first, second))


@every_network
def test_copies_are_independent(build, network):
    """A deep copy computes the same, and training it leaves the original alone."""
    model = build(network, channels=SMALL).eval()
    twin = copy.deepcopy(model)
    before = model(images())

    assert torch.equal(before, twin(images()))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    assert torch.equal(before, model(images()))
