"""The positive list: what a config may name in segsweep, torch and torchvision."""

import sys
from types import ModuleType

import pytest
import torch

from segsweep.config.targets import build, check_node, locate
from segsweep.errors import ConfigError


@pytest.mark.parametrize(
    "target",
    [
        *("torchvision.models.get_model", "torchvision.models.get_weight"),
        *("torchvision.models.list_models", "torchvision.models.get_model_weights"),
        *("torchvision.models.ResNet50_Weights", "torchvision.ops.sigmoid_focal_loss"),
        *("torch.nn.functional.relu", "torch.nn.init.zeros_", "torch.nn.Parameter"),
        *("torch.hub.load", "torch.utils.model_zoo.load_url", "torch.load", "torch.jit.load"),
        *("torchvision.datasets.MNIST", "torchvision.datasets.utils.download_url"),
        *("torchvision.transforms.Resize", "segsweep.models.torchvision_nets.load_fitting"),
        *("segsweep.losses.tensors.prepared", "segsweep.models.kernels.apply"),
        "torchvision.models._utils.handle_legacy_interface",
    ],
)
def test_functions_that_are_no_builders_are_refused(target):
    """Whatever they do: the list says what is allowed, not what is forbidden."""
    with pytest.raises(ConfigError, match=r"is not trusted|cannot be imported"):
        locate(target)


@pytest.mark.parametrize(
    ("node", "target"),
    [
        ("model", "torch.nn.Conv2d"),
        ("model", "torchvision.models.resnet18"),
        ("model", "torchvision.models.segmentation.deeplabv3_resnet50"),
        ("loss", "torch.nn.BCEWithLogitsLoss"),
        ("optimizer", "torch.optim.RMSprop"),
        ("scheduler", "torch.optim.lr_scheduler.StepLR"),
        ("scheduler", "torch.optim.lr_scheduler.ReduceLROnPlateau"),
    ],
)
def test_what_a_group_may_name(node, target):
    """Classes of torch that fit the group, and torchvision's builders."""
    with pytest.raises(ConfigError) as caught:
        check_node(node, {"_target_": target, "no_such_argument": 1})

    assert "not trusted" not in str(caught.value)
    assert "does not belong" not in str(caught.value)


@pytest.mark.parametrize(
    ("node", "target"),
    [
        ("loss", "torch.optim.SGD"),
        ("model", "torch.optim.lr_scheduler.StepLR"),
        ("optimizer", "torch.nn.Conv2d"),
        ("loss", "torchvision.models.resnet18"),
        ("augment", "torch.nn.Conv2d"),
    ],
)
def test_what_belongs_into_another_group(node, target):
    """The message names the group."""
    with pytest.raises(ConfigError, match=f"does not belong into the group {node}$"):
        check_node(node, {"_target_": target})


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"weights": "DEFAULT"}, "weights"),
        ({"weights": "IMAGENET1K_V1", "weights_backbone": None}, "weights"),
        ({}, "weights_backbone"),  # torchvision's own default downloads
    ],
)
def test_weights_are_not_downloaded(values, key):
    """Also where the default of a builder would."""
    target = "torchvision.models.segmentation.deeplabv3_resnet50"
    with pytest.raises(ConfigError, match=rf"model\.{key}: must be null"):
        check_node("model", {"_target_": target, **values})


def test_builder_without_weights():
    """It builds a network."""
    node = {"_target_": "torchvision.models.resnet18", "weights": None}

    assert isinstance(build("model", check_node("model", node)), torch.nn.Module)


def test_python_inside_an_allowed_package(monkeypatch):
    """`from os import system` in the user's package is not the user's code; their classes are."""
    import functools
    import os

    module = ModuleType("someones_tools")
    module.system, module.load = os.system, torch.hub.load
    module.make = functools.partial(dict, a=1)
    module.Adam = torch.optim.Adam
    monkeypatch.setitem(sys.modules, "someones_tools", module)

    for name in ("system", "load"):
        with pytest.raises(ConfigError, match="is not trusted"):
            locate(f"someones_tools.{name}", ["someones_tools"])
    assert locate("someones_tools.make", ["someones_tools"])() == {"a": 1}
    assert locate("someones_tools.Adam", ["someones_tools"]) is torch.optim.Adam
