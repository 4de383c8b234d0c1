"""The network of a finished run, with all that turns an image into probabilities as in training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import interpolate

from segsweep.config.allow import allowed_by_flag
from segsweep.config.run_config import FrozenConfig
from segsweep.config.targets import build
from segsweep.data.decoding import Decoding
from segsweep.data.native import as_shares, native_pixels
from segsweep.data.resize import resize_image
from segsweep.data.source import Raw
from segsweep.data.tiled_batches import tiled_logits
from segsweep.data.tiles import Tiling, mirrored
from segsweep.errors import StoreError, WeightsError
from segsweep.store.json_files import known_environment, known_result
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_config
from segsweep.system.machine import usable_cores
from segsweep.training import device
from segsweep.training.checkpoint import Checkpoints
from segsweep.training.dataset import tiling_of
from segsweep.training.device import Placement
from segsweep.training.frozen import at_current_place, check_values, with_facts

Probability = NDArray[np.float32]
"""(H, W), of each pixel to be foreground."""
FLIPS: tuple[tuple[int, ...], ...] = ((), (-1,), (-2,), (-2, -1))
"""The axes along which an image is flipped: not at all, left to right, upside down, both."""
OWN, START = "segsweep.models.", "weights_file"
"""Networks that segsweep offers, and their argument for a file of weights to start from."""


@dataclass(frozen=True)
class Way:
    """How networks are used, where it differs from their training."""

    device: str = "auto"
    threads: int = 0
    """CPU threads; 0: all cores."""
    tile: bool = False
    """Whether images are seen in tiles at their own size, also by a network that was not."""
    flips: bool = False
    """Whether probabilities are the mean over four flips of an image."""
    allow: tuple[str, ...] = ()
    """Packages of the user that configs may name."""
    plain: bool = False
    """Whether it computes in float32 on the CPU without special kernels, to be exported."""


@dataclass(frozen=True)
class Network:
    """A trained network; equal to the one that the run was tested with."""

    paths: RunPaths
    config: FrozenConfig
    model: nn.Module
    placement: Placement
    tiling: Tiling | None
    """How it sees images at their own size; None: they are resized."""
    flips: bool = False

    @property
    def decoding(self) -> Decoding:
        """What is read of an image file: the page and the range that the data set names."""
        source = self.config.data.source
        page, span = source.get("page"), source.get("range")
        return Decoding.of(
            page if isinstance(page, int) else None,
            [float(value) for value in span] if isinstance(span, list | tuple) else None,
        )

    def seen(self, image: Raw) -> Raw:
        """Return what the network sees of an image (H, W, 3), however large that is.

        (C, height, width) float32 in [0, 1], resized; or the image as stored, (H, W, C).
        """
        data = self.config.data
        if self.tiling is not None:
            return native_pixels(image, data.channels)
        return resize_image(image, data.height_width, data.channels, data.resize)

    @property
    def view(self) -> str:
        """What decides `seen`: networks with the same view share its result."""
        data = self.config.data
        size = "own" if self.tiling is not None else (*data.height_width, data.resize)
        return f"{size} {data.channels}{self.decoding}"

    @torch.inference_mode()
    def outputs(self, seen: Sequence[Raw]) -> list[Tensor]:
        """Return the probabilities of images as `seen` returned them, each (1, 1, H, W).

        Resized images are one batch, and have the size that the network sees.
        """
        if self.tiling is not None:
            return [self._mean(self._tiled(values)) for values in seen]
        images = torch.from_numpy(np.stack(seen))
        images = images.to(self.placement.torch_device, memory_format=self.placement.layout)
        return [*self._mean(lambda model: model(images)).split(1)]

    @torch.inference_mode()
    def restored(self, output: Tensor, size: tuple[int, int]) -> Probability:
        """Return one of `outputs` at the image's own *size*, as it is scored there."""
        if self.tiling is not None:  # one smaller than a tile was enlarged
            output = output[..., : size[0], : size[1]]
        elif tuple(output.shape[-2:]) != size:
            output = interpolate(output, size, mode="bilinear", antialias=True)
        return output[0, 0].float().cpu().numpy()

    def _mean(self, logits: Callable[[Callable[[Tensor], Tensor]], Tensor]) -> Tensor:
        """Return the probabilities (B, 1, H, W) of what a network's *logits* are computed from."""
        total: Tensor | None = None
        every = FLIPS if self.flips else FLIPS[:1]
        for axes in every:
            with self.placement.autocast():
                found = logits(partial(_flipped, self.model, axes) if axes else self.model)
            one = (found if found.dtype == torch.float64 else found.float()).sigmoid()
            total = one if total is None else total.add_(one)
        assert total is not None
        return total if len(every) == 1 else total.div_(len(every))

    def _tiled(self, values: Raw) -> Callable[[Callable[[Tensor], Tensor]], Tensor]:
        """Return what computes the logits of an image (H, W, C) as stored, with a network."""
        assert self.tiling is not None
        tile, on = self.tiling.tile, self.placement.torch_device
        if values.shape[0] < tile[0] or values.shape[1] < tile[1]:
            rows, columns = (mirrored(values.shape[axis], tile[axis]) for axis in (0, 1))
            values = values[np.ix_(rows, columns)]

        def cut(rows: slice, columns: slice) -> Tensor:
            shares = as_shares(values[rows, columns]).transpose(2, 0, 1)
            return torch.from_numpy(np.ascontiguousarray(shares)).to(on)

        tiling, batch, layout = self.tiling, self.config.trainer.batch, self.placement.layout
        size = values.shape[0], values.shape[1]
        return lambda model: tiled_logits(model, cut, size, tiling, batch, layout)


