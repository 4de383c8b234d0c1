"""The cache: images decoded and resized once, memory-mapped from disk, shared by all runs.

The folder's name is a hash of the files' content and of every option that changes pixels, so
another content or option gets another cache. A folder that exists is complete: it is renamed
into place last. Until then it is a `part-*.tmp`, which a later command completes.
"""

import errno
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segsweep import __version__
from segsweep.data.cache_index import (
    ARRAYS,
    NATIVE_IGNORED,
    NATIVE_MASKS,
    Index,
    is_whole,
    read_index,
    write_index,
)
from segsweep.data.check import (
    ProblemsError,
    check_all,
    format_problems,
    has_errors,
    problems_of,
)
from segsweep.data.decoded import JOURNAL, NATIVE, Decoded
from segsweep.data.fingerprint import content_hashes, data_fingerprint
from segsweep.data.forms import Native, Resized, no_room
from segsweep.data.native import Images, Masks, NativeFile, NativeImages, NativeMasks
from segsweep.data.reading import ProgressCallback, Task, decode_all, sample_keys
from segsweep.data.shrunk import block_side, shrunk_size
from segsweep.data.source import IGNORED, Problem, Sample, Source, ignores_pixels
from segsweep.errors import DataError
from segsweep.system.files import claimed, is_locked, locked, text_digest

CACHE_VERSION = 1
STALE_SECONDS = 7 * 24 * 3600
"""An unfinished cache that nobody continued for so long is removed."""


