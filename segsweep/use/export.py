"""Writes a network for use without segsweep: ONNX, torch's own program, or bare weights.

An exported network gets images as it saw them in training, (batch, channels, height, width) in
[0, 1], and returns probabilities. What has to be done to an image first stands in its facts.
"""

import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from segsweep import __version__
from segsweep.data.split import split_samples
from segsweep.errors import DataError, SegsweepError, StoreError
from segsweep.system.files import replacing, write_json
from segsweep.training.dataset import prepared_data
from segsweep.use.network import Network

DIVISOR = 16
"""Height and width of what a network gets are multiples of this, or of more if it needs more."""
LARGEST_DIFFERENCE = 1e-4
"""Of probabilities by onnxruntime and by torch."""
CHECKED = 8
"""Validation images with which an export is checked, at most."""
OPSET = 18
AMBIGUOUS = "Attribute type is ambiguous because it is an empty sequence"
"""The start of a warning of onnx_ir."""
NAMES = {"onnx": "model.onnx", "torch": "model.pt2", "safetensors": "model.safetensors"}
"""Format -> name of the file."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    files: tuple[Path, ...]
    checked: str
    """With what the exported network was compared, and how close it came; empty for weights."""
    fixed: str = ""
    """Why the size is fixed; empty if it is not."""


class Probability(nn.Module):
    """A network whose output is probabilities."""

    def __init__(self, model: nn.Module) -> None:
        """Add the last step to *model*, which returns logits."""
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Return the probabilities (B, 1, H, W)."""
        found: Tensor = self.model(image)
        return found.sigmoid()


def export_network(network: Network, form: str, folder: Path) -> Exported:
    """Write a network into *folder*, which is made, and check it against torch.

    Args:
        network: opened plain, on the CPU (`Way.plain`).
        form: onnx | torch | safetensors.
        folder: gets the network and facts.json; for ONNX also infer.py.

    Raises:
        StoreError: the network cannot be exported, or the exported one says something else.

    """
    folder.mkdir(parents=True, exist_ok=True)
    facts, path = facts_of(network), folder / NAMES[form]
    if form == "safetensors":
        _write_weights(network, facts, path)
        write_json(folder / "facts.json", facts)
        return Exported((path, folder / "facts.json"), "")
    images, what = example_images(network)
    program, fixed = _traced(Probability(network.model).eval(), images, divisor_of(network))
    write = _write_onnx if form == "onnx" else _write_program
    try:
        with replacing(path) as temporary:
            found = write(program, {**facts, "fixed": bool(fixed)}, temporary)
            difference = _largest_difference(network, found, images)
            if not difference <= LARGEST_DIFFERENCE:  # NaN too
                raise StoreError(
                    f"{path.name}: not written: on {what} the exported network differs from torch "
                    f"by {difference:.2g}, more than {LARGEST_DIFFERENCE:g}"
                )
    except ImportError as error:
        raise StoreError(f"{error.name}: not installed; pip install 'segsweep[export]'") from error
    files = [path, folder / "facts.json"]
    write_json(files[-1], facts)
    if form == "onnx":
        files.append(folder / "infer.py")
        shutil.copyfile(Path(__file__).with_name("infer.py"), files[-1])
    return Exported(tuple(files), f"{what}: within {difference:.1g}", fixed)


def divisor_of(network: Network) -> int:
    """Return of what height and width of the exported network's images are multiples."""
    return math.lcm(DIVISOR, int(getattr(network.model, "size_multiple", 1)))


def facts_of(network: Network) -> dict[str, object]:
    """Return what has to be done to an image first, and to the probabilities; whence it is."""
    config, data = network.config, network.config.data
    source = data.source
    return {
        "size": None if network.tiling is not None else list(data.height_width),
        "channels": data.channels,
        "resize": data.resize,
        "divisor": divisor_of(network),
        "threshold": config.threshold,
        "page": source.get("page"),
        "range": source.get("range"),
        "tile": None if network.tiling is None else list(network.tiling.tile),
        "input": "image: (batch, channels, height, width), float32 in [0, 1]",
        "output": "probability: (batch, 1, height, width), of each pixel to be foreground",
        "model": {"name": config.choices["model"], **config.model},
        "sweep": network.paths.root.parents[1].name,
        "run": network.paths.root.name,
        "data": config.choices["data"],
        "data_fingerprint": config.data_fingerprint,
        "target": config.data_target,
        "segsweep": __version__,
        "torch": torch.__version__,
    }


