"""Networks: their size, shapes and wiring, and torchvision's with one logit."""

import copy
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torchvision.models import segmentation

from segsweep.models import torchvision_nets
from segsweep.models.blocks import Joining, Stage, conv, conv3x3
from segsweep.models.lean import recompute as keeping
from segsweep.models.lean.recompute import Pool
from segsweep.models.lean.reflect_conv import MendedConvolution, ReflectConv2d
from segsweep.models.segnet import SegNet
from segsweep.models.unet import UNet
from segsweep.models.unet2 import UNet2
from segsweep.models.unet3 import UNet3

CONF = Path(__file__).resolve().parents[2] / "conf" / "model"
NETWORKS = {"segnet": SegNet, "unet": UNet, "unet2": UNet2, "unet3": UNet3}
WITH_SKIPS = ("unet", "unet2", "unet3")
TORCHVISION = {
    "lraspp": torchvision_nets.lraspp,
    "deeplabv3": torchvision_nets.deeplabv3,
    "fcn": torchvision_nets.fcn,
}
SMALL = (4, 6)
"""Two stages of few channels, so that a test takes milliseconds."""

every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
either_size = pytest.mark.parametrize("large", [1, 1 << 30], ids=["large", "small"])
"""Bytes from which tensors count as large: all of a test's, or none."""
every_torchvision = pytest.mark.parametrize("build", TORCHVISION.values(), ids=TORCHVISION)


def seeded(build, *arguments, **keywords) -> nn.Module:
    """Build a network from a fixed seed."""
    torch.manual_seed(0)
    return build(*arguments, **keywords)


def images(count: int = 2, channels: int = 3, height: int = 16, width: int = 24) -> Tensor:
    """Return random images in [0, 1]."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, height, width, generator=generator)


def parameters_of(model: nn.Module) -> int:
    """Count the trained numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the gradients of a smooth scalar by all parameters."""
    return list(torch.autograd.grad(model(x).square().mean(), list(model.parameters())))


def inputs_of(modules: nn.ModuleList, model: nn.Module, x: Tensor) -> list[Tensor]:
    """Return what each of *modules* is given, side by side, when *model* sees *x*."""
    return recorded(modules, model, x, lambda given, _: side_by_side(*given))


def side_by_side(*parts: Tensor) -> Tensor:
    """Return *parts* joined in their channels, pixels of those of half the size repeated."""
    height = max(part.shape[-2] for part in parts)
    factors = [height // part.shape[-2] for part in parts]
    sized = [
        part.repeat_interleave(n, -2).repeat_interleave(n, -1)
        for part, n in zip(parts, factors, strict=True)
    ]
    return torch.cat(sized, 1).contiguous(memory_format=layout_of(parts[0]))


def layout_of(x: Tensor) -> torch.memory_format:
    """Return how *x* lies in memory."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def outputs_of(modules: nn.ModuleList, model: nn.Module, x: Tensor) -> list[Tensor]:
    """Return what each of *modules* makes when *model* sees *x*."""
    return recorded(modules, model, x, lambda _, made: made)


def recorded(modules: nn.ModuleList, model: nn.Module, x: Tensor, pick) -> list[Tensor]:
    """Return what *pick* takes from each module's (inputs, output), in the order of the calls."""
    seen: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda _, given, made: seen.append(pick(given, made).clone()))
        for module in modules
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return seen


def windows(x: Tensor) -> np.ndarray:
    """Return the 2x2 windows of (B, C, H, W) as (B, C, H/2, W/2, 4)."""
    corners = [x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(corners, dim=-1).numpy()


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
def test_output_is_one_logit_per_pixel(network, channels, in_channels):
    """Any depth, tuple or list, grey or colour, one image: (B, 1, H, W), and no activation."""
    model = network(in_channels, channels).eval()
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


def gradients_of(layer, output, *inputs):
    """Return the gradients of a weighted sum of *output* to the layer's weights and the inputs."""
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).reshape(output.shape)
    return torch.autograd.grad((output * weights).sum(), [*layer.parameters(), *inputs])


