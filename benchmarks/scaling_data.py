"""The operations of `scaling.py` on images: find, check, cache, split, batch, score."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from scaling_operation import Operation, Work

from segsweep.config.schema import SplitConfig
from segsweep.data.batches import Batches
from segsweep.data.cache import Prepared, prepare
from segsweep.data.check import Facts, check_all, format_problems
from segsweep.data.folder import Folder, read_groups
from segsweep.data.parts import crossing_groups
from segsweep.data.source import Pixels, Problem, Sample
from segsweep.data.split import split_samples

SIDE = 8


class Drawn:
    """A source of tiny images that are files, so that they are hashed, and cost no decoding."""

    signature = "drawn"

    def __init__(self, folder: Path, count: int) -> None:
        self.samples = [
            Sample(f"{i:06d}", f"{i // 2}", folder / f"{i:06d}.a", folder / f"{i:06d}.b")
            for i in range(count)
        ]
        for sample in self.samples:
            sample.image.write_bytes(sample.id.encode())
            sample.mask.write_bytes(sample.id.encode())

    def find(self) -> tuple[list[Sample], list[Problem]]:
        """Return the samples."""
        return self.samples, []

    def read(self, sample: Sample) -> Pixels:
        """Return an image that no other equals, and half of it as the mask."""
        image = np.full((SIDE, SIDE, 3), int(sample.id) % 251, np.uint8)
        image[0, 0] = int(sample.id) // 251 % 251, int(sample.id) // 63001, 0
        return Pixels(image, np.arange(SIDE * SIDE).reshape(SIDE, SIDE) % 2 == 0)


def samples_of(count: int) -> list[Sample]:
    """Return *count* samples, two in a group."""
    return [Sample(f"{i:06d}", f"g{i // 2}") for i in range(count)]


def mapped(folder: Path, count: int) -> Prepared:
    """Return a data set whose arrays are files, as a cache's are."""
    shape = (count, 3, SIDE, SIDE)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.float32, shape)
    masks = np.lib.format.open_memmap(folder / "masks.npy", "w+", np.uint8, (count, 1, SIDE, SIDE))
    np.full(count * SIDE * SIDE // 8, 85, np.uint8).tofile(folder / "native.bin")
    return Prepared(folder, samples_of(count), "", images, masks, [(SIDE, SIDE)] * count, [])


def batches_of(prepared: Prepared) -> Batches:
    """Return all images in batches of 25."""
    rows = list(range(len(prepared.samples)))
    return Batches(prepared.images, prepared.masks, rows, min(25, len(rows)), torch.device("cpu"))


def find_pairs(folder: Path, count: int) -> Work:
    """List, pair and group files by name."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir()
        for index in range(count):
            (folder / kind / f"{index:06d}.png").touch()
    rows = "".join(f"{index:06d},{index // 2}\n" for index in range(count))
    (folder / "groups.csv").write_text("id,group\n" + rows)
    return Folder(folder / "images", folder / "masks", groups_file=folder / "groups.csv").find


def groups_file(folder: Path, count: int) -> Work:
    """Read a groups file."""
    rows = "".join(f"{index:06d},{index // 2}\n" for index in range(count))
    (folder / "groups.csv").write_text("id,group\n" + rows)
    names = [f"{index:06d}" for index in range(count)]
    return lambda: read_groups(folder / "groups.csv", names)


def checks(_: Path, count: int) -> Work:
    """Find duplicates, and print a problem of each image."""
    facts = [Facts(f"{i:06d}", 8, 8, 1, False, f"{i // 2}") for i in range(count)]
    errors = [Problem("error", f"{i}", "damaged") for i in range(count)]
    return lambda: format_problems([*check_all(facts), *errors])


def build_cache(folder: Path, count: int) -> Work:
    """Hash, decode, resize and store every image."""
    source = Drawn(folder, count)
    return lambda: prepare(source, (SIDE, SIDE), 3, folder / "cache")


def open_cache(folder: Path, count: int) -> Work:
    """Find the cache built and every file unchanged, as each run does at its start."""
    source = Drawn(folder, count)
    prepare(source, (SIDE, SIDE), 3, folder / "cache")
    return lambda: prepare(source, (SIDE, SIDE), 3, folder / "cache")


def native_masks(folder: Path, count: int) -> Work:
    """Read every mask at its own size."""
    prepared = mapped(folder, count)
    return lambda: [prepared.native_mask(index) for index in range(count)]


def split_with(**settings: Any) -> Callable[[Path, int], Work]:
    """Divide the samples as *settings* say."""

    def made(_: Path, count: int) -> Work:
        samples = samples_of(count)
        values = {"train": 0.5, "val": 0.25, "test": 0.25, **settings}
        if values.get("folds") == 0:
            values |= {"folds": count // 2, "val": 2}
        return lambda: split_samples(samples, SplitConfig(**values))

    return made


def split_file(folder: Path, count: int) -> Work:
    """Read the parts from a file, and look for groups in two parts."""
    samples, path = samples_of(count), folder / "split.csv"
    parts = [("train", "val", "test")[i % 3] for i in range(count)]
    rows = [f"{one.id},{part}\n" for one, part in zip(samples, parts, strict=True)]
    path.write_text("id,split\n" + "".join(rows))
    values = {"train": 0.5, "val": 0.25, "test": 0.25, "keep_groups": False}
    split = SplitConfig(file=str(path), **values)
    return lambda: crossing_groups(samples, split_samples(samples, split))


def epoch(folder: Path, count: int) -> Work:
    """Read every image once, shuffled and flipped."""
    batches = batches_of(mapped(folder, count))
    flip = lambda image, mask: (image.flip(-1), mask.flip(-1))  # noqa: E731
    return lambda: sum(len(images) for images, *_ in batches.shuffled(0, 0, flip))


def score(folder: Path, count: int) -> Work:
    """Score every image at both sizes with a network of one convolution."""
    from segsweep.training.evaluate import score_images

    prepared = mapped(folder, count)
    model, batches = torch.nn.Conv2d(3, 1, 1), batches_of(prepared)
    return lambda: score_images(model, batches, native_mask=prepared.native_mask, show=6)


def image_rows(folder: Path, count: int) -> Work:
    """Make a run's table of images."""
    from segsweep.store.records import per_image_text
    from segsweep.training.evaluate import Scored
    from segsweep.training.result import count_rows

    prepared, counts = mapped(folder, count), np.ones((count, 4), np.int64)
    job: Any = SimpleNamespace(prepared=prepared, val=None, test=batches_of(prepared))
    scored = Scored(counts, counts, 0.0, np.empty((0, 0, 0), np.float32))
    return lambda: per_image_text("0123456789ab", count_rows(job, "test", scored))


def outlines(folder: Path, count: int) -> Work:
    """Collect the outlines of a test set; of a large one the first 2,000."""
    from segsweep.training.outlines import Outlines

    prepared, mask = mapped(folder, count), np.zeros((SIDE, SIDE), bool)
    found = Outlines(prepared.masks, [sample.id for sample in prepared.samples])
    return lambda: [found.add(index, mask) for index in range(count)]


DATA = (
    Operation("find pairs and groups", "images", find_pairs),
    Operation("read groups", "images", groups_file),
    Operation("check all", "images", checks),
    Operation("build cache", "images", build_cache, 10_000),
    Operation("open cache", "images", open_cache, 10_000),
    Operation("native masks", "images", native_masks),
    Operation("split drawn", "images", split_with()),
    Operation("split 5 folds", "images", split_with(fold=1, folds=5)),
    Operation("split leave one group out", "images", split_with(fold=1, folds=0)),
    Operation("split from file", "images", split_file),
    Operation("epoch of batches", "images", epoch),
    Operation("score both sizes", "images", score),
    Operation("per-image rows", "images", image_rows),
    Operation("outlines", "images", outlines),
)