@dataclass(frozen=True)
class Prepared:
    """A data set as training sees it; arrays are read from disk as they are used."""

    folder: Path
    samples: list[Sample]
    fingerprint: str
    """Hash of the bytes of all pairs, their ids and groups."""
    images: Images
    """(N, C, H, W) in [0, 1]; or (C, H, W) by row, if each has its own size."""
    masks: Masks
    """(N, 1, H, W), 0 or 1, or IGNORED where *ignores*; or (1, H, W) by row."""
    sizes: list[tuple[int, int]]
    """(height, width) of each image as it came."""
    warnings: list[Problem]
    ignores: bool = False
    """Whether pixels may be ignored: the data set has `data.ignore`."""

    def opened(self) -> "Prepared":
        """Return this data set with images and masks opened in this process."""
        images, masks = open_arrays(self.folder, known_index(self.folder))
        return replace(self, images=images, masks=masks)

    def drawn_block(self, row: int) -> int:
        """Return the side of the blocks of pixels by which an image is made small to be drawn."""
        return 1 if isinstance(self.images, np.ndarray) else block_side(self.sizes[row])

    def drawn_size(self, row: int) -> tuple[int, int]:
        """Return height and width of an image as it is drawn."""
        if isinstance(self.images, np.ndarray):
            return self.images.shape[-2], self.images.shape[-1]
        return shrunk_size(self.sizes[row], self.drawn_block(row))

    def native_mask(self, index: int) -> NDArray[np.bool_]:
        """Return the mask at the image's own size, (H, W); False where a pixel is ignored."""
        if isinstance(self.masks, NativeMasks):
            return self.masks[index][0] == 1
        return self._unpacked(self._packed, index)

    def native_ignored(self, index: int) -> NDArray[np.bool_]:
        """Return which pixels are ignored at the image's own size, (H, W)."""
        if not self.ignores:
            return np.zeros(self.sizes[index], bool)
        if isinstance(self.masks, NativeMasks):
            return self.masks[index][0] == IGNORED
        return self._unpacked(self._packed_ignored, index)

    def _unpacked(self, packed: NDArray[np.uint8], index: int) -> NDArray[np.bool_]:
        height, width = self.sizes[index]
        part = packed[self._starts[index] : self._starts[index + 1]]
        return np.unpackbits(part, count=height * width).reshape(height, width).astype(bool)

    @cached_property
    def _packed(self) -> NDArray[np.uint8]:
        """All native masks, eight pixels a byte; each mask starts a new byte."""
        return np.memmap(self.folder / NATIVE_MASKS, np.uint8, "r")

    @cached_property
    def _packed_ignored(self) -> NDArray[np.uint8]:
        """The ignored pixels of all images, as `_packed`."""
        return np.memmap(self.folder / NATIVE_IGNORED, np.uint8, "r")

    @cached_property
    def _starts(self) -> list[int]:
        """First byte of each mask in `_packed`, and the end of the last."""
        return [0, *accumulate((height * width + 7) // 8 for height, width in self.sizes)]


def prepare(
    source: Source,
    size: tuple[int, int] | None,
    channels: int,
    folder: Path,
    progress: ProgressCallback | None = None,
    resize: str = "area",
) -> Prepared:
    """Return *source* memory-mapped: checked and decoded now, or taken from the cache.

    Args:
        source: the data set.
        size: height and width to which images are resized, pixels; None: each keeps its own.
        channels: 3 for RGB, 1 for grey.
        folder: where caches live; shared by all runs and processes.
        progress: called while images are decoded with (done, total, share of the work done).
        resize: area or classic, how they are resized; see `segsweep/data/resize.py`.

    Raises:
        ProblemsError: one line per problem, all problems at once.
        DataError: there is nothing to read.

    """
    samples, problems = source.find()
    folder.mkdir(parents=True, exist_ok=True)
    hashes, unread = content_hashes(samples, folder)
    fingerprint = data_fingerprint(source, samples, hashes)
    form = Native(channels) if size is None else Resized(size, channels, resize)
    options = [source.signature, *form.options(_versions())]
    name = text_digest(json.dumps([CACHE_VERSION, fingerprint, *options]))[:16]
    target, part = folder / f"data-{name}", folder / f"part-{_alike(options)}-{name}.tmp"
    found: list[Problem] = []
    ignores = ignores_pixels(source)
    if not is_whole(target, len(samples), ignores):
        with locked(_lock_of(part)):
            if not is_whole(target, len(samples), ignores):
                task = Task(source, samples, sample_keys(source, samples, hashes), form)
                refused = bool(unread) or has_errors(problems)
                try:
                    found = _build(task, part, None if refused else target, progress)
                except DataError as error:
                    if not has_errors(problems):
                        raise
                    found = problems_of(error)
    known = [*problems, *found]
    if wrong := known if has_errors(known) else unread:  # of these no other problem says why
        raise ProblemsError(format_problems(wrong, folder), wrong, samples, folder)
    return _open(target, samples, fingerprint, problems, ignores)


def _alike(options: Sequence[object]) -> str:
    """Return what the unfinished caches have in common that can take samples from each other."""
    return text_digest(json.dumps([CACHE_VERSION, __version__, *options]))[:8]


def _lock_of(part: Path) -> Path:
    return part.with_suffix(".lock")


def _build(
    task: Task, part: Path, target: Path | None, progress: ProgressCallback | None
) -> list[Problem]:
    """Decode what is missing in *part*; return the problems.

    Without errors *part* becomes *target*. With errors, or without a target, it stays: the next
    command decodes only what has changed.
    """
    if not part.exists():
        task.form.check_room(task.samples, part.parent)
    ignores = ignores_pixels(task.source)
    try:
        decoded = Decoded(part, len(task.samples), task.form.arrays)
        try:
            _adopt(decoded, task)
            problems, facts = decode_all(decoded, task, progress)
            problems += check_all(facts)
            if target is None or has_errors(problems):
                return problems
            decoded.sync()
            paths = [part / name for name in task.form.files(ignores)]
            lengths = decoded.write_native([key for key in task.keys if key], paths)
        finally:
            decoded.close()
        own_size = (0, []) if task.form.arrays else (task.form.channels, lengths)
        write_index(part, facts, problems, ignores, own_size)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        shutil.rmtree(part, ignore_errors=True)
        raise DataError(no_room(task.form, task.samples, part.parent)) from error
    shutil.rmtree(target, ignore_errors=True)  # an incomplete one
    part.rename(target)
    for name in (NATIVE, JOURNAL):
        (target / name).unlink(missing_ok=True)
    return problems


def _adopt(decoded: Decoded, task: Task) -> None:
    """Take over what unfinished caches of the same options know, and remove what is left over.

    These are caches of the same files before some of them changed.
    """
    rows = {key: row for row, key in enumerate(task.keys) if key and key not in decoded.entries}
    part = decoded.folder
    alike = part.name.rpartition("-")[0]
    for other in part.parent.glob("part-*.tmp"):
        old, fits = _is_stale(other), other.name.startswith(f"{alike}-")
        if other == part or not (old or fits):
            continue
        with claimed(_lock_of(other)) as free:
            if free and ((fits and rows and decoded.adopt(other, rows)) or old):
                shutil.rmtree(other, ignore_errors=True)
    for left in part.parent.glob("data-*.tmp*"):  # of a version that could not continue
        if not is_locked(left.with_name(f"{left.name.partition('.tmp')[0]}.lock")):
            shutil.rmtree(left, ignore_errors=True)


def _is_stale(part: Path) -> bool:
    try:
        return time.time() - (part / JOURNAL).stat().st_mtime > STALE_SECONDS
    except OSError:  # another command finished or removed it just now
        return False


def _open(
    target: Path, samples: list[Sample], fingerprint: str, problems: list[Problem], ignores: bool
) -> Prepared:
    index = known_index(target)
    images, masks = open_arrays(target, index)
    return Prepared(
        folder=target,
        samples=samples,
        fingerprint=fingerprint,
        images=images,
        masks=masks,
        sizes=[(height, width) for height, width in index.sizes],
        warnings=[*problems, *(Problem(**warning) for warning in index.warnings)],
        ignores=ignores,
    )


def known_index(folder: Path) -> Index:
    """Return the index of the cache in *folder*; DataError if there is none."""
    index = read_index(folder)
    if index is None:
        raise DataError(f"{folder}: the cache vanished while it was opened; start again")
    return index


def open_arrays(folder: Path, index: Index) -> tuple[Images, Masks]:
    """Return images and masks of the cache in *folder*, memory-mapped; *index* is its own."""
    if index.channels:
        sizes = [(height, width) for height, width in index.sizes]
        file = NativeFile(folder / NATIVE_MASKS, sizes, index.channels, index.lengths)
        return NativeImages(file), NativeMasks(file)
    images, masks = (np.load(folder / name, mmap_mode="r") for name in ARRAYS)
    return images, masks


def _versions() -> list[str]:
    """Libraries whose release may change decoded or resized pixels."""
    return [version(name) for name in ("scikit-image", "pillow")]