def torchs_own(layer: nn.Module) -> nn.Module:
    """Return a copy of *layer* in which torch's own convolutions, pooling and sequences compute."""
    twin = copy.deepcopy(layer)
    for module in twin.modules():
        module.__class__ = {
            ReflectConv2d: nn.Conv2d,
            Joining: nn.Sequential,
            Stage: nn.Sequential,
            Pool: nn.MaxPool2d,
        }.get(type(module), type(module))
    return twin


def test_padding_again_changes_no_bit():
    """Values and gradients are nn.Conv2d's own, though the padded copy is not kept."""
    layer = seeded(conv3x3, 2, 3)
    plain = torchs_own(layer)
    x = images(channels=2).requires_grad_()
    ours, theirs = layer(x), plain(x)
    pairs = zip(gradients_of(layer, ours, x), gradients_of(plain, theirs, x), strict=True)

    assert torch.equal(ours, theirs)
    assert all(torch.equal(a, b) for a, b in pairs)


@either_size
@pytest.mark.parametrize("halves", [(), (0,), (1,), (0, 1)], ids=str)
def test_tensors_side_by_side_are_convolved_as_if_joined(large, halves, monkeypatch):
    """Two inputs, some of half the size, give what torch.cat and nn.Conv2d give, to rounding."""
    monkeypatch.setattr(keeping, "LARGE", large)
    layer = seeded(conv3x3, 5, 3).double()
    plain = torchs_own(layer)
    a, b = (images(channels=n).double() for n in (2, 3))
    parts = [x[..., ::2, ::2] if i in halves else x for i, x in enumerate((a, b))]
    parts = [part.clone().requires_grad_() for part in parts]
    ours, theirs = layer(*parts), plain(side_by_side(*parts))

    torch.testing.assert_close(ours, theirs)
    for mine, other in zip(
        gradients_of(layer, ours, *parts), gradients_of(plain, theirs, *parts), strict=True
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
def test_a_mended_border_is_a_reflected_one(shape, outputs, layout, bias, to_image, times):
    """Values and gradients are those of padding first, for every size down to two pixels."""
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64).to(memory_format=layout).requires_grad_(to_image)
    weight = torch.randn(outputs, shape[1], 3, 3, dtype=torch.float64).requires_grad_()
    shift = torch.randn(outputs, dtype=torch.float64).requires_grad_() if bias else None
    mended = MendedConvolution.apply(x, weight, shift, times)
    wide = x.repeat_interleave(times, -2).repeat_interleave(times, -1)
    around = nn.functional.pad(wide, (1, 1, 1, 1), mode="reflect")
    expected = nn.functional.conv2d(around, weight, shift)
    by = torch.randn_like(expected)
    inputs = [one for one in (x, weight, shift) if one is not None and one.requires_grad]
    pairs = zip(
        torch.autograd.grad(mended, inputs, by),
        torch.autograd.grad(expected, inputs, by),
        strict=True,
    )

    torch.testing.assert_close(mended, expected)
    for mine, other in pairs:
        torch.testing.assert_close(mine, other)


