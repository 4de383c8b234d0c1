"""What holds for every loss: each option of conf/loss is tested here without being listed."""

import importlib
import inspect
import math
import pkgutil
from typing import get_type_hints

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from loss_cases import (
    BY_IMAGE,
    CONF,
    GOLDEN,
    LOSSES,
    OTHER_SETTINGS,
    golden_input,
    image_by_image,
    random_case,
    value_and_gradient,
)
from segsweep import losses
from segsweep.config.targets import locate
from segsweep.losses.arguments import whole

EXPERIMENT = ("bce", "dice", "focal", "ss", "bce_ss")
RELEASED = (
    *(*EXPERIMENT, "soft_dice", "jaccard", "dice_bce"),
    *("focal_lin", "tversky", "focal_tversky", "lovasz"),
)


@pytest.mark.parametrize("name", EXPERIMENT)
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_experiment_losses_equal_golden_values(case, name):
    """Value, sum of absolute gradients and two single gradients equal those of a plain loop."""
    expected = case["losses"][name]
    value, gradient = value_and_gradient(LOSSES[name], *golden_input(case))
    flat = gradient.flatten()
    got = [value, flat.abs().sum(), flat[0], flat[101]]

    wanted = [expected[key] for key in ("value", "grad_abs_sum", "grad_first", "grad_at_101")]
    assert wanted == pytest.approx([float(one) for one in got], rel=1e-6, abs=1e-18)


@pytest.mark.parametrize("name", EXPERIMENT)
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_float32_is_close_to_golden_values(case, name):
    """In float32 the five values are right to six digits: no formula loses digits."""
    logits, target = golden_input(case)
    value = LOSSES[name](logits.float(), target.float())

    assert case["losses"][name]["value"] == pytest.approx(value.item(), rel=2e-6)


@pytest.mark.parametrize(
    "loss", (LOSSES | OTHER_SETTINGS).values(), ids=(LOSSES | OTHER_SETTINGS).keys()
)
@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.just(1), st.integers(1, 9), st.integers(1, 9)),
    scale=st.sampled_from([0.0, 1e-3, 1.0, 15.0, 40.0, 100.0]),
    foreground=st.sampled_from([0.0, 0.5, 1.0]),
    agreement=st.sampled_from(["right", "wrong", "random"]),
    dtype=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    seed=st.integers(0, 2**16),
)
def test_finite_up_to_logits_of_100(loss, shape, scale, foreground, agreement, dtype, seed):
    """Value and gradient are finite, the value is float32 and >= 0, at any confidence."""
    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(shape, generator=generator) < foreground).float()
    sign = {"right": 2 * target - 1, "wrong": 1 - 2 * target}.get(
        agreement, torch.randint(-1, 2, shape, generator=generator).float()
    )
    size = scale * torch.rand(shape, generator=generator).mul(2).clamp(max=1)  # half of them are 1
    value, gradient = value_and_gradient(loss, (size * sign).to(dtype), target)

    assert (value.dtype, value.shape, gradient.dtype) == (torch.float32, (), dtype)
    assert value.isfinite() and value >= -1e-6
    assert gradient.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("foreground", [0.0, 0.3, 1.0])
def test_perfect_prediction_costs_nothing(name, foreground):
    """Confident and right costs (nearly) 0, confident and wrong does not, empty masks included."""
    _, target = random_case()
    target = (torch.rand(target.shape, generator=torch.Generator().manual_seed(6)) < foreground) * 1
    right = 100.0 * (2 * target - 1)

    value, gradient = value_and_gradient(LOSSES[name], right, target)

    assert value == pytest.approx(0, abs=1e-6)
    assert gradient.isfinite().all()
    if not (foreground in (0.0, 1.0) and name == "ss"):  # flat blocks all look alike
        assert LOSSES[name](-right, target) > 0.2


