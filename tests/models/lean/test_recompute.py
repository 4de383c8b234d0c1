"""What is not kept for the gradient: made again to the bit, or an error if it was changed."""

import pytest
import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef

from lean_parts import either_size, lean, plain
from networks import SMALL, AsWritten, gradients, images, steps_of
from segsweep.models.blocks import Stage, conv, conv3x3
from segsweep.models.lean import recompute
from segsweep.models.lean.recompute import RecomputedMaxPool
from segsweep.models.lean.reflect_conv import ReflectConv2d
from segsweep.models.unet2 import UNet2


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_what_is_not_kept_is_made_again_to_the_bit(layout, dtype, monkeypatch):
    """With torch's own convolutions, stages and pooling train as torch's sequences do."""
    monkeypatch.setattr(recompute, "LARGE", 1)
    model = nn.Sequential(
        lean(Stage, conv(3, 4), conv(4, 5)),
        RecomputedMaxPool(2),
        lean(Stage, conv(5, 4), conv3x3(4, 1)),
    ).to(dtype, memory_format=layout)
    for module in model.modules():
        module.__class__ = nn.Conv2d if type(module) is ReflectConv2d else type(module)
    x = images().to(dtype, memory_format=layout)

    ours, theirs = (steps_of(one, x) for one in (model, plain(model)))
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
    monkeypatch.setattr(recompute, "LARGE", 1)
    stage = lean(Stage, conv(3, 4), conv3x3(4, 2)).double()
    stage[0][0].__class__ = stage[1].__class__ = nn.Conv2d
    stage[0][1], stage[0][2] = norm.double(), activation

    ours, theirs = (steps_of(one, images().double()) for one in (stage, plain(stage)))
    assert all(map(torch.equal, ours, theirs))


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
    monkeypatch.setattr(recompute, "LARGE", large)
    model = lean(UNet2, channels=SMALL)
    made = given_inside(model)
    logits = model(images())
    kept = [not one.expired() for one in made]

    assert kept == [large > 1] * 4
    logits.sum().backward()
    assert all(one.expired() for one in made)


@either_size
def test_a_forward_pass_without_a_backward_one_leaves_nothing(large, monkeypatch):
    """No tensor holds the graph that holds it: all is gone with the logits."""
    monkeypatch.setattr(recompute, "LARGE", large)
    model, made = lean(UNet2, channels=SMALL), []
    for part in model.modules():
        if isinstance(
            part, nn.Conv2d | RecomputedMaxPool | Stage
        ):  # hooks at the norm would change the path
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
    monkeypatch.setattr(recompute, "LARGE", large)
    stage, x = lean(Stage, conv(3, 4), conv3x3(4, 2)), images()
    loss = stage(x).sum()
    with torch.no_grad():
        change(stage, x)

    with pytest.raises(RuntimeError, match=r"changed in place|modified by an inplace operation"):
        loss.backward()


def test_pooled_images_that_are_changed_in_place_are_an_error(monkeypatch):
    """Where the maxima stood cannot be looked for in what was changed."""
    monkeypatch.setattr(recompute, "LARGE", 1)
    x = images().requires_grad_() * 1
    loss = RecomputedMaxPool(2)(x).sum()
    with torch.no_grad():
        x.mul_(-1)

    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


@pytest.mark.parametrize(
    "how", [{}, {"stride": 1}, {"padding": 1}, {"ceil_mode": True}, {"dilation": 2}], ids=str
)
def test_pooling_is_torchs(how, monkeypatch):
    """Values and gradients with each of its arguments, for a size that 3 does not divide."""
    monkeypatch.setattr(recompute, "LARGE", 1)
    x = images().requires_grad_()
    ours, theirs = RecomputedMaxPool(3, **how)(x), nn.MaxPool2d(3, **how)(x)
    by = torch.rand_like(ours)

    assert torch.equal(ours, theirs)
    assert torch.equal(*(torch.autograd.grad(one, x, by)[0] for one in (ours, theirs)))


def test_gradients_are_by_the_weights_of_the_forward_pass(monkeypatch):
    """Replaced weights, called with or set afterwards, do not come into them."""
    monkeypatch.setattr(recompute, "LARGE", 1)
    stage = lean(Stage, conv(3, 4), conv3x3(4, 2)).double()
    other = {name: value + 0.5 for name, value in stage.named_parameters()}
    x = images().double()

    def gradients_with(layer):
        values = {name: value.detach().requires_grad_() for name, value in other.items()}
        loss = torch.func.functional_call(layer, values, (x,)).square().sum()
        with torch.no_grad():
            for value in layer.parameters():
                value.zero_()
        return torch.autograd.grad(loss, list(values.values()))

    theirs = gradients_with(plain(stage))
    torch.testing.assert_close(gradients_with(stage), theirs)


@pytest.mark.parametrize("frozen", ["weight", "bias", "0.0.weight", "0.1.weight", "image"])
def test_frozen_parts_have_no_gradient(frozen, monkeypatch):
    """The others' gradients are torch's."""
    monkeypatch.setattr(recompute, "LARGE", 1)
    stage = lean(Stage, conv(3, 4), conv3x3(4, 2)).double()
    x = images().double().requires_grad_(frozen != "image")
    for name, value in stage.named_parameters():
        value.requires_grad_(not name.endswith(frozen))
    twin = plain(stage)
    for one in (stage, twin):
        one(x).square().sum().backward()

    for (name, mine), other in zip(stage.named_parameters(), twin.parameters(), strict=True):
        assert (mine.grad is None) == name.endswith(frozen)
        if mine.grad is not None:
            torch.testing.assert_close(mine.grad, other.grad)


def test_hooks_and_added_layers_of_stages_count(monkeypatch):
    """Who looks into a block, changes what a norm makes, or adds a layer is not passed by."""
    monkeypatch.setattr(recompute, "LARGE", 1)
    model, seen = lean(UNet2, channels=SMALL).double(), []
    model.encoder[0][0].register_forward_hook(lambda *_: seen.append("block"))
    model.encoder[1][0].register_full_backward_hook(lambda *_: seen.append("back"))
    model.decoder[1][0].register_full_backward_pre_hook(lambda *_: seen.append("before"))
    model.encoder[1][0][1].register_forward_hook(lambda _, __, y: y * 2 - 0.5)
    model.decoder[0].append(nn.Tanh())
    model.decoder[1][0].append(nn.Tanh())
    x = images().double()
    ours, theirs = (steps_of(one, x) for one in (model, AsWritten(plain(model))))

    assert seen == ["block", "before", "back"] * 6
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-8, atol=1e-10)


def test_a_backward_pass_under_autocast_is_as_exact(monkeypatch):
    """The border is mended in the precision of the forward pass."""
    monkeypatch.setattr(recompute, "LARGE", 1)
    stage = lean(Stage, conv(3, 4), conv3x3(4, 2))
    exact = gradients(stage, images())
    loss = stage(images()).square().mean()
    with torch.autocast("cpu", torch.bfloat16):
        found = torch.autograd.grad(loss, list(stage.parameters()))

    torch.testing.assert_close(list(found), exact)
