"""Chosen networks in a notebook: `sweep.best().predict(images)`, `.load_model()`. No torch here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from segsweep.data.decoder_warnings import large_images
from segsweep.data.source import Raw
from segsweep.errors import DataError
from segsweep.use.choose import Choice
from segsweep.use.inputs import MOST_PIXELS

if TYPE_CHECKING:
    from torch import nn

    from segsweep.use.network import Way
    from segsweep.use.together import Seen, Together

Image = str | PathLike[str] | Raw
"""A file, or an array (H, W, 3) or (H, W): uint8 or uint16 as in a file, or float in [0, 1]."""


@dataclass(frozen=True)
class Prediction:
    """What networks say about an image, at its own size."""

    mask: NDArray[np.bool_]
    """(H, W), True where foreground."""
    probability: NDArray[np.float32]
    """(H, W), of each pixel to be foreground."""


@dataclass(frozen=True)
class Predictor:
    """One network of a sweep, or several whose probabilities are averaged."""

    choice: Choice
    allow: tuple[str, ...] = ()
    _opened: "dict[Way, Together]" = field(default_factory=dict, repr=False, compare=False)

    @property
    def runs(self) -> list[Path]:
        """The folders of the runs."""
        return [paths.root for paths in self.choice.runs]

    @property
    def why(self) -> str:
        """Why these, in words."""
        return self.choice.why

    def predict(
        self,
        images: Image | Sequence[Image],
        *,
        flips: bool = False,
        tile: bool = False,
        device: str = "auto",
        threads: int = 0,
    ) -> list[Prediction]:
        """Return a prediction for each image, at its own size.

        Args:
            images: one or several; any sizes.
            flips: average over four flips of each image.
            tile: see images in tiles at their own size, also if the networks were not trained so.
            device: auto, cpu, cuda, cuda:1 or mps.
            threads: CPU threads; 0: all cores.

        Raises:
            DataError: an image cannot be read.
            WeightsError: the weights of a run were removed.

        """
        from segsweep.use.network import Way

        together = self._together(Way(device, threads, tile, flips, self.allow))
        one_only = isinstance(images, str | PathLike | np.ndarray)
        several = isinstance(images, Iterable) and not one_only
        every = cast("Iterable[Image]", images if several else [images])
        seen = (_seen(together, one) for one in every)
        found = []
        with large_images(MOST_PIXELS):
            for probability in together.probabilities(seen):
                assert isinstance(probability, np.ndarray), "errors are raised"
                found.append(Prediction(probability > together.threshold, probability))
        return found

    def load_model(self, preprocess: bool = True, device: str = "cpu") -> "nn.Module":
        """Return the network as a module of your own in evaluation mode.

        Training it further changes neither this predictor nor other modules.

        Args:
            preprocess: images (B, 3, H, W) in [0, 1] of any size -> probabilities (B, 1, H, W).
                False: the bare network, images as it sees them -> logits; of one run only.
            device: where it computes.

        Raises ValueError for several bare networks, WeightsError if weights were removed.

        """
        from segsweep.use.module import Mean, Segmenter
        from segsweep.use.network import Way, open_network

        way = Way(device, allow=self.allow)
        networks = [open_network(paths, way) for paths in self.choice.runs]
        if not preprocess:
            if len(networks) > 1:
                raise ValueError("preprocess=False: only for one network, not for an ensemble")
            return networks[0].model
        modules: list[nn.Module] = [Segmenter(network) for network in networks]
        return (modules[0] if len(modules) == 1 else Mean(modules)).eval()

    def _together(self, way: "Way") -> "Together":
        from segsweep.use.network import open_network
        from segsweep.use.together import Together

        if way not in self._opened:
            networks = tuple(open_network(paths, way) for paths in self.choice.runs)
            self._opened[way] = Together(networks)
        return self._opened[way]


def _seen(together: "Together", image: object) -> "Seen":
    """Return an image as its networks see it; DataError unless it is a path or an array."""
    if isinstance(image, np.ndarray):
        return together.prepare(_checked(image))
    if isinstance(image, str | PathLike):
        return together.read(Path(image))
    raise DataError(
        f"an image of type {type(image).__name__}: give a path or an array, such as "
        "np.asarray(image.convert('RGB'))"
    )


def _checked(image: Raw) -> Raw:
    """Return an image array; DataError unless its shape and values have a known meaning."""
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or 0 in image.shape:
        raise DataError(f"an image of shape {image.shape}: give (H, W, 3) or (H, W)")
    if image.dtype in (np.uint8, np.uint16):
        return image
    if image.dtype.kind != "f" or not (image.min() >= 0 and image.max() <= 1):  # NaN fails too
        raise DataError(
            f"an image of {image.dtype} with values {image.min():g} to {image.max():g}: give "
            "uint8, uint16, or float in [0, 1]"
        )
    return image.astype(np.float32)
