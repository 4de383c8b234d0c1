"""Whether the decoded images fit into memory and onto the disk, before any is decoded."""

from pathlib import Path

from segsweep.errors import DataError
from segsweep.system.machine import available_memory_mb, free_disk_mb
from segsweep.system.units import MIB, size_text

RESIZED_BYTES = 16
"""Memory of one value of an image while it is resized: twice as float64."""


def stored_bytes(count: int, size: tuple[int, int], channels: int) -> int:
    """Return the disk that *count* images take: float32 values, and a byte per pixel of masks."""
    return count * size[0] * size[1] * (4 * channels + 1)


def check_room(count: int, size: tuple[int, int], channels: int, folder: Path) -> None:
    """Raise DataError if *count* images of that size do not fit; *folder* is where they go."""
    height, width = size
    where = f"data.size={height} x {width}"
    needed = stored_bytes(count, size, channels)
    check_disk(where, count, needed, folder, "a smaller data.size or ")
    needed, free = height * width * channels * RESIZED_BYTES, available_memory_mb() * MIB
    if needed > free:
        raise DataError(
            f"{where}: not enough memory: resizing one image needs {size_text(needed)}, this "
            f"machine has {size_text(free)} free; use a smaller data.size"
        )


def check_disk(where: str, count: int, needed: float, folder: Path, instead: str = "") -> None:
    """Raise DataError if *count* decoded images, which need so many bytes, do not fit in *folder*.

    Args:
        where: the key that decides the size.
        count: number of images.
        needed: bytes.
        folder: where they go.
        instead: what else helps than another disk.

    """
    free = free_disk_mb(folder) * MIB
    if needed > free:
        raise DataError(
            f"{where}: not enough disk: {count} decoded images need {size_text(needed)}, {folder} "
            f"has {size_text(free)} free; use {instead}outputs=<folder on a larger disk>"
        )