@pytest.mark.parametrize("name", ["bce", "focal", "focal_lin", "soft_dice", "jaccard", "tversky"])
def test_small_losses_keep_their_digits(name):
    """Where p rounds to 1 in float32, value and gradient still equal those in float64."""
    _, target = random_case()
    right = 20.0 * (2 * target - 1)
    single = value_and_gradient(LOSSES[name], right.float(), target.float())
    double = value_and_gradient(LOSSES[name], right, target)

    assert 0 < double[0] < 1e-7
    for one, two in zip(single, double, strict=True):
        torch.testing.assert_close(one.double(), two, rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize(
    "loss", (LOSSES | OTHER_SETTINGS).values(), ids=(LOSSES | OTHER_SETTINGS).keys()
)
def test_order_of_images_does_not_matter(loss):
    """A shuffled batch has the same loss, and each image keeps its gradient."""
    logits, target = random_case((4, 1, 9, 11))
    order = torch.tensor([2, 0, 3, 1])
    value, gradient = value_and_gradient(loss, logits, target)
    moved, moved_gradient = value_and_gradient(loss, logits[order], target[order])

    torch.testing.assert_close(moved, value)
    torch.testing.assert_close(moved_gradient, gradient[order])


@pytest.mark.parametrize("name", BY_IMAGE)
def test_batch_option_takes_all_pixels_as_one_image(name):
    """batch=False averages the images; batch=True treats them as one tall image."""
    logits, target = random_case()
    loss = LOSSES[name]
    together = type(loss)(batch=True)
    end_to_end = [x.reshape(1, 1, -1, x.shape[-1]) for x in (logits, target)]
    alone = image_by_image(loss)(logits, target)

    torch.testing.assert_close(loss(logits, target), alone)
    torch.testing.assert_close(together(logits, target), loss(*end_to_end))
    assert not torch.isclose(together(logits, target), alone)


@pytest.mark.parametrize("name", LOSSES)
def test_half_precision_and_autocast_are_computed_in_float32(name):
    """Half-precision logits give the loss of their float32 copies, also under autocast."""
    logits, target = random_case()
    for dtype in (torch.float16, torch.bfloat16):
        half = logits.to(dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = LOSSES[name](half, target.float())

        assert inside.dtype == torch.float32
        assert (
            inside
            == LOSSES[name](half, target.float())
            == LOSSES[name](half.float(), target.float())
        )


@pytest.mark.parametrize("name", LOSSES)
def test_target_may_be_of_any_type(name):
    """Masks of bool or bytes give the same loss as masks of floats; float64 stays float64."""
    logits, target = random_case()
    expected = LOSSES[name](logits, target)

    assert expected.dtype == torch.float64
    assert expected == LOSSES[name](logits, target.bool()) == LOSSES[name](logits, target.byte())


@pytest.mark.parametrize("name", LOSSES)
def test_shapes_must_agree(name):
    """A target without the channel axis is refused: it would broadcast silently."""
    logits, target = random_case()

    with pytest.raises(ValueError, match=r"\(3, 1, 13, 17\); got \(3, 13, 17\)"):
        LOSSES[name](logits, target[:, 0])


@pytest.mark.parametrize(
    ("loss", "arguments", "message"),
    [
        ("DiceLoss", {"smooth": 0}, "smooth must be > 0; got 0"),
        ("FocalLoss", {"gamma": -1}, "gamma must be >= 0; got -1"),
        ("FocalLoss", {"gamma": math.nan}, "gamma must be >= 0; got nan"),
        ("FocalLinLoss", {"gamma": math.inf}, "gamma must be >= 0; got inf"),
        ("FocalLinLoss", {"alpha": 1.5}, "alpha must be between 0 and 1; got 1.5"),
        ("SoftDiceLoss", {"smooth": -1.0}, "smooth must be > 0; got -1.0"),
        ("JaccardLoss", {"smooth": 0.0}, "smooth must be > 0; got 0.0"),
        ("TverskyLoss", {"fp_weight": 0}, "fp_weight must be > 0; got 0"),
        ("FocalTverskyLoss", {"fn_weight": -0.7}, "fn_weight must be > 0; got -0.7"),
        ("FocalTverskyLoss", {"exponent": 0}, "exponent must be > 0; got 0"),
        ("DiceBceLoss", {"bce_weight": -2}, "bce_weight must be >= 0; got -2"),
        (
            "DiceBceLoss",
            {"dice_weight": 0, "bce_weight": 0},
            "dice_weight or bce_weight must be > 0; got 0 for both",
        ),
    ],
)
def test_arguments_out_of_range_are_refused(loss, arguments, message):
    """The error is one line: name, what is allowed, what was given."""
    with pytest.raises(ValueError) as caught:
        getattr(losses, loss)(**arguments)

    assert message == str(caught.value)


@pytest.mark.parametrize("value", [0, -3, 1.5, 2.0, True])
def test_whole_numbers_are_whole(value):
    """For lengths in pixels: an int of at least 1."""
    assert whole("radius", 3) == 3
    with pytest.raises(ValueError, match=f"^radius must be a whole number >= 1; got {value}$"):
        whole("radius", value)


def test_every_class_has_its_option_file():
    """conf/loss and segsweep.losses hold the same losses; `focal_lin` names `FocalLinLoss`."""
    modules = [
        importlib.import_module(f"segsweep.losses.{module.name}")
        for module in pkgutil.iter_modules(losses.__path__)
    ]
    classes = {
        item
        for module in modules
        for item in vars(module).values()
        if inspect.isclass(item)
        and issubclass(item, nn.Module)
        and item.__module__ == module.__name__
    }

    assert {type(loss) for loss in LOSSES.values()} == classes
    assert len(classes) == len(LOSSES) >= 12
    for stem, loss in LOSSES.items():
        expected = "".join(word.capitalize() for word in stem.split("_")) + "Loss"

        assert type(loss).__name__ == expected, f"conf/loss/{stem}.yaml must name {expected}"


@pytest.mark.parametrize("name", RELEASED)
def test_names_in_frozen_configs_stay(name):
    """Configs of finished runs name `segsweep.losses.BceLoss`, not the file it is in."""
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    target = f"segsweep.losses.{type(LOSSES[name]).__name__}"

    assert target == node["_target_"]
    assert locate(target) is type(LOSSES[name])
    assert callable(getattr(losses, name))


@pytest.mark.parametrize("name", LOSSES)
def test_files_give_the_defaults_of_the_code(name):
    """Every argument is in the yaml file with the default of the code, and has an exact type."""
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    del node["_target_"]
    parameters = inspect.signature(type(LOSSES[name])).parameters.values()
    hints = get_type_hints(type(LOSSES[name]).__init__)

    assert {one.name: one.default for one in parameters if one.default is not one.empty} == node
    assert {hints[key] for key in node} <= {float, int, bool, float | None, int | None}