def test_a_mended_border_has_no_second_gradient(monkeypatch):
    """Asking for the gradient of the gradient is an error, not a wrong number."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    x = images().requires_grad_()
    (first,) = torch.autograd.grad(seeded(conv3x3, 3, 2)(x).square().sum(), x, create_graph=True)

    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def steps_of(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Train three steps; return each step's loss, gradients, weights and batch statistics."""
    optimizer, seen = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(3):
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        parts = [loss, *(p.grad for p in model.parameters()), *model.state_dict().values()]
        seen += [part.detach().clone() for part in parts]
    return seen


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_what_is_not_kept_is_made_again_to_the_bit(layout, dtype, monkeypatch):
    """With torch's own convolutions, stages and pooling train as torch's sequences do."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    model = nn.Sequential(
        seeded(Stage, conv(3, 4), conv(4, 5)), Pool(2), seeded(Stage, conv(5, 4), conv3x3(4, 1))
    ).to(dtype, memory_format=layout)
    for module in model.modules():
        module.__class__ = nn.Conv2d if type(module) is ReflectConv2d else type(module)
    x = images().to(dtype, memory_format=layout)

    ours, theirs = (steps_of(one, x) for one in (model, torchs_own(model)))
    assert all(map(torch.equal, ours, theirs))


@pytest.mark.parametrize(
    ("norm", "activation"),
    [
        (nn.BatchNorm2d(4).eval(), nn.ReLU(inplace=True)),
        (nn.BatchNorm2d(4, affine=False), nn.ReLU(inplace=True)),
        (nn.BatchNorm2d(4, momentum=None), nn.ReLU(inplace=True)),
        (nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU(inplace=True)),
        (nn.BatchNorm2d(4), nn.LeakyReLU(0.5, inplace=True)),
        (nn.BatchNorm2d(4), nn.ReLU()),
        (nn.GroupNorm(2, 4), nn.ReLU(inplace=True)),
        (nn.Identity(), nn.ReLU(inplace=True)),
    ],
    ids=["eval", "no weights", "mean", "no memory", "leaky", "not in place", "group", "none"],
)
def test_stages_that_were_changed_compute_what_they_hold(norm, activation, monkeypatch):
    """A norm or activation put in by hand has its own values and gradients."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    stage = seeded(Stage, conv(3, 4), conv3x3(4, 2)).double()
    stage[0][0].__class__ = stage[1].__class__ = nn.Conv2d
    stage[0][1], stage[0][2] = norm.double(), activation

    ours, theirs = (steps_of(one, images().double()) for one in (stage, torchs_own(stage)))
    assert all(map(torch.equal, ours, theirs))


class AsWritten(nn.Module):
    """A network the way papers draw it: torch's own layers, all upsampled, padded, joined."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner = torchs_own(model)
        self.repeats = isinstance(model, UNet2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        inner, passed = self.inner, []
        for stage, down in zip(inner.encoder, inner.downs, strict=True):
            skip = stage(x)
            less = down(skip)
            x, *beside = less if isinstance(less, tuple) else (less,)
            passed.append((skip, beside))
        x = inner.bottleneck(x)
        for up, stage in zip(inner.ups, inner.decoder, strict=True):
            skip, beside = passed.pop()
            x = nn.functional.interpolate(x, scale_factor=2) if self.repeats else up(x, *beside)
            x = stage(torch.cat([x, skip], 1) if inner.skips else x)
        return x


@every_network
@either_size
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_networks_learn_what_they_learn_as_papers_draw_them(network, large, layout, monkeypatch):
    """Losses, gradients, weights and batch statistics of three steps agree in float64."""
    monkeypatch.setattr(keeping, "LARGE", large)
    model = seeded(network, channels=SMALL).eval().double().to(memory_format=layout)
    x = images().double().to(memory_format=layout)
    with torch.no_grad():
        torch.testing.assert_close(model(x), AsWritten(model)(x))
    model.train()
    ours, theirs = (steps_of(one, x) for one in (model, AsWritten(model)))
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def given_inside(model: UNet2) -> list[StorageWeakRef]:
    """Return the list to which each pass adds what the stages hand on inside."""
    made: list[StorageWeakRef] = []
    for stage in [*model.encoder, *model.decoder]:
        convolution = stage[1] if isinstance(stage[1], nn.Conv2d) else stage[1][0]
        convolution.register_forward_pre_hook(
            lambda _, parts: made.append(StorageWeakRef(parts[0].untyped_storage()))
        )
    return made


@either_size
def test_large_tensors_between_are_not_kept_for_the_gradient(large, monkeypatch):
    """Of what stages hand on inside nothing outlives the forward pass; of small tensors all."""
    monkeypatch.setattr(keeping, "LARGE", large)
    model = seeded(UNet2, channels=SMALL)
    made = given_inside(model)
    logits = model(images())
    kept = [not one.expired() for one in made]

    assert kept == [large > 1] * 4
    logits.sum().backward()
    assert all(one.expired() for one in made)


@either_size
def test_a_forward_pass_without_a_backward_one_leaves_nothing(large, monkeypatch):
    """No tensor holds the graph that holds it: all is gone with the logits."""
    monkeypatch.setattr(keeping, "LARGE", large)
    model, made = seeded(UNet2, channels=SMALL), []
    for part in model.modules():
        if isinstance(part, nn.Conv2d | Pool | Stage):  # hooks at the norm would change the path
            part.register_forward_hook(
                lambda _, __, y: made.append(StorageWeakRef(y.untyped_storage()))
            )
    model(images())

    assert len(made) == 9 + 2 + 4
    assert all(one.expired() for one in made)


def change_weight(stage, x):
    """Change the second convolution."""
    stage[1].weight.mul_(3)


def change_norm(stage, x):
    """Change a weight of the norm."""
    stage[0][1].weight.mul_(3)


def change_image(stage, x):
    """Change the image."""
    x.mul_(3)


@either_size
@pytest.mark.parametrize("change", [change_weight, change_norm, change_image])
def test_what_is_changed_in_place_before_the_gradient_is_an_error(change, large, monkeypatch):
    """As torch's own layers do: an error, not a wrong gradient."""
    monkeypatch.setattr(keeping, "LARGE", large)
    stage, x = seeded(Stage, conv(3, 4), conv3x3(4, 2)), images()
    loss = stage(x).sum()
    with torch.no_grad():
        change(stage, x)

    with pytest.raises(RuntimeError, match=r"changed in place|modified by an inplace operation"):
        loss.backward()