def open_network(paths: RunPaths, way: Way | None = None) -> Network:
    """Return the network of a finished run, with the weights of its best epoch.

    Raises:
        StoreError: the run is not finished, or a file of it cannot be used.
        WeightsError: its weights were removed.
        ConfigError: its config names what the user does not allow, or it cannot be built.

    """
    way = way or Way()
    result = known_result(paths.result)
    if result is None:
        raise StoreError(
            f"{paths.root.name}: {paths.status()}, so there is no network to use yet; the command "
            "of its sweep finishes it"
        )
    file = Checkpoints(paths.checkpoints).best(result.best_epoch or 0)
    if not file.exists():
        raise WeightsError(paths.root, f"{file}: its weights were removed")
    stored = at_current_place(read_config(paths.config), paths.config, way.allow)
    with allowed_by_flag():
        checked = check_values(stored)  # every class is trusted: its own list is not
    config = with_facts(stored, checked)
    placement = _placement(config, paths, way)
    torch.set_num_threads(placement.threads)
    model = device.place(_untrained(config), placement)
    try:
        model.load_state_dict(Checkpoints(paths.checkpoints).load_best(result.best_epoch or 0))
    except StoreError as error:
        raise WeightsError(paths.root, str(error)) from error
    except (RuntimeError, TypeError, AttributeError) as error:
        raise WeightsError(paths.root, f"{file}: not the weights of this run's network") from error
    model.eval().requires_grad_(False)
    tiling = tiling_of(config.data)
    if tiling is None and way.tile:
        tiling = Tiling(config.data.height_width)
    return Network(paths, config, model, placement, tiling, way.flips)


def _untrained(config: FrozenConfig) -> nn.Module:
    """Return the run's network, without weights it started from: their file may be gone."""
    node = dict(config.model)
    if START in node and str(node["_target_"]).startswith(OWN):
        node[START] = None
    model: nn.Module = build("model", node, config.allow)
    return model


def _placement(config: FrozenConfig, paths: RunPaths, way: Way) -> Placement:
    """Return where it computes: as the run did, on this machine's device and threads."""
    if way.plain:
        return Placement("cpu", way.threads or usable_cores(), "float32", "contiguous")
    trainer, earlier = config.trainer, dict(known_environment(paths.environment).values)
    earlier["threads"] = way.threads
    on_gpu = way.device.startswith("cuda") or (way.device == "auto" and torch.cuda.is_available())
    no_float16 = trainer.precision == "float16" and not on_gpu  # trained on a GPU, used elsewhere
    return device.choose(
        way.device,
        way.threads,
        "auto" if no_float16 else trainer.precision,
        trainer.memory_format,
        trainer.lean,
        trainer.cpu_precision,
        earlier,
    )


def _flipped(model: nn.Module, axes: tuple[int, ...], images: Tensor) -> Tensor:
    """Return the logits of flipped images, flipped back."""
    found: Tensor = model(images.flip(axes))
    return found.flip(axes)
