"""Losses against golden values, other people's libraries, loops and counts on paper."""

import inspect
import json
import math
from pathlib import Path
from typing import get_type_hints

import monai.losses
import numpy as np
import pytest
import segmentation_models_pytorch.losses as smp
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from segsweep import losses

HERE = Path(__file__).parent
CONF = HERE.parent / "conf" / "loss"
GOLDEN = json.loads((HERE / "golden_losses.json").read_text())
ALL = {
    "bce": losses.BceLoss(),
    "dice": losses.DiceLoss(),
    "focal": losses.FocalLoss(),
    "ss": losses.SsLoss(),
    "bce_ss": losses.BceSsLoss(),
    "soft_dice": losses.SoftDiceLoss(),
    "jaccard": losses.JaccardLoss(),
    "dice_bce": losses.DiceBceLoss(),
    "focal_lin": losses.FocalLinLoss(),
    "tversky": losses.TverskyLoss(),
    "focal_tversky": losses.FocalTverskyLoss(),
    "lovasz": losses.LovaszLoss(),
}
OTHER_SETTINGS = {
    "dice, tiny smooth": losses.DiceLoss(smooth=1e-6),
    "focal, root": losses.FocalLoss(gamma=0.5),
    "focal_lin, root": losses.FocalLinLoss(gamma=0.5, alpha=0.25),
    "focal_lin, large": losses.FocalLinLoss(gamma=50.0),
    "soft_dice, tiny smooth": losses.SoftDiceLoss(smooth=1e-6, batch=True),
    "jaccard, tiny smooth": losses.JaccardLoss(smooth=1e-6),
    "focal_tversky, steep": losses.FocalTverskyLoss(exponent=0.1, smooth=1e-6, batch=True),
    "lovasz, batch": losses.LovaszLoss(batch=True),
}
PER_IMAGE = ("soft_dice", "jaccard", "tversky", "focal_tversky", "lovasz")