def test_pooled_images_that_are_changed_in_place_are_an_error(monkeypatch):
    """Where the maxima stood cannot be looked for in what was changed."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    x = images().requires_grad_() * 1
    loss = Pool(2)(x).sum()
    with torch.no_grad():
        x.mul_(-1)

    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize(
    "how", [{}, {"stride": 1}, {"padding": 1}, {"ceil_mode": True}, {"dilation": 2}], ids=str
)
def test_pooling_is_torchs(how, monkeypatch):
    """Values and gradients with each of its arguments, for a size that 3 does not divide."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    x = images().requires_grad_()
    ours, theirs = Pool(3, **how)(x), nn.MaxPool2d(3, **how)(x)
    by = torch.rand_like(ours)

    assert torch.equal(ours, theirs)
    assert torch.equal(*(torch.autograd.grad(one, x, by)[0] for one in (ours, theirs)))


def test_gradients_are_by_the_weights_of_the_forward_pass(monkeypatch):
    """Replaced weights, called with or set afterwards, do not come into them."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    stage = seeded(Stage, conv(3, 4), conv3x3(4, 2)).double()
    other = {name: value + 0.5 for name, value in stage.named_parameters()}
    x = images().double()

    def gradients_with(layer):
        values = {name: value.detach().requires_grad_() for name, value in other.items()}
        loss = torch.func.functional_call(layer, values, (x,)).square().sum()
        with torch.no_grad():
            for value in layer.parameters():
                value.zero_()
        return torch.autograd.grad(loss, list(values.values()))

    theirs = gradients_with(torchs_own(stage))
    torch.testing.assert_close(gradients_with(stage), theirs)


@pytest.mark.parametrize("frozen", ["weight", "bias", "0.0.weight", "0.1.weight", "image"])
def test_frozen_parts_have_no_gradient(frozen, monkeypatch):
    """The others' gradients are torch's."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    stage = seeded(Stage, conv(3, 4), conv3x3(4, 2)).double()
    x = images().double().requires_grad_(frozen != "image")
    for name, value in stage.named_parameters():
        value.requires_grad_(not name.endswith(frozen))
    plain = torchs_own(stage)
    for one in (stage, plain):
        one(x).square().sum().backward()

    for (name, mine), other in zip(stage.named_parameters(), plain.parameters(), strict=True):
        assert (mine.grad is None) == name.endswith(frozen)
        if mine.grad is not None:
            torch.testing.assert_close(mine.grad, other.grad)


