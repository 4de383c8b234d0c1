"""Weights from a local file for the encoder of a network of segmentation-models-pytorch.

Nothing stays random unnoticed: a file gives every weight of the encoder, or it is refused.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from segsweep.models.weights_file import read_state

log = logging.getLogger(__name__)

RGB = 3
"""Channels of the images that published encoders were trained on."""
SHOWN = 3
"""Names of weights that a message shows."""
OLD_DENSENET = re.compile(r"\.(norm|conv)\.([12])\.")
"""In torchvision's files of DenseNet: a dot that the network's names no longer have."""


def load_encoder(encoder: nn.Module, name: str, weights_file: Path) -> None:
    """Copy the weights in a local file into *encoder*, called *name* in messages.

    The file is a state dict of the encoder, of the classifier it was part of, whose last layers
    are left out, or of a whole network, of which only the encoder is taken. A first convolution
    for RGB is adapted to other channels as `adapted` says. Raises ValueError, in one line, for a
    file of another kind, and for weights that are missing, unknown or of another shape.
    """
    own = encoder.state_dict()
    given = _renamed(_tensors(read_state(weights_file)), own)
    given = {key: adapted(value, own[key]) if key in own else value for key, value in given.items()}
    misfits = [
        _named("missing", [key for key in own if key not in given and not _is_counter(key)]),
        _named("unknown", _unknown(given, own)),
        _named(
            "of another shape",
            [
                f"{key} {_shape(given[key])} instead of {_shape(value)}"
                for key, value in own.items()
                if key in given and given[key].shape != value.shape
            ],
        ),
    ]
    if any(misfits):
        reasons = "; ".join(filter(None, misfits))
        raise ValueError(f"weights_file={weights_file}: does not fit the encoder {name}: {reasons}")
    for key, value in own.items():
        if key in given:
            value.copy_(given[key])
    log.info("%d tensors of %s taken from %s", len(own), name, weights_file)


def adapted(weight: Tensor, wanted: Tensor) -> Tensor:
    """Return a convolution's *weight* (out, 3, H, W) for the channels of *wanted* (out, C, H, W).

    As the library does it: for C = 1 the sum over the channels, else the channels repeated in
    turn, times 3 / C, so that outputs keep their size. Every other weight is returned as it is.
    """
    if weight.ndim != 4 or wanted.ndim != 4 or weight.shape[1] != RGB:
        return weight
    channels = wanted.shape[1]
    if (
        channels == RGB
        or weight.shape[:1] + weight.shape[2:] != wanted.shape[:1] + wanted.shape[2:]
    ):
        return weight
    if channels == 1:
        return weight.sum(1, keepdim=True)
    return weight[:, torch.arange(channels) % RGB] * (RGB / channels)


def _tensors(state: Mapping[str, object]) -> dict[str, Tensor]:
    return {str(key): value for key, value in state.items() if isinstance(value, Tensor)}


def _renamed(given: Mapping[str, Tensor], own: Iterable[str]) -> dict[str, Tensor]:
    """Return *given* with the names of the encoder's *own* weights, as far as they are known.

    Below "encoder." in a whole network, without "model." in timm's own files.
    """
    names = set(own)
    within = {
        key.removeprefix("encoder."): value
        for key, value in given.items()
        if key.startswith("encoder.")
    }
    found = max(
        (dict(given), within, {f"model.{key}": value for key, value in given.items()}),
        key=lambda state: len(names & state.keys()),
    )
    return {
        key if key in names else OLD_DENSENET.sub(r".\1\2.", key): value
        for key, value in found.items()
    }


def _unknown(given: Iterable[str], own: Iterable[str]) -> list[str]:
    """Return the names in *given* inside parts that the encoder has; others are a classifier's."""
    names = set(own)
    parts = {_part(key) for key in names}
    return [key for key in given if key not in names and _part(key) in parts]


def _part(key: str) -> str:
    """Return the part of an encoder that a weight belongs to: `layer1` of `layer1.0.bn1.bias`."""
    return key.removeprefix("model.").partition(".")[0]


def _is_counter(key: str) -> bool:
    """Whether it is a batch norm's counter, which older files lack."""
    return key.endswith(".num_batches_tracked")


def _named(what: str, keys: Sequence[str]) -> str:
    """Return how many *keys* are *what*, and the first of them; nothing if there is none."""
    more = " and others" if len(keys) > SHOWN else ""
    return f"{len(keys)} {what} ({', '.join(keys[:SHOWN])}{more})" if keys else ""


def _shape(weight: Tensor) -> str:
    return "x".join(map(str, weight.shape)) or "one number"
