"""Writes a network for use without segsweep: ONNX, torch's own program, or bare weights.

An exported network gets images of any size, (batch, 3, height, width) in [0, 1], and returns
probabilities of that size: resizing, there and back, is part of it.
"""

import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from segsweep import __version__
from segsweep.config.targets import build
from segsweep.data.native import as_shares, native_pixels
from segsweep.data.source import Source
from segsweep.data.split import split_samples
from segsweep.errors import DataError, SegsweepError, StoreError
from segsweep.system.files import replacing, write_json
from segsweep.training.dataset import prepared_data
from segsweep.use.module import Segmenter, WholeImages
from segsweep.use.network import Network

DIVISOR = 16
"""A network trained on tiles sees heights and widths that are multiples of this, or of more."""
LARGEST_DIFFERENCE = 1e-4
"""Of probabilities by onnxruntime and by torch."""
CHECKED = 8
"""Validation images with which an export is checked, at most."""
OPSET = 18
AMBIGUOUS = "Attribute type is ambiguous because it is an empty sequence"
"""The start of a warning of onnx_ir."""
SEEN = "image: (batch, channels, height, width), resized, float32 in [0, 1]"
"""What bare weights need, whose preprocessing is not part of them."""
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
        facts |= {"input": SEEN, "output": "logits: (batch, 1, height, width)"}
        _write_weights(network, facts, path)
        write_json(folder / "facts.json", facts)
        return Exported((path, folder / "facts.json"), "")
    model = module_of(network)
    images, what = example_images(network)
    program, fixed = _traced(model, network)
    if fixed:
        images = [_as_large_as(image, network) for image in images]
    write = _write_onnx if form == "onnx" else _write_program
    try:
        with replacing(path) as temporary:
            found = write(program, {**facts, "fixed": bool(fixed)}, temporary)
            difference = _largest_difference(model, found, images)
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


def module_of(network: Network) -> nn.Module:
    """Return what is exported: images of any size -> probabilities of that size."""
    if network.tiling is None:
        return Segmenter(network).eval()
    return WholeImages(network, divisor_of(network)).eval()


def divisor_of(network: Network) -> int:
    """Return of what height and width are multiples that a network for tiles sees."""
    return math.lcm(DIVISOR, int(getattr(network.model, "size_multiple", 1)))


def facts_of(network: Network) -> dict[str, object]:
    """Return what is done to an image, what is to be done to probabilities, and whence it is."""
    config, data = network.config, network.config.data
    source = data.source
    return {
        "size": None if network.tiling is not None else list(data.height_width),
        "channels": data.channels,
        "resize": data.resize,
        "threshold": config.threshold,
        "page": source.get("page"),
        "range": source.get("range"),
        "tile": None if network.tiling is None else list(network.tiling.tile),
        "input": "image: (batch, 3, height, width), of any size, float32 in [0, 1]",
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


def example_images(network: Network) -> tuple[list[Tensor], str]:
    """Return images at their own sizes, (1, 3, H, W) each, and what they are in words.

    Validation images of the run; noise where the data are not on this machine.
    """
    config = network.config
    try:
        prepared = prepared_data(config)
        if prepared.fingerprint != config.data_fingerprint:
            raise DataError("the data have changed")
        parts = split_samples(prepared.samples, config.data.split)
        rows = [row for row, part in enumerate(parts) if part == "val"][:CHECKED]
        source: Source = build("data", config.data.source, config.allow)
        found = [source.read(prepared.samples[row]).image for row in rows]
        shares = [as_shares(native_pixels(image, 3)).transpose(2, 0, 1) for image in found]
        return [torch.from_numpy(image[None]) for image in shares], f"{len(rows)} validation images"
    except (SegsweepError, OSError):
        draws = torch.Generator().manual_seed(0)
        height, width = config.data.height_width
        images = [torch.rand(1, 3, times * height, width + 8, generator=draws) for times in (1, 3)]
        return images, "2 images of noise (the data are not here)"


def _as_large_as(image: Tensor, network: Network) -> Tensor:
    """Return an image (1, 3, H, W) at the size that the network saw in training."""
    return interpolate(image, network.config.data.height_width)


def _traced(model: nn.Module, network: Network) -> tuple[torch.export.ExportedProgram, str]:
    """Return a module as a program, for any batch, and for any size if its network allows that.

    Also returns why the size is fixed; empty if it is not.
    """
    # where sizes are rounded up to whole blocks, torch takes one block for a fixed size
    least = 1 if network.tiling is None else divisor_of(network) + 1
    height, width = (torch.export.Dim(name, min=least) for name in ("height", "width"))
    batch = torch.export.Dim("batch", min=1)
    rows, columns = network.config.data.height_width
    any_size = torch.rand(2, 3, 3 * rows + 5, 2 * columns + 7)  # no multiple of anything
    reason = ""
    with torch.no_grad():
        for example, shape in (
            (any_size, {0: batch, 2: height, 3: width}),
            (any_size[..., :rows, :columns], {0: batch}),
        ):
            try:
                return torch.export.export(model, (example,), dynamic_shapes=(shape,)), reason
            except Exception as error:  # torch names many reasons by as many classes
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    raise StoreError(f"the network cannot be exported: {reason}")


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
        temporary.touch()
        rights = temporary.stat().st_mode
        save_model(network.model, str(temporary), {"segsweep": json.dumps(facts)})
        temporary.chmod(rights)  # the library's files are private


def _largest_difference(
    model: nn.Module, exported: Callable[[Tensor], Tensor], images: Sequence[Tensor]
) -> float:
    """Return how far the exported network's probabilities are from torch's, also of two images."""
    two = torch.cat([images[0], images[0].flip(-1)])
    with torch.no_grad():
        apart = [(exported(some) - model(some)).abs().max() for some in (*images, two)]
    return float(torch.stack(apart).max())