def test_hooks_and_added_layers_of_stages_count(monkeypatch):
    """Who looks into a block, changes what a norm makes, or adds a layer is not passed by."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    model, seen = seeded(UNet2, channels=SMALL).double(), []
    model.encoder[0][0].register_forward_hook(lambda *_: seen.append("block"))
    model.encoder[1][0].register_full_backward_hook(lambda *_: seen.append("back"))
    model.decoder[1][0].register_full_backward_pre_hook(lambda *_: seen.append("before"))
    model.encoder[1][0][1].register_forward_hook(lambda _, __, y: y * 2 - 0.5)
    model.decoder[0].append(nn.Tanh())
    model.decoder[1][0].append(nn.Tanh())
    x = images().double()
    ours, theirs = (steps_of(one, x) for one in (model, AsWritten(model)))

    assert seen == ["block", "before", "back"] * 6
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def test_a_backward_pass_under_autocast_is_as_exact(monkeypatch):
    """The border is mended in the precision of the forward pass."""
    monkeypatch.setattr(keeping, "LARGE", 1)
    stage = seeded(Stage, conv(3, 4), conv3x3(4, 2))
    exact = gradients(stage, images())
    loss = stage(images()).square().mean()
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(loss, list(stage.parameters()))

    torch.testing.assert_close(list(found), exact)


@either_size
def test_networks_can_be_captured(large, monkeypatch, tmp_path):
    """torch.export writes down what the network computes, whatever it does to save memory."""
    monkeypatch.setattr(keeping, "LARGE", large)
    model, x = seeded(UNet2, channels=(4,)).eval(), images()
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
def test_skips_carry_the_encoder_output_of_that_size(name):
    """The second half of what a decoder stage sees is the encoder's output, deepest first."""
    model = seeded(NETWORKS[name], channels=SMALL)
    made = outputs_of(model.encoder, model, images())
    seen = inputs_of(model.decoder, model, images())

    for skip, seen_by, channels in zip(reversed(made), seen, reversed(SMALL), strict=True):
        assert 2 * channels == seen_by.shape[1]
        assert torch.equal(skip, seen_by[:, channels:])


@pytest.mark.parametrize("name", ["segnet", "unet"])
def test_unpooling_puts_values_where_the_maxima_stood(name):
    """Of each 2x2 window one pixel is filled: the one that was the encoder's largest."""
    model = seeded(NETWORKS[name], channels=SMALL)
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


def test_unet2_repeats_pixels():
    """All four pixels of a window hold the value from below; pooling keeps the largest."""
    model = seeded(UNet2, channels=SMALL)
    skips = outputs_of(model.encoder, model, images())
    (bottom,) = inputs_of([model.bottleneck], model, images())
    below = outputs_of([model.bottleneck, model.decoder[0]], model, images())
    first = [stage[0][0] for stage in model.decoder]
    made = outputs_of(first, model, images())

    np.testing.assert_array_equal(bottom.numpy(), windows(skips[-1]).max(-1))
    for layer, small, skip, result in zip(first, below, reversed(skips), made, strict=True):
        repeated = small.numpy().repeat(2, axis=-2).repeat(2, axis=-1)
        joined = torch.cat([torch.from_numpy(repeated), skip], 1)
        torch.testing.assert_close(result, torchs_own(layer)(joined).detach())


