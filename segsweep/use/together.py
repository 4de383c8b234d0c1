"""Networks used together: the mean of their probabilities, computed image by image."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from torch import Tensor

from segsweep.data.decoding import Decoding
from segsweep.data.source import Raw
from segsweep.errors import DataError
from segsweep.use.inputs import read_image
from segsweep.use.network import Network, Probability


@dataclass(frozen=True)
class Seen:
    """An image as networks see it."""

    size: tuple[int, int]
    """Its own height and width."""
    inputs: Mapping[str, Raw]
    """What networks get, by `Network.view`."""


@dataclass(frozen=True)
class Together:
    """One network, or several of which the probabilities are averaged."""

    networks: tuple[Network, ...]

    @property
    def threshold(self) -> float:
        """A pixel is foreground above it: the mean of those of the networks."""
        found = [network.config.threshold for network in self.networks]
        return found[0] if len({*found}) == 1 else sum(found) / len(found)

    @cached_property
    def batch(self) -> int:
        """Images that networks see at once: as many as in their training; in tiles, one."""
        if any(network.tiling is not None for network in self.networks):
            return 1
        return min(network.config.trainer.batch for network in self.networks)

    @property
    def seen_size(self) -> tuple[int, int]:
        """The largest size to which an image is resized."""
        return max(network.config.data.height_width for network in self.networks)

    @property
    def _ways(self) -> dict[str, Decoding]:
        """How the networks take an image file, by its text; most often one way for all."""
        return {str(network.decoding): network.decoding for network in self.networks}

    def read(self, path: Path) -> Seen:
        """Read and prepare an image file; DataError names the file and the reason."""
        return self._prepared({name: read_image(path, how) for name, how in self._ways.items()})

    def prepare(self, image: Raw) -> Seen:
        """Prepare an image (H, W, 3), or (H, W) in grey: uint8, uint16, or float in [0, 1].

        Whole numbers mean what they mean in a file: `data.range` applies to them.
        """
        image = image if image.ndim == 3 else np.stack([image] * 3, axis=2)
        whole = image.dtype.kind == "u"
        return self._prepared(
            {name: how.scaled(image) if whole else image for name, how in self._ways.items()}
        )

    def probabilities(
        self, images: Iterable[Seen | DataError]
    ) -> Iterator[Probability | DataError]:
        """Yield the probabilities (H, W) of each image at its own size; errors as they come.

        Only those of one image are in memory at its own size.
        """
        waiting: list[Seen | DataError] = []
        for image in images:
            waiting.append(image)
            if sum(isinstance(one, Seen) for one in waiting) == self.batch:
                yield from self._of_batch(waiting)
                waiting = []
        yield from self._of_batch(waiting)

    def _of_batch(self, images: Sequence[Seen | DataError]) -> Iterator[Probability | DataError]:
        whole = [image for image in images if isinstance(image, Seen)]
        outputs = [
            iter(network.outputs([image.inputs[network.view] for image in whole]) if whole else ())
            for network in self.networks
        ]
        for image in images:
            yield self._mean(outputs, image.size) if isinstance(image, Seen) else image

    def _mean(self, outputs: Sequence[Iterator[Tensor]], size: tuple[int, int]) -> Probability:
        """Return the mean at an image's own size of the next output of each network."""
        total: Probability | None = None
        for network, own in zip(self.networks, outputs, strict=True):
            found = network.restored(next(own), size)
            total = found if total is None else np.add(total, found, out=total)
        assert total is not None, "there is at least one network"
        return total if len(outputs) == 1 else total / np.float32(len(outputs))

    def _prepared(self, images: Mapping[str, Raw]) -> Seen:
        height, width = next(iter(images.values())).shape[:2]
        inputs: dict[str, Raw] = {}
        for network in self.networks:
            if network.view not in inputs:
                inputs[network.view] = network.seen(images[str(network.decoding)])
        return Seen((height, width), inputs)
