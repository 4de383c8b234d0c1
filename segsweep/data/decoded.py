"""The samples of a data set decoded so far, on disk, until the cache is whole.

A sample is entered in a journal after its pixels are written, with a checksum of them. A killed
command therefore loses the samples in flight, and the next command continues. Problems are
entered too: refused data are not decoded again on each try.
"""

import json
import os
import shutil
import zlib
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segsweep.config.typed import wrong_type
from segsweep.data.array_file import ArrayFile, shape_of
from segsweep.data.check import Facts
from segsweep.data.source import Problem

ARRAYS = ("images.npy", "masks.npy")
NATIVE, JOURNAL = "native.part", "journal.jsonl"


@dataclass(frozen=True)
class Entry:
    """What is known of one sample."""

    key: str
    """Digest of the sample's names and content."""
    row: int
    """In the arrays."""
    facts: Facts | None
    """None: it could not be decoded."""
    problems: list[Problem]
    start: int | None
    """Its first byte in NATIVE; None: no pixels are stored."""
    checksum: int
    """Of its pixels."""

    @property
    def plane_bytes(self) -> int:
        """The length of a mask at its own size, eight pixels a byte."""
        return (self.facts.height * self.facts.width + 7) // 8 if self.facts else 0

    def line(self) -> str:
        """Return the entry as a line of the journal."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of(cls, line: str) -> "Entry | None":
        """Return the entry in a line of the journal; None if the line is damaged."""
        try:
            values = json.loads(line)
            facts = Facts(**values["facts"]) if values["facts"] else None
            problems = [Problem(**problem) for problem in values["problems"]]
            whole = not any(wrong_type(type(one), asdict(one)) for one in (facts, *problems) if one)
            entry = cls(**{**values, "facts": facts, "problems": problems})
            return entry if whole and not wrong_type(cls, values) else None
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


@dataclass(frozen=True)
class Stored:
    """The pixels of one sample as they are stored."""

    image: NDArray[np.float32]
    """(C, H, W), resized."""
    mask: NDArray[np.uint8]
    """(1, H, W), resized: 0, 1 or IGNORED."""
    native: bytes
    """The mask at its own size, eight pixels a byte; then a second plane, of ignored pixels."""

    @cached_property
    def checksum(self) -> int:
        """The checksum of all bytes."""
        found = zlib.crc32(self.native)
        for array in (self.image, self.mask):
            found = zlib.crc32(np.ascontiguousarray(array).data, found)
        return found


class Decoded:
    """The decoded samples in a folder; the caller holds its lock."""

    def __init__(
        self, folder: Path, count: int, size: tuple[int, int], channels: int, planes: int = 1
    ) -> None:
        """Open *folder*, or create it where it is missing or its arrays are not as asked.

        *planes* of a native mask are stored: 2 where pixels may be ignored, else 1.
        """
        shapes = ((count, channels, *size), (count, 1, *size))
        if [shape_of(folder / name) for name in ARRAYS] != list(shapes):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for name, shape, kind in zip(ARRAYS, shapes, (np.float32, np.uint8), strict=True):
                np.lib.format.open_memmap(folder / name, "w+", kind, shape)
        _reserve(folder)
        self.folder, self._planes = folder, planes
        self._images, self._masks = (ArrayFile(folder / name) for name in ARRAYS)
        self._native = (folder / NATIVE).open("ab")
        self.entries = {entry.key: entry for entry in _journal(folder) if self._is_intact(entry)}
        self._lines = (folder / JOURNAL).open("a", encoding="utf-8")
        self._lines.write("\n")  # ends the line that a killed process did not finish

    def add(
        self,
        key: str,
        row: int,
        facts: Facts | None,
        problems: list[Problem],
        pixels: Stored | None,
    ) -> None:
        """Store one sample."""
        start, checksum = None, 0
        if pixels is not None:
            self._images.write(row, pixels.image)
            self._masks.write(row, pixels.mask)
            start, checksum = self._native.tell(), pixels.checksum
            self._native.write(pixels.native)
            self._native.flush()
        self.entries[key] = Entry(key, row, facts, problems, start, checksum)
        self._lines.write(self.entries[key].line())
        self._lines.flush()

    def adopt(self, other: Path, rows: Mapping[str, int]) -> bool:
        """Take from the folder *other* the samples with a key in *rows*; whether there were any.

        *rows* says where they belong here. The caller holds the lock of *other* too.
        """
        entries = [entry for entry in _journal(other) if entry.key in rows]
        if not entries or None in [shape_of(other / name) for name in ARRAYS]:
            return False
        images, masks = (ArrayFile(other / name) for name in ARRAYS)
        with closing(images), closing(masks):
            for entry in entries:
                pixels = _stored(entry, images, masks, other, self._planes)
                known = pixels is not None and pixels.checksum == entry.checksum
                if known or entry.start is None:
                    self.add(entry.key, rows[entry.key], entry.facts, entry.problems, pixels)
        return True

    def write_native(self, keys: list[str], path: Path, plane: int = 0) -> None:
        """Write a plane of the masks at their own size one after the other, in *keys*' order."""
        with (self.folder / NATIVE).open("rb") as source, path.open("wb") as target:
            for key in keys:
                entry = self.entries[key]
                source.seek((entry.start or 0) + plane * entry.plane_bytes)
                target.write(source.read(entry.plane_bytes))

    def sync(self) -> None:
        """Wait until the arrays are on the disk, so that they also survive a power failure."""
        self._images.sync()
        self._masks.sync()

    def close(self) -> None:
        """Close all files; what was added survives this process."""
        for file in (self._native, self._lines, self._images, self._masks):
            file.close()

    def _is_intact(self, entry: Entry) -> bool:
        if entry.start is None:
            return True
        pixels = _stored(entry, self._images, self._masks, self.folder, self._planes)
        return pixels is not None and pixels.checksum == entry.checksum


def _stored(
    entry: Entry, images: ArrayFile, masks: ArrayFile, folder: Path, planes: int
) -> Stored | None:
    """Return an entry's pixels from the files of *folder*; None if there are none."""
    if entry.start is None or not 0 <= entry.row < min(len(images), len(masks)):
        return None
    with (folder / NATIVE).open("rb") as file:
        file.seek(entry.start)
        native = file.read(planes * entry.plane_bytes)
    return Stored(images.read(entry.row), masks.read(entry.row), native)


def _journal(folder: Path) -> list[Entry]:
    try:
        lines = (folder / JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [entry for line in lines if (entry := Entry.of(line)) is not None]


def _reserve(folder: Path) -> None:
    """Take the disk space of the arrays, so that a disk that is too small says so now."""
    if not hasattr(os, "posix_fallocate"):
        return
    for name in ARRAYS:
        with (folder / name).open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, (folder / name).stat().st_size)