def test_unet3_learns_its_steps():
    """Up: each pixel becomes its own 2x2 window; down: a window becomes a pixel, cut at zero."""
    model = seeded(UNet3, channels=SMALL)
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
def test_a_training_step_changes_all_parameters(network):
    """Nothing hangs loose: each parameter has a gradient and moves."""
    model = seeded(network, channels=SMALL)
    before = copy.deepcopy(model.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    model(images()).square().mean().backward()
    optimizer.step()

    unmoved = [name for name, old in before.items() if torch.equal(old, model.state_dict()[name])]
    assert unmoved == []


@every_network
def test_channels_last_computes_the_same(network):
    """The fast memory layout changes rounding only: outputs and gradients agree in float64."""
    plain = seeded(network, channels=SMALL).double()
    last = copy.deepcopy(plain).to(memory_format=torch.channels_last)
    x = images().double()
    turned = x.to(memory_format=torch.channels_last)

    torch.testing.assert_close(plain(x), last(turned))
    torch.testing.assert_close(gradients(plain, x), gradients(last, turned))


@every_network
def test_channels_last_is_kept_down_to_the_last_stage(network):
    """No layer turns the layout back, which would cost a copy per layer."""
    model = seeded(network, channels=SMALL).to(memory_format=torch.channels_last)
    x = images().to(memory_format=torch.channels_last)
    stages = [*model.encoder, model.bottleneck, *model.decoder[:-1]]
    seen = inputs_of(stages, model, x) + inputs_of(model.decoder, model, x)

    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in seen)


@every_network
def test_same_seed_gives_the_same_bits(network):
    """Two networks from one seed agree to the last bit, forwards and backwards, on the CPU."""
    first, second = (gradients(seeded(network, channels=SMALL), images()) for _ in range(2))

    assert all(map(torch.equal, first, second))


@every_network
def test_copies_are_independent(network):
    """A deep copy computes the same, and training it leaves the original alone."""
    model = seeded(network, channels=SMALL).eval()
    twin = copy.deepcopy(model)
    before = model(images())

    assert torch.equal(before, twin(images()))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1.0)
    assert torch.equal(before, model(images()))


@every_torchvision
def test_torchvision_gives_one_logit_at_image_size(build):
    """Odd sizes and grey images too, known without any memory; any size is taken."""
    with torch.device("meta"):
        grey, colour = build(in_channels=1), build()
        shapes = [grey(torch.empty(2, 1, 33, 47)).shape, colour(torch.empty(2, 3, 64, 32)).shape]

    assert shapes == [(2, 1, 33, 47), (2, 1, 64, 32)]


@pytest.mark.parametrize(
    ("build", "backbone", "millions"),
    [
        ("deeplabv3", "mobilenet", 11.0),
        ("deeplabv3", "resnet50", 39.6),
        ("deeplabv3", "resnet101", 58.6),
        ("fcn", "resnet50", 32.9),
        ("fcn", "resnet101", 51.9),
    ],
)
def test_torchvision_backbones(build, backbone, millions):
    """Each backbone is the one its name says, by torchvision's published size."""
    with torch.device("meta"):
        model = TORCHVISION[build](backbone=backbone)

    assert millions == pytest.approx(parameters_of(model) / 1e6, abs=0.05)


@pytest.mark.parametrize("count", [1, 2])
def test_torchvision_is_unchanged_below_the_hook(count):
    """From the same seed, logits equal what the library's own model calls "out"."""
    ours = seeded(torchvision_nets.lraspp).eval()
    torch.manual_seed(0)
    theirs = segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=1
    ).eval()

    assert torch.equal(ours(images(count)), theirs(images(count))["out"])


def test_torchvision_copies_and_trains_in_channels_last():
    """A deep copy keeps handing on logits alone, in the fast layout, with gradients everywhere."""
    model = copy.deepcopy(seeded(torchvision_nets.lraspp, in_channels=1))
    model = model.to(memory_format=torch.channels_last)
    x = images(2, 1, 64, 64).to(memory_format=torch.channels_last)

    assert all(one.isfinite().all() for one in gradients(model, x))


