"""Arrays in .npy files: images, and the cache, which is read and written a row at a time."""

import os
from io import BytesIO
from pathlib import Path

import numpy as np

from segsweep.data.decoding import NO_ALPHA
from segsweep.data.source import Raw
from segsweep.errors import DataError

ARRAY_START = b"\x93NUMPY"


def image_values(path: Path, data: bytes, alpha: bool) -> Raw:
    """Return a NumPy array that can be an image or a mask: its colours, or its *alpha*."""
    values: Raw = np.load(BytesIO(data), allow_pickle=False)
    grey = values.ndim == 2 or (values.ndim == 3 and values.shape[2] == 1)
    colour = values.ndim == 3 and values.shape[2] in (3, 4)
    if values.dtype.kind not in "buif" or not values.size or not (grey or colour):
        raise DataError(
            f"{path}: unsupported array: shape {values.shape}, {values.dtype}; allowed are "
            "(height, width), or with 1, 3 or 4 channels last, of bool, whole numbers or floats"
        )
    if alpha:
        if not colour or values.shape[2] != 4:
            raise DataError(f"{path}: {NO_ALPHA}")
        return values[..., 3]
    return values.reshape(values.shape[:2]) if grey else values[..., :3]


def shape_of(path: Path) -> tuple[int, ...] | None:
    """Return the shape of a stored array; None if the file holds none."""
    try:
        return tuple(np.load(path, mmap_mode="r").shape)
    except (OSError, ValueError, EOFError):
        return None


class ArrayFile:
    """An array on disk; its rows are taken by their first index."""

    def __init__(self, path: Path) -> None:
        """Open *path*, which holds an array."""
        array = np.load(path, mmap_mode="r")
        self._kind, self._shape = array.dtype, array.shape[1:]
        self._start, self._row_bytes = array.offset, array[:1].nbytes
        self._count = len(array)
        self._file = path.open("r+b")

    def __len__(self) -> int:
        return self._count

    def read(self, row: int) -> Raw:
        """Return one row."""
        self._file.seek(self._start + row * self._row_bytes)
        values = np.frombuffer(self._file.read(self._row_bytes), self._kind)
        return values.reshape(self._shape)

    def write(self, row: int, values: Raw) -> None:
        """Write one row; it survives this process, but not yet a power failure."""
        self._file.seek(self._start + row * self._row_bytes)
        self._file.write(np.ascontiguousarray(values, self._kind).data)
        self._file.flush()

    def sync(self) -> None:
        """Wait until everything that was written is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()
