"""Networks of segmentation-models-pytorch: any of its architectures on any of its encoders.

The network is the library's own module, so a state dict saved by either fits the other. Nothing
is downloaded: weights are random, or the encoder's come from a local file.
"""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from segsweep.config.validate import nearest
from segsweep.errors import ConfigError
from segsweep.models.encoder_weights import load_encoder

ENCODERS = "https://smp.readthedocs.io/en/latest/encoders.html"
TIMM = "tu-"
"""Before the name of an encoder that is a network of timm."""
IMAGENET = {
    3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    1: ((0.449,), (0.226,)),
}
"""Channels -> mean and deviation of the images of ImageNet in [0, 1]; of grey ones, the average."""
WIDTHS = (256, 128, 64, 32, 16)
"""Features of a decoder's blocks, as the library has them for five."""


class _Network(Protocol):
    """What is used of the library's networks, and what they get."""

    encoder: nn.Module
    requires_divisible_input_shape: bool
    size_multiple: int


def smp(
    in_channels: int = 3,
    architecture: str = "unet",
    encoder: str = "resnet34",
    weights_file: Path | None = None,
    normalize: bool = False,
    depth: int | None = None,
    decoder_channels: tuple[int, ...] | None = None,
) -> nn.Module:
    """Return a network of segmentation-models-pytorch with one logit.

    Shape: (B, in_channels, H, W) to logits (B, 1, H, W); H and W are multiples of `size_multiple`.
    Some architectures take only B > 1 in training mode. Source: https://smp.readthedocs.io.

    Args:
        in_channels: channels of the images, at least 1.
        architecture: the name of a class of the library, in any case.
        encoder: an encoder of the library, or tu- and a network of timm.
        weights_file: a state dict of the encoder, .pth or .safetensors; null: random weights.
        normalize: whether images are standardized by mean and deviation of ImageNet first.
        depth: times that the encoder halves the image; null: as the architecture has it.
        decoder_channels: features of each block of the decoder; null: as the library has them.

    """
    library = _library()
    build = _architecture(library, architecture)
    _check_encoder(library, encoder)
    if in_channels < 1:
        raise ValueError(f"in_channels must be >= 1; got {in_channels}")
    if normalize and in_channels not in IMAGENET:
        raise ValueError(f"normalize=true needs in_channels=3 or 1; got {in_channels}")
    more = _widths(build, depth, decoder_channels)
    if depth is not None:
        more["encoder_depth"] = depth
    where = torch.empty(0).device
    with torch.device("cpu"):  # some encoders read numbers, which the meta device does not have
        network = _built(build, encoder, in_channels, more)
        if weights_file is not None:
            load_encoder(network.get_submodule("encoder"), encoder, weights_file)
    if normalize:
        network.register_forward_pre_hook(_standardized)
    return _with_multiple(network).to(where)


def _library() -> ModuleType:
    """Return the imported library: over a second, so only where a network is built."""
    try:
        import segmentation_models_pytorch as library
    except ImportError as error:
        raise ConfigError(
            f"model=smp: {error.name or 'segmentation_models_pytorch'} is not installed; "
            "pip install 'segsweep[smp]'"
        ) from error
    return library


def _architecture(library: ModuleType, name: str) -> Callable[..., nn.Module]:
    known: Mapping[str, Callable[..., nn.Module]] = library.MODEL_ARCHITECTURES_MAPPING
    if name.lower() not in known:
        raise ValueError(
            f"architecture must be one of {', '.join(known)}; got {name!r}"
            f"{nearest(name.lower(), known)}"
        )
    return known[name.lower()]


def _check_encoder(library: ModuleType, name: str) -> None:
    """Raise ValueError unless *name* is an encoder; others could name a place in the network."""
    from timm import list_models

    own = library.encoders.get_encoder_names()
    names = own if not name.startswith(TIMM) else [f"{TIMM}{one}" for one in list_models()]
    if name not in names:
        raise ValueError(
            f"encoder must be one of {len(own)} encoders ({ENCODERS}), or {TIMM}<a network of "
            f"timm>; got {name!r}{nearest(name.lower(), names)}"
        )


def _widths(
    build: Callable[..., nn.Module], depth: int | None, channels: tuple[int, ...] | None
) -> dict[str, object]:
    """Return the argument for the features of the decoder, if there has to be one.

    With a smaller depth, features at each size of the image stay as they are.
    """
    parameter = inspect.signature(build).parameters.get("decoder_channels")
    several = parameter is not None and not isinstance(parameter.default, int)
    if channels is None:
        shortened = several and depth is not None and 0 < depth < len(WIDTHS)
        return {"decoder_channels": WIDTHS[-(depth or 0) :]} if shortened else {}
    name = build.__name__
    if parameter is None:
        raise ValueError(f"decoder_channels: {name} has none to choose; set it to null")
    if not several and len(channels) != 1:
        raise ValueError(f"decoder_channels must be one number for {name}; got {[*channels]}")
    if min(channels, default=0) < 1:
        raise ValueError(f"decoder_channels must be numbers >= 1; got {[*channels]}")
    return {"decoder_channels": channels if several else channels[0]}


def _built(
    build: Callable[..., nn.Module], encoder: str, in_channels: int, more: Mapping[str, object]
) -> nn.Module:
    try:
        return build(encoder, encoder_weights=None, in_channels=in_channels, classes=1, **more)
    except (RuntimeError, MemoryError):  # torch's errors describe this machine
        raise
    except Exception as error:  # the library refuses what does not fit together in many ways
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ValueError(f"{build.__name__} on {encoder} cannot be built ({reason})") from error


def _with_multiple(network: nn.Module) -> nn.Module:
    """Return *network* with the attribute `size_multiple`, from its encoder's output stride."""
    found = cast("_Network", network)
    multiple = int(getattr(found.encoder, "output_stride", 1))
    found.size_multiple = multiple if found.requires_divisible_input_shape else 1
    return network


def _standardized(network: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Return images in [0, 1] with the mean 0 and deviation 1 that those of ImageNet have."""
    (images,) = inputs
    mean, deviation = (
        images.new_tensor(values).view(1, -1, 1, 1) for values in IMAGENET[images.shape[1]]
    )
    return (images - mean) / deviation