def random_case(shape: tuple[int, ...] = (3, 1, 13, 17), seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return float64 logits and a {0, 1} target with foreground in every image."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, (torch.rand(shape, generator=generator) < 0.3).double()


def value_and_gradient(loss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return a loss and its gradient by the logits."""
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    return value.detach(), gradient


def assert_same(loss, reference, logits: Tensor, target: Tensor, rtol: float = 1e-9) -> None:
    """Assert equal values and equal gradients."""
    ours = value_and_gradient(loss, logits, target)
    theirs = value_and_gradient(reference, logits, target)
    torch.testing.assert_close(ours[0], theirs[0].reshape(()), rtol=rtol, atol=0)
    torch.testing.assert_close(ours[1], theirs[1], rtol=rtol, atol=1e-3 * rtol)


def image_by_image(reference):
    """Return a loss that is the mean of *reference* over the images, each by itself."""

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        pairs = zip(logits.split(1), target.split(1), strict=True)
        return torch.stack([reference(*pair).reshape(()) for pair in pairs]).mean()

    return loss


def golden_input(case: dict) -> tuple[Tensor, Tensor]:
    """Return the logits and target that the formulas in a golden case describe."""
    k = np.arange(math.prod(case["shape"]), dtype=np.float64).reshape(case["shape"])
    names = {"sin": np.sin, "cos": np.cos, "k": k}
    logits, target = (eval(case[key], names) for key in ("logits", "target"))
    return torch.from_numpy(logits), torch.from_numpy(target).double()


@pytest.mark.parametrize("name", ["bce", "dice", "focal", "ss", "bce_ss"])
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_experiment_losses_equal_golden_values(case, name):
    """Value, sum of absolute gradients and two single gradients equal an independent loop's."""
    expected = case["losses"][name]
    value, gradient = value_and_gradient(ALL[name], *golden_input(case))
    flat = gradient.flatten()
    got = [value, flat.abs().sum(), flat[0], flat[101]]

    wanted = [expected[key] for key in ("value", "grad_abs_sum", "grad_first", "grad_at_101")]
    assert wanted == pytest.approx([float(one) for one in got], rel=1e-6, abs=1e-18)


@pytest.mark.parametrize("name", ["bce", "dice", "focal", "ss", "bce_ss"])
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: case["name"])
def test_float32_is_close_to_golden_values(case, name):
    """In float32 the five values are right to six digits: no cancellation in any formula."""
    logits, target = golden_input(case)
    value = ALL[name](logits.float(), target.float())

    assert case["losses"][name]["value"] == pytest.approx(value.item(), rel=2e-6)


def structural_loop(prob: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the structural error of one image, block by block, as the definition reads."""
    height, width = prob.shape
    error = np.zeros((height, width))
    for top in range(-1, height + 1 - 2, 3):
        for left in range(-1, width + 1 - 2, 3):
            cells = [(r, c) for r in range(top, top + 3) for c in range(left, left + 3)]
            inside = [0 <= r < height and 0 <= c < width for r, c in cells]
            blocks = []
            for image in (target, prob):
                pairs = zip(cells, inside, strict=True)
                block = np.array([image[cell] if there else 0.0 for cell, there in pairs])
                blocks.append((block - block.mean() + 0.01) / (block.std() + 0.01))
            for cell, there, difference in zip(cells, inside, blocks[0] - blocks[1], strict=True):
                if there:
                    error[cell] = abs(difference)
    return error


@pytest.mark.parametrize("height", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("width", [1, 2, 3, 7, 10])
def test_ss_equals_loop_over_blocks(height, width):
    """Any size: the value is the loop's, and the error map has no gradient of its own."""
    logits, target = random_case((2, 1, height, width), seed=height * 100 + width)
    prob = logits.sigmoid().numpy()
    maps = [structural_loop(p[0], y[0]) for p, y in zip(prob, target.numpy(), strict=True)]
    error = torch.from_numpy(np.stack(maps))[:, None]
    hard = error > 0.1 * error.max()
    share = torch.where(hard, error, 0.0) / hard.sum()
    cross_entropy = -(target * logits.sigmoid().log() + (1 - target) * (-logits).sigmoid().log())
    value, gradient = value_and_gradient(ALL["ss"], logits, target)

    torch.testing.assert_close(value, (share * cross_entropy).sum(), rtol=1e-9, atol=0)
    torch.testing.assert_close(gradient, share * (logits.sigmoid() - target), rtol=1e-9, atol=1e-12)


def test_ss_without_hard_pixels_is_zero():
    """Where no surroundings differ there is no hard pixel, and the loss is 0, not 0/0."""
    target = torch.ones(1, 1, 6, 6)
    value, gradient = value_and_gradient(ALL["ss"], 100 * target, target)

    assert value == 0
    assert not gradient.any()


@pytest.mark.parametrize("loss", (ALL | OTHER_SETTINGS).values(), ids=(ALL | OTHER_SETTINGS).keys())
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
    """Value and gradient are finite, the value float32 and >= 0, for sure and unsure logits."""
    generator = torch.Generator().manual_seed(seed)
    target = (torch.rand(shape, generator=generator) < foreground).float()
    sign = {"right": 2 * target - 1, "wrong": 1 - 2 * target}.get(
        agreement, torch.randint(-1, 2, shape, generator=generator).float()
    )
    size = scale * torch.rand(shape, generator=generator).mul(2).clamp(max=1)  # half of them 1
    value, gradient = value_and_gradient(loss, (size * sign).to(dtype), target)

    assert (value.dtype, value.shape, gradient.dtype) == (torch.float32, (), dtype)
    assert value.isfinite() and value >= -1e-6
    assert gradient.isfinite().all()


@pytest.mark.parametrize("smooth", [0.5, 1.0])
@pytest.mark.parametrize("batch", [False, True])
def test_set_losses_equal_monai(smooth, batch):
    """Soft Dice, Jaccard, Tversky and Dice + cross-entropy agree with MONAI."""
    case = random_case()
    both = {"sigmoid": True, "batch": batch}
    same = {**both, "smooth_nr": smooth, "smooth_dr": smooth}
    twice = {**both, "smooth_nr": 2 * smooth, "smooth_dr": 2 * smooth}
    weighted = monai.losses.TverskyLoss(alpha=0.2, beta=0.9, **same)
    mixed = monai.losses.DiceCELoss(lambda_dice=0.4, lambda_ce=1.5, **same)

    assert_same(losses.SoftDiceLoss(smooth, batch), monai.losses.DiceLoss(**same), *case)
    jaccard = monai.losses.DiceLoss(jaccard=True, **twice)  # theirs doubles above and below
    assert_same(losses.JaccardLoss(smooth, batch), jaccard, *case)
    assert_same(losses.TverskyLoss(0.2, 0.9, smooth, batch), weighted, *case)
    assert_same(losses.DiceBceLoss(0.4, 1.5, smooth, batch), mixed, *case)


def test_set_losses_equal_smp():
    """Soft Dice, Jaccard, Tversky and its power agree with smp, per image and over the batch."""
    case = random_case(seed=1)
    power = smp.TverskyLoss("binary", smooth=1.0, alpha=0.3, beta=0.7, gamma=0.75)
    pairs = [
        (losses.SoftDiceLoss, smp.DiceLoss("binary", smooth=0.5)),  # theirs is halved throughout
        (losses.JaccardLoss, smp.JaccardLoss("binary", smooth=1.0)),
        (losses.TverskyLoss, smp.TverskyLoss("binary", smooth=1.0, alpha=0.3, beta=0.7)),
        (losses.FocalTverskyLoss, power),
    ]

    for ours, theirs in pairs:
        assert_same(ours(batch=True), theirs, *case)
        assert_same(ours(batch=False), image_by_image(theirs), *case)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 3.7])
