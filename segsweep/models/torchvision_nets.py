"""Torchvision's segmentation networks with one logit, for any input size.

Each function returns torchvision's own module, so a state dict saved by either fits the other;
it differs in the number of classes, in the first convolution if images are not RGB, and in a
hook that returns only the logits. Weights are never downloaded: they come from a file.
"""

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from segsweep.models.weights_file import read_state

log = logging.getLogger(__name__)


def lraspp(in_channels: int = 3, weights_file: Path | None = None) -> nn.Module:
    """Return LR-ASPP on MobileNetV3-Large, Howard et al. 2019, figure 10.

    Shape: (B, in_channels, H, W) to logits (B, 1, H, W), any H and W.
    Source: https://arxiv.org/abs/1905.02244, section 6.4; 3.2 million parameters.

    Args:
        in_channels: channels of the images, at least 1.
        weights_file: a state dict to start from; null: random weights.

    """
    from torchvision.models.segmentation import lraspp_mobilenet_v3_large

    return _one_logit(lraspp_mobilenet_v3_large, in_channels, weights_file)


def deeplabv3(
    in_channels: int = 3,
    backbone: Literal["mobilenet", "resnet50", "resnet101"] = "mobilenet",
    weights_file: Path | None = None,
) -> nn.Module:
    """Return DeepLabV3, Chen et al. 2017, figure 5, on MobileNetV3-Large or a ResNet.

    Shape: (B, in_channels, H, W) to logits (B, 1, H, W), any H and W; B > 1 in training mode.
    Source: https://arxiv.org/abs/1706.05587; 11, 40 or 59 million parameters.

    Args:
        in_channels: channels of the images, at least 1.
        backbone: the network below the head.
        weights_file: a state dict to start from; null: random weights.

    """
    from torchvision.models import segmentation

    builders = {
        "mobilenet": segmentation.deeplabv3_mobilenet_v3_large,
        "resnet50": segmentation.deeplabv3_resnet50,
        "resnet101": segmentation.deeplabv3_resnet101,
    }
    return _one_logit(_chosen(builders, backbone), in_channels, weights_file)


def fcn(
    in_channels: int = 3,
    backbone: Literal["resnet50", "resnet101"] = "resnet50",
    weights_file: Path | None = None,
) -> nn.Module:
    """Return the fully convolutional network, Long et al. 2015, on a dilated ResNet.

    Shape: (B, in_channels, H, W) to logits (B, 1, H, W), any H and W.
    Source: https://arxiv.org/abs/1411.4038, section 4; 33 or 52 million parameters.

    Args:
        in_channels: channels of the images, at least 1.
        backbone: the network below the head.
        weights_file: a state dict to start from; null: random weights.

    """
    from torchvision.models import segmentation

    builders = {"resnet50": segmentation.fcn_resnet50, "resnet101": segmentation.fcn_resnet101}
    return _one_logit(_chosen(builders, backbone), in_channels, weights_file)


def load_fitting(network: nn.Module, weights_file: Path) -> None:
    """Copy what fits by name and shape from a local state dict, and log how much did.

    A warning names what stays random, except classifiers, whose classes differ. Raises
    ValueError if no weights fit, so that a wrong file is not silently accepted.
    """
    own = network.state_dict()
    fitting = {
        name: value
        for name, value in read_state(weights_file).items()
        if name in own and isinstance(value, Tensor) and value.shape == own[name].shape
    }
    if not any(value.is_floating_point() for value in fitting.values()):
        raise ValueError(
            f"weights_file must be a state dict of {type(network).__name__}, at least in part; "
            f"no name and shape in {weights_file} fits"
        )
    for name, value in fitting.items():
        own[name].copy_(value)
    log.info("%d of %d tensors taken from %s", len(fitting), len(own), weights_file)
    random = [name for name in own if name not in fitting and "classifier" not in name]
    if random:
        warnings.warn(
            f"weights_file={weights_file}: {len(fitting)} of {len(own)} tensors fit; "
            f"{', '.join(random[:3])}{' and others' if len(random) > 3 else ''} stay random",
            stacklevel=2,
        )


def _one_logit(
    builder: Callable[..., nn.Module], in_channels: int, weights_file: Path | None
) -> nn.Module:
    if in_channels < 1:
        raise ValueError(f"in_channels must be >= 1; got {in_channels}")
    network = builder(weights=None, weights_backbone=None, num_classes=1)
    if in_channels != 3:
        _widen_first_convolution(network, in_channels)
    if weights_file is not None:
        load_fitting(network, weights_file)
    network.register_forward_hook(_logits_only)
    return network


def _widen_first_convolution(network: nn.Module, in_channels: int) -> None:
    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d))
    shape = (first.out_channels, in_channels, *first.kernel_size)
    first.in_channels = in_channels
    first.weight = nn.Parameter(first.weight.new_empty(shape))
    nn.init.kaiming_normal_(first.weight, mode="fan_out")  # as torchvision initialises its own


def _logits_only(network: nn.Module, inputs: object, outputs: dict[str, Tensor]) -> Tensor:
    """Return what torchvision calls "out", which has the size of the images."""
    return outputs["out"]


def _chosen(
    builders: dict[str, Callable[..., nn.Module]], backbone: str
) -> Callable[..., nn.Module]:
    if backbone not in builders:
        raise ValueError(f"backbone must be one of {', '.join(builders)}; got {backbone!r}")
    return builders[backbone]
