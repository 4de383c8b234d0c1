"""The cache: images decoded and resized once, memory-mapped from disk, shared by all runs.

The folder's name is a hash of the files' content and of every option that changes pixels, so
another content or option gets another cache. A folder that exists is complete: it is renamed
into place last.
"""

import errno
import json
import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segsweep.data.check import Facts, check_all, check_pixels, facts_of, format_problems
from segsweep.data.fingerprint import content_hashes, data_fingerprint
from segsweep.data.room import check_room
from segsweep.data.source import Pixels, Problem, Sample, Source
from segsweep.errors import DataError
from segsweep.system.files import is_locked, locked, read_json, text_digest, write_json
from segsweep.system.units import size_text

CACHE_VERSION = 1
ProgressCallback = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """A data set as training sees it; arrays are read from disk as they are used."""

    folder: Path
    samples: list[Sample]
    fingerprint: str
    """Hash of the bytes of all pairs, their ids and groups."""
    images: NDArray[np.float32]
    """(N, C, H, W) in [0, 1]."""
    masks: NDArray[np.uint8]
    """(N, 1, H, W), 0 or 1."""
    sizes: list[tuple[int, int]]
    """(height, width) of each image as it came."""
    warnings: list[Problem]

    def native_mask(self, index: int) -> NDArray[np.bool_]:
        """Return the mask at the image's own size, (H, W)."""
        height, width = self.sizes[index]
        packed = self._packed[self._starts[index] : self._starts[index + 1]]
        return np.unpackbits(packed, count=height * width).reshape(height, width).astype(bool)

    @cached_property
    def _packed(self) -> NDArray[np.uint8]:
        """All native masks, eight pixels a byte; each mask starts a new byte."""
        return np.memmap(self.folder / "native.bin", np.uint8, "r")

    @cached_property
    def _starts(self) -> list[int]:
        """First byte of each mask in `_packed`, and the end of the last."""
        return [0, *accumulate((height * width + 7) // 8 for height, width in self.sizes)]


def prepare(
    source: Source,
    size: tuple[int, int],
    channels: int,
    folder: Path,
    progress: ProgressCallback | None = None,
) -> Prepared:
    """Return *source* memory-mapped: checked, decoded and resized now, or taken from the cache.

    Args:
        source: the data set.
        size: height and width that the network sees, pixels.
        channels: 3 for RGB, 1 for grey.
        folder: where caches live; shared by all runs and processes.
        progress: called with (done, total) while images are decoded.

    Raises:
        DataError: one line per problem, all problems at once.

    """
    samples, problems = source.find()
    folder.mkdir(parents=True, exist_ok=True)
    if any(problem.level == "error" for problem in problems):
        _raise_errors([*problems, *_decode_all(source, samples, size, channels, None, progress)])
    hashes, unread = content_hashes(samples, folder)
    if unread:  # reported together with all other problems
        _raise_errors([*problems, *_decode_all(source, samples, size, channels, None, progress)])
        _raise_errors(unread)
    fingerprint = data_fingerprint(source, samples, hashes)
    options = [CACHE_VERSION, fingerprint, source.signature, *size, channels, *_versions()]
    target = folder / f"data-{text_digest(json.dumps(options))[:16]}"
    if not _is_whole(target):
        with locked(folder / f"{target.name}.lock"):
            if not _is_whole(target):
                _build(source, samples, size, channels, target, progress)
    return _open(target, samples, fingerprint, problems)


def resize_pair(
    pixels: Pixels, size: tuple[int, int], channels: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return image (C, H, W) float32 in [0, 1] and mask (1, H, W) in {0, 1} at *size*."""
    from skimage.color import rgb2gray
    from skimage.transform import resize

    image = pixels.image if channels == 3 else rgb2gray(pixels.image)[..., None]
    image = resize(image, size, mode="constant", anti_aliasing=True)
    mask = resize(pixels.mask.astype(float), size, order=1, mode="constant", anti_aliasing=False)
    return image.astype(np.float32).transpose(2, 0, 1), (mask > 0.5)[None].astype(np.uint8)


def _build(
    source: Source,
    samples: list[Sample],
    size: tuple[int, int],
    channels: int,
    target: Path,
    progress: ProgressCallback | None,
) -> None:
    _remove_left(target)
    check_room(len(samples), size, channels, target.parent)
    temporary = target.with_name(f"{target.name}.tmp{os.getpid()}")
    temporary.mkdir()
    try:
        problems = _decode_all(source, samples, size, channels, temporary, progress)
        _raise_errors(problems)
        shutil.rmtree(target, ignore_errors=True)  # an incomplete one
        temporary.rename(target)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        shutil.rmtree(temporary, ignore_errors=True)
        raise DataError(_no_room(target.parent, len(samples), size, channels)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_left(target: Path) -> None:
    """Remove what killed builders left of this cache (its lock is held) and of other caches."""
    for left in target.parent.glob("data-*.tmp*"):
        name = left.name.partition(".tmp")[0]
        if name == target.name or not is_locked(left.with_name(f"{name}.lock")):
            shutil.rmtree(left, ignore_errors=True)


def _no_room(folder: Path, count: int, size: tuple[int, int], channels: int) -> str:
    needed = size_text(count * size[0] * size[1] * (4 * channels + 1))
    free = size_text(shutil.disk_usage(folder).free)
    return (
        f"{folder}: the disk is full: {count} decoded images need {needed} and more, "
        f"{free} are free; make room, or choose another disk with outputs=<folder>"
    )


def _decode_all(
    source: Source,
    samples: list[Sample],
    size: tuple[int, int],
    channels: int,
    folder: Path | None,
    progress: ProgressCallback | None,
) -> list[Problem]:
    """Read every sample once into the files of *folder*; with None, only look for problems."""
    problems: list[Problem] = []
    facts: list[Facts] = []
    with ExitStack() as stack:
        writer = _Writer(folder, len(samples), size, channels, stack) if folder else None
        for index, sample in enumerate(samples):
            if progress:
                progress(index + 1, len(samples))
            try:
                pixels = source.read(sample)
            except (DataError, OSError) as error:
                problems.append(Problem("error", sample.id, str(error)))
                continue
            found = check_pixels(sample, pixels)
            problems += found
            facts.append(facts_of(sample, pixels))
            if writer and not any(problem.level == "error" for problem in found):
                writer.put(index, pixels)
    problems += check_all(facts)
    if folder:
        _write_index(folder, facts, problems)
    return problems


class _Writer:
    """The arrays of a cache while it is built."""

    def __init__(
        self, folder: Path, count: int, size: tuple[int, int], channels: int, stack: ExitStack
    ) -> None:
        create = np.lib.format.open_memmap
        self.size, self.channels = size, channels
        self.images = create(folder / "images.npy", "w+", np.float32, (count, channels, *size))
        self.masks = create(folder / "masks.npy", "w+", np.uint8, (count, 1, *size))
        _reserve(folder)
        self.native = stack.enter_context((folder / "native.bin").open("wb"))
        stack.callback(self.images.flush)
        stack.callback(self.masks.flush)

    def put(self, index: int, pixels: Pixels) -> None:
        """Store one sample, resized and at its own size."""
        self.images[index], self.masks[index] = resize_pair(pixels, self.size, self.channels)
        self.native.write(np.packbits(pixels.mask).tobytes())


def _reserve(folder: Path) -> None:
    """Take the disk space of the arrays: a full disk ends a write to mapped memory by a signal."""
    if not hasattr(os, "posix_fallocate"):
        return
    for name in ("images.npy", "masks.npy"):
        with (folder / name).open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, (folder / name).stat().st_size)


def _write_index(folder: Path, facts: Sequence[Facts], problems: list[Problem]) -> None:
    sizes = [(fact.height, fact.width) for fact in facts]
    names = ("images.npy", "masks.npy", "native.bin")
    lengths = {name: (folder / name).stat().st_size for name in names}
    warnings = [asdict(problem) for problem in problems if problem.level == "warning"]
    values = {"sizes": sizes, "bytes": lengths, "warnings": warnings}
    write_json(folder / "index.json", values)


def _is_whole(target: Path) -> bool:
    index = read_json(target / "index.json")
    if index is None:
        return False
    try:
        return all((target / n).stat().st_size == size for n, size in index["bytes"].items())
    except OSError:
        return False


def _open(
    target: Path, samples: list[Sample], fingerprint: str, problems: list[Problem]
) -> Prepared:
    index = read_json(target / "index.json")
    if index is None:
        raise DataError(f"{target}: the cache vanished while it was opened; start again")
    return Prepared(
        folder=target,
        samples=samples,
        fingerprint=fingerprint,
        images=np.load(target / "images.npy", mmap_mode="r"),
        masks=np.load(target / "masks.npy", mmap_mode="r"),
        sizes=[(height, width) for height, width in index["sizes"]],
        warnings=[*problems, *(Problem(**warning) for warning in index["warnings"])],
    )


def _versions() -> list[str]:
    """Libraries whose release may change decoded or resized pixels."""
    return [version(name) for name in ("scikit-image", "pillow")]


def _raise_errors(problems: list[Problem]) -> None:
    if any(problem.level == "error" for problem in problems):
        raise DataError(format_problems(problems))
