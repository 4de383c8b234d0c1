"""The samples of a data set decoded so far, on disk, until the cache is whole.

A sample is entered in a journal after its pixels are written, with a checksum of them. A killed
command therefore loses the samples in flight, and the next command continues. Problems are
entered too: refused data are not decoded again on each try.
"""

import json
import os
import shutil
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path

import numpy as np

from segsweep.config.typed import wrong_type
from segsweep.data.array_file import ArrayFile, shape_of
from segsweep.data.check import Facts
from segsweep.data.source import Problem, Raw

NATIVE, JOURNAL = "native.part", "journal.jsonl"


@dataclass(frozen=True)
class Array:
    """A file of an array with a row for each sample."""

    name: str
    kind: type
    row: tuple[int, ...]
    """The shape of a row."""


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
    length: int
    """Its bytes in NATIVE."""
    checksum: int
    """Of its pixels."""

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

    rows: tuple[Raw, ...]
    """Its row in each array."""
    native: bytes
    """What is stored of it at its own size."""

    @cached_property
    def checksum(self) -> int:
        """The checksum of all bytes."""
        found = zlib.crc32(self.native)
        for row in self.rows:
            found = zlib.crc32(np.ascontiguousarray(row).data, found)
        return found


class Decoded:
    """The decoded samples in a folder; the caller holds its lock."""

    def __init__(self, folder: Path, count: int, arrays: Sequence[Array]) -> None:
        """Open *folder*, or create it where it is missing or its *arrays* are not as asked."""
        self._names = [array.name for array in arrays]
        shapes = [(count, *array.row) for array in arrays]
        if not folder.exists() or [shape_of(folder / name) for name in self._names] != shapes:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for array in arrays:
                np.lib.format.open_memmap(
                    folder / array.name, "w+", array.kind, (count, *array.row)
                )
        _reserve([folder / name for name in self._names])
        self.folder = folder
        self._arrays = [ArrayFile(folder / name) for name in self._names]
        self._native = (folder / NATIVE).open("ab")
        self.entries = {entry.key: entry for entry in _journal(folder) if self._is_intact(entry)}
        self._native.truncate(max(map(_end, self.entries.values()), default=0))
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
        start, length, checksum = None, 0, 0
        if pixels is not None:
            for array, values in zip(self._arrays, pixels.rows, strict=True):
                array.write(row, values)
            start, length = self._native.seek(0, os.SEEK_END), len(pixels.native)
            checksum = pixels.checksum
            self._native.write(pixels.native)
            self._native.flush()
        self.entries[key] = Entry(key, row, facts, problems, start, length, checksum)
        self._lines.write(self.entries[key].line())
        self._lines.flush()

    def adopt(self, other: Path, rows: Mapping[str, int]) -> bool:
        """Take from the folder *other* the samples with a key in *rows*; whether there were any.

        *rows* says where they belong here. The caller holds the lock of *other* too.
        """
        entries = [entry for entry in _journal(other) if entry.key in rows]
        if not entries or None in [shape_of(other / name) for name in self._names]:
            return False
        with ExitStack() as opened:
            arrays = [ArrayFile(other / name) for name in self._names]
            for array in arrays:
                opened.callback(array.close)
            for entry in entries:
                pixels = _stored(entry, arrays, other)
                known = pixels is not None and pixels.checksum == entry.checksum
                if known or entry.start is None:
                    self.add(entry.key, rows[entry.key], entry.facts, entry.problems, pixels)
        return True

    def write_native(self, keys: list[str], paths: Sequence[Path]) -> list[int]:
        """Write what is stored at its own size one after the other, in the order of *keys*.

        Of each sample, equal parts go to the *paths*. Where that is NATIVE as it is, this file
        itself gets the path. Returns the bytes of each sample.
        """
        entries = [self.entries[key] for key in keys]
        lengths, native = [entry.length for entry in entries], self.folder / NATIVE
        in_order = [_end(entry) for entry in entries] == list(accumulate(lengths))
        if len(paths) == 1 and in_order and native.stat().st_size == sum(lengths):
            native.rename(paths[0])
            return lengths
        for number, path in enumerate(paths):
            with native.open("rb") as source, path.open("wb") as target:
                for entry in entries:
                    part = entry.length // len(paths)
                    source.seek((entry.start or 0) + number * part)
                    target.write(source.read(part))
        return lengths

    def sync(self) -> None:
        """Wait until the arrays are on the disk, so that they also survive a power failure."""
        for array in self._arrays:
            array.sync()
        os.fsync(self._native.fileno())

    def close(self) -> None:
        """Close all files; what was added survives this process."""
        for file in (self._native, self._lines):
            file.close()
        for array in self._arrays:
            array.close()

    def _is_intact(self, entry: Entry) -> bool:
        if entry.start is None:
            return True
        pixels = _stored(entry, self._arrays, self.folder)
        return pixels is not None and pixels.checksum == entry.checksum


def _stored(entry: Entry, arrays: Sequence[ArrayFile], folder: Path) -> Stored | None:
    """Return an entry's pixels from the files of *folder*; None if there are none."""
    if entry.start is None or not all(0 <= entry.row < len(array) for array in arrays):
        return None
    with (folder / NATIVE).open("rb") as file:
        file.seek(entry.start)
        native = file.read(entry.length)
    return Stored(tuple(array.read(entry.row) for array in arrays), native)


def _end(entry: Entry) -> int:
    return (entry.start or 0) + entry.length


def _journal(folder: Path) -> list[Entry]:
    try:
        lines = (folder / JOURNAL).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [entry for line in lines if (entry := Entry.of(line)) is not None]


def _reserve(paths: Sequence[Path]) -> None:
    """Take the disk space of the arrays, so that a disk that is too small says so now."""
    if not hasattr(os, "posix_fallocate"):
        return
    for path in paths:
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