@pytest.mark.parametrize("alpha", [None, 0.25, 0.8])
def test_focal_lin_equals_smp(gamma, alpha):
    """The published focal loss agrees with smp, with and without class weights."""
    theirs = smp.FocalLoss("binary", alpha=alpha, gamma=gamma)

    assert_same(losses.FocalLinLoss(gamma, alpha), theirs, *random_case(seed=2))


def test_experiment_focal_modulates_foreground_only():
    """On foreground it is Lin's, on background plain cross-entropy."""
    logits, target = random_case(seed=3)
    for labels, reference in (
        (torch.ones_like(target), losses.FocalLinLoss(2.0)),
        (torch.zeros_like(target), losses.BceLoss()),
    ):
        assert_same(losses.FocalLoss(2.0), reference, logits, labels)


@pytest.mark.parametrize("per_image", [False, True])
def test_lovasz_equals_smp(per_image):
    """The Lovasz hinge agrees with smp (float32 only), one image being without foreground."""
    logits, target = (x.float() for x in random_case(seed=4))
    target[1] = 0
    theirs = smp.LovaszLoss("binary", per_image=per_image)

    assert_same(losses.LovaszLoss(batch=not per_image), theirs, logits, target, rtol=1e-4)


def test_lovasz_float32_gradients_keep_their_digits():
    """A quarter million pixels as one set: float32 gradients equal algorithm 1 in float64."""
    generator = torch.Generator().manual_seed(5)
    count = 2**18
    # distinct, exact in float32, all positive: the order of the errors is the same in both types
    logits = (1 + torch.randperm(count, generator=generator)).double() / 2**16
    target = (torch.rand(count, generator=generator) < 0.3).double()
    errors = np.where(target > 0.5, 1 - logits, 1 + logits)
    order = np.argsort(-errors)
    truth = target.numpy()[order]
    jaccard = 1 - (truth.sum() - truth.cumsum()) / (truth.sum() + (1 - truth).cumsum())
    expected = np.empty(count)
    expected[order] = np.diff(jaccard, prepend=0) * np.where(truth > 0.5, -1, 1)
    expected[errors < 0] = 0
    images = [x.float().reshape(4, 1, 256, 256) for x in (logits, target)]
    _, gradient = value_and_gradient(losses.LovaszLoss(batch=True), *images)

    np.testing.assert_allclose(gradient.flatten().double(), expected, rtol=2e-6, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("soft_dice", 1 - 3 / 5),
        ("jaccard", 1 - 2 / 4),
        ("tversky", 1 - 2 / 3),
        ("focal_tversky", (1 / 3) ** 0.75),
    ],
)
def test_set_losses_equal_hand_count(name, expected):
    """One hit, one false alarm, one miss, smooth 1: the ratio counted on paper."""
    logits = torch.tensor([[100.0, 100.0], [-100.0, -100.0]])[None, None]
    target = torch.tensor([[1.0, 0.0], [1.0, 0.0]])[None, None]

    assert expected == pytest.approx(ALL[name](logits, target).item(), rel=1e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("foreground", [0.0, 0.3, 1.0])
def test_perfect_prediction_costs_nothing(name, foreground):
    """Sure and right everywhere is (nearly) free, sure and wrong is not, empty masks included."""
    _, target = random_case()
    target = (torch.rand(target.shape, generator=torch.Generator().manual_seed(6)) < foreground) * 1
    right = 100.0 * (2 * target - 1)

    value, gradient = value_and_gradient(ALL[name], right, target)

    assert value == pytest.approx(0, abs=1e-6)
    assert gradient.isfinite().all()
    if not (foreground in (0.0, 1.0) and name == "ss"):  # flat blocks all look alike
        assert ALL[name](-right, target) > 0.2


@pytest.mark.parametrize("name", ["bce", "focal", "focal_lin", "soft_dice", "jaccard", "tversky"])
def test_small_losses_keep_their_digits(name):
    """Sure and right, p rounds to 1 in float32, yet value and slope equal float64's."""
    _, target = random_case()
    right = 20.0 * (2 * target - 1)
    single = value_and_gradient(ALL[name], right.float(), target.float())
    double = value_and_gradient(ALL[name], right, target)

    assert 0 < double[0] < 1e-7
    for one, two in zip(single, double, strict=True):
        torch.testing.assert_close(one.double(), two, rtol=1e-4, atol=1e-30)


@pytest.mark.parametrize("loss", (ALL | OTHER_SETTINGS).values(), ids=(ALL | OTHER_SETTINGS).keys())
def test_order_of_images_does_not_matter(loss):
    """A batch in another order costs the same, each image's gradient moves with it."""
    logits, target = random_case((4, 1, 9, 11))
    order = torch.tensor([2, 0, 3, 1])
    value, gradient = value_and_gradient(loss, logits, target)
    moved, moved_gradient = value_and_gradient(loss, logits[order], target[order])

    torch.testing.assert_close(moved, value)
    torch.testing.assert_close(moved_gradient, gradient[order])


@pytest.mark.parametrize("name", PER_IMAGE)
def test_batch_option_takes_all_pixels_as_one_image(name):
    """batch=False is the mean over the images, batch=True the images laid end to end as one."""
    logits, target = random_case()
    loss = ALL[name]
    together = type(loss)(batch=True)
    end_to_end = [x.reshape(1, 1, -1, x.shape[-1]) for x in (logits, target)]
    alone = image_by_image(loss)(logits, target)

    torch.testing.assert_close(loss(logits, target), alone)
    torch.testing.assert_close(together(logits, target), loss(*end_to_end))
    assert not torch.isclose(together(logits, target), alone)


@pytest.mark.parametrize("name", ALL)
def test_half_precision_and_autocast_are_computed_in_float32(name):
    """Half-precision logits give the loss of their float32 copies, under autocast too."""
    logits, target = random_case()
    for dtype in (torch.float16, torch.bfloat16):
        half = logits.to(dtype)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            inside = ALL[name](half, target.float())

        assert inside.dtype == torch.float32
        assert inside == ALL[name](half, target.float()) == ALL[name](half.float(), target.float())


@pytest.mark.parametrize("name", ALL)
def test_target_may_be_of_any_type(name):
    """Masks as bool or bytes cost what masks as numbers cost; float64 stays float64."""
    logits, target = random_case()
    expected = ALL[name](logits, target)

    assert expected.dtype == torch.float64
    assert expected == ALL[name](logits, target.bool()) == ALL[name](logits, target.byte())


@pytest.mark.parametrize("name", ALL)
def test_shapes_must_agree(name):
    """A target without the channel axis would silently broadcast: it is refused."""
    logits, target = random_case()

    with pytest.raises(ValueError, match=r"\(3, 1, 13, 17\); got \(3, 13, 17\)"):
        ALL[name](logits, target[:, 0])


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


def test_every_loss_has_its_file():
    """conf/loss holds exactly the losses here, each named after its file."""
    files = sorted(path.stem for path in CONF.glob("*.yaml"))

    assert sorted(ALL) == files
    for stem in files:
        node = yaml.safe_load((CONF / f"{stem}.yaml").read_text())
        camel = "".join(word.capitalize() for word in stem.split("_"))
        assert f"segsweep.losses.{camel}Loss" == node["_target_"]


@pytest.mark.parametrize("name", ALL)
def test_files_give_the_defaults_of_the_code(name):
    """Every argument is in the file with the default of the code, and has an exact type."""
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    del node["_target_"]
    parameters = inspect.signature(type(ALL[name])).parameters.values()
    hints = get_type_hints(type(ALL[name]).__init__)

    assert {one.name: one.default for one in parameters if one.default is not one.empty} == node
    assert {hints[key] for key in node} <= {float, bool, float | None}