def test_weights_file_round_trip(tmp_path):
    """A saved network comes back to the bit."""
    saved = seeded(torchvision_nets.lraspp).eval()
    torch.save(saved.state_dict(), tmp_path / "weights.pt")
    loaded = torchvision_nets.lraspp(weights_file=tmp_path / "weights.pt").eval()

    assert torch.equal(saved(images()), loaded(images()))


def test_weights_file_loads_what_fits(tmp_path, caplog):
    """From torchvision's 21 classes all but the two last convolutions and a grey first come."""
    caplog.set_level("INFO")
    library = segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=21
    )
    torch.save(library.state_dict(), tmp_path / "voc.pth")
    with pytest.warns(UserWarning, match=r"tensors fit; backbone\.0\.0\.weight stay random"):
        model = torchvision_nets.lraspp(in_channels=1, weights_file=tmp_path / "voc.pth")
    own, theirs = model.state_dict(), library.state_dict()
    different = {name for name in own if own[name].shape != theirs[name].shape}
    first, heads = "backbone.0.0.weight", ("low_classifier", "high_classifier")

    parts = [f"classifier.{head}.{part}" for head in heads for part in ("weight", "bias")]
    assert {first, *parts} == different
    assert f"{len(own) - 5} of {len(own)} tensors taken from {tmp_path / 'voc.pth'}" in caplog.text
    assert all(torch.equal(own[name], theirs[name]) for name in own.keys() - different)


class WritesAFile:
    """What a hostile weights file would hold: loading it as a pickle writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: torch.save({"other": torch.ones(3)}, path), "no name and shape in"),
        (lambda path: torch.save([1, 2], path), "no name and shape in"),
        (
            lambda path: torch.save({"backbone.0.1.num_batches_tracked": torch.tensor(3)}, path),
            "no name and shape in",
        ),
        (lambda path: path.write_text("not weights"), "must be what torch.save wrote"),
        (lambda path: path.write_bytes(b""), "must be what torch.save wrote"),
        (
            lambda path: torch.save({"x": WritesAFile(path.parent / "hacked")}, path),
            "must be what torch.save wrote",
        ),
    ],
    ids=["other names", "a list", "a counter", "text", "empty", "code"],
)
def test_weights_file_that_is_none_is_refused(tmp_path, write, message):
    """The error is one line that names the file, and no code from the file runs."""
    path = tmp_path / "weights.pt"
    write(path)
    with pytest.raises(ValueError, match=message) as caught:
        torchvision_nets.lraspp(weights_file=path)

    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels must be >= 1; got 0"),
        ({"backbone": "vgg"}, "backbone must be one of resnet50, resnet101; got 'vgg'"),
    ],
)
def test_torchvision_arguments_out_of_range_are_refused(arguments, message):
    """The error is one line: name, what is allowed, what was given."""
    with pytest.raises(ValueError) as caught:
        torchvision_nets.fcn(**arguments)

    assert message == str(caught.value)


def test_torchvision_is_imported_only_when_used():
    """Reading signatures must not cost the import: torchvision loads when a network is built."""
    program = (
        "import sys; from segsweep.models import segnet, torchvision_nets as nets; "
        "assert 'torchvision' not in sys.modules; "
        "nets.lraspp(); assert 'torchvision' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_network_has_its_file():
    """conf/model holds exactly the networks here."""
    assert sorted(NETWORKS | TORCHVISION) == sorted(path.stem for path in CONF.glob("*.yaml"))


@pytest.mark.parametrize("name", NETWORKS | TORCHVISION)
def test_files_give_the_defaults_of_the_code(name):
    """Each file names its network and gives every argument, with the default of the code."""
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    target = (NETWORKS | TORCHVISION)[name]
    parameters = inspect.signature(target).parameters
    defaults = {key: item.default for key, item in parameters.items()}
    if "channels" in defaults:
        defaults["channels"] = list(defaults["channels"])

    assert f"{target.__module__}.{target.__name__}" == node.pop("_target_")
    assert {**defaults, "in_channels": "${data.channels}"} == node