def example_images(network: Network) -> tuple[Tensor, str]:
    """Return images as the network sees them, (B, C, H, W), and what they are in words.

    Validation images of the run; noise where the data are not on this machine.
    """
    config, divisor = network.config, divisor_of(network)
    height, width = (-(-side // divisor) * divisor for side in config.data.height_width)
    try:
        prepared = prepared_data(config)
        if prepared.fingerprint != config.data_fingerprint:
            raise DataError("the data have changed")
        parts = split_samples(prepared.samples, config.data.split)
        rows = [row for row, part in enumerate(parts) if part == "val"][:CHECKED]
        found = [prepared.images[row][:, :height, :width] for row in rows]
        images = np.stack([_filled(image, height, width) for image in found])
        return torch.from_numpy(images), f"{len(images)} validation images"
    except (SegsweepError, OSError):
        draws = torch.Generator().manual_seed(0)
        shape = (2, config.data.channels, height, width)
        return torch.rand(shape, generator=draws), "2 images of noise (the data are not here)"


def _filled(image: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return an image (C, H, W) mirrored to a size."""
    missing = ((0, 0), (0, height - image.shape[1]), (0, width - image.shape[2]))
    return np.pad(image, missing, "symmetric")


def _traced(
    model: nn.Module, images: Tensor, divisor: int
) -> tuple[torch.export.ExportedProgram, str]:
    """Return the network as a program, for any batch, and for any size if it allows that.

    Any size is a multiple of *divisor*; torch takes a size for a fixed one if it is no larger.
    Also returns why the size is fixed; empty if it is not.
    """
    batch = torch.export.Dim("batch", min=1)
    height, width = (divisor * torch.export.Dim(name, min=1) for name in ("rows", "columns"))
    times = [-(-2 * divisor // side) for side in images.shape[-2:]]
    with torch.no_grad():
        try:
            shapes = ({0: batch, 2: height, 3: width},)
            large = images.repeat(1, 1, *times)
            return torch.export.export(model, (large,), dynamic_shapes=shapes), ""
        except Exception as error:  # torch names many reasons by as many classes
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        try:
            return torch.export.export(model, (images,), dynamic_shapes=({0: batch},)), reason
        except Exception as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise StoreError(f"the network cannot be exported: {why}") from error


def _write_onnx(
    program: torch.export.ExportedProgram, facts: Mapping[str, object], path: Path
) -> Callable[[Tensor], Tensor]:
    """Write ONNX with the facts in its metadata; return it as onnxruntime runs it."""
    import onnx
    import onnxruntime

    with _without_ambiguous():
        made = torch.onnx.export(
            program,
            input_names=["image"],
            output_names=["probability"],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert made is not None, "dynamo=True returns a program"
    proto = made.model_proto
    onnx.helper.set_model_props(proto, {"segsweep": json.dumps(facts)})
    path.write_bytes(proto.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(images: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"image": images.numpy()})[0])

    return run


@contextmanager
def _without_ambiguous() -> Iterator[None]:
    """Leave out a warning about torch's own translations of layers, which nobody can avoid.

    They give some layers an empty list, which is taken for one of whole numbers, as it is meant.
    """
    logger = logging.getLogger("onnx_ir._convenience")

    def is_news(record: logging.LogRecord) -> bool:
        return not record.getMessage().startswith(AMBIGUOUS)

    logger.addFilter(is_news)
    try:
        yield
    finally:
        logger.removeFilter(is_news)


def _write_program(
    program: torch.export.ExportedProgram, facts: Mapping[str, object], path: Path
) -> Callable[[Tensor], Tensor]:
    """Write torch's own program with the facts beside it in the file; return it as loaded."""
    with path.open("wb") as file:
        torch.export.save(program, file, extra_files={"segsweep.json": json.dumps(facts)})
    with path.open("rb") as file:
        loaded = torch.export.load(file).module()
    return lambda images: loaded(images)


def _write_weights(network: Network, facts: Mapping[str, object], path: Path) -> None:
    try:
        from safetensors.torch import save_model
    except ImportError as error:
        raise StoreError(f"{error.name}: not installed; pip install 'segsweep[export]'") from error
    with replacing(path) as temporary:
        save_model(network.model, str(temporary), {"segsweep": json.dumps(facts)})


def _largest_difference(
    network: Network, exported: Callable[[Tensor], Tensor], images: Tensor
) -> float:
    """Return how far the exported network's probabilities are from torch's, also one by one."""
    with torch.no_grad():
        expected = network.model(images).sigmoid()
        found = exported(images)
        alone = exported(images[:1])
    return max(float((found - expected).abs().max()), float((alone - expected[:1]).abs().max()))
