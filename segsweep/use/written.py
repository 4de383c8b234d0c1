"""What is written about an image: its mask, its probabilities, an overlay, a row of the table."""

import csv
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segsweep.data.source import Raw
from segsweep.system.csv_cells import exact
from segsweep.system.files import csv_text, replacing, write_text
from segsweep.use.inputs import KINDS, SETTINGS, ImageFile
from segsweep.use.network import Probability

COLUMNS = (
    *("image", "mask", "height", "width", "area", "share", "confidence", "error"),
    *("bytes", "modified"),
)
"""The columns of predictions.csv."""
LINE = (255, 64, 0)
"""The colour of the line around what is predicted."""
LINE_PART = 400
"""The line is as wide as the image's shorter side divided by this, at least 1 pixel."""
JPEG_QUALITY = 90


@dataclass(frozen=True)
class Places:
    """Where the results about images are."""

    root: Path

    @property
    def table(self) -> Path:
        """One row per image."""
        return self.root / "predictions.csv"

    @property
    def settings(self) -> Path:
        """Which networks made them, and how."""
        return self.root / SETTINGS

    @property
    def claim(self) -> Path:
        """Lock file, held by the command that writes here."""
        return self.root / ".predict.lock"

    def remove_temporary_files(self) -> None:
        """Delete what a killed command was writing."""
        for name in KINDS:
            for file in (self.root / name).rglob(".*.tmp"):
                file.unlink(missing_ok=True)

    def remove(self, image: ImageFile) -> None:
        """Delete what is written about an image."""
        for file in (self.mask(image), self.probability(image), self.overlay(image)):
            with suppress(OSError):  # a name too long for a file, or one that is not text
                file.unlink(missing_ok=True)

    def mask(self, image: ImageFile) -> Path:
        """The mask, 0 and 255, at the image's own size."""
        return self.root / self.mask_name(image)

    def mask_name(self, image: ImageFile) -> str:
        """The path of the mask in the folder, as the table has it."""
        return f"masks/{image.stem}.png"

    def probability(self, image: ImageFile) -> Path:
        """The probabilities as 16-bit grey: 65535 is 1."""
        return self.root / "probabilities" / f"{image.stem}.png"

    def overlay(self, image: ImageFile) -> Path:
        """The image with a line around what is predicted."""
        return self.root / "overlays" / f"{image.stem}.jpg"


def row_of(
    image: ImageFile, places: Places, probability: Probability, mask: NDArray[np.bool_]
) -> dict[str, object]:
    """Return the row of an image: area in pixels, its share, and the mean confidence.

    The confidence of a pixel is the probability of what it is predicted to be.
    """
    area, (height, width) = int(np.count_nonzero(mask)), mask.shape
    sure = float(np.where(mask, probability, 1 - probability).mean(dtype=np.float64))
    return {
        "image": image.name,
        "mask": places.mask_name(image),
        "height": height,
        "width": width,
        "area": area,
        "share": round(area / mask.size, 6),
        "confidence": round(sure, 6),
    }


def failed_row(image: ImageFile, error: Exception) -> dict[str, object]:
    """Return the row of an image that cannot be read."""
    return {"image": image.name, "error": str(error)}


def write_mask(mask: NDArray[np.bool_], path: Path) -> None:
    """Write a mask (H, W) as a PNG of 0 and 255, atomically."""
    _save(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)), path, "PNG")


def write_probability(probability: Probability, path: Path) -> None:
    """Write probabilities (H, W) as a 16-bit grey PNG, atomically."""
    _save(Image.fromarray(np.rint(probability * 65535).astype(np.uint16)), path, "PNG")


def write_overlay(image: Raw, mask: NDArray[np.bool_], path: Path) -> None:
    """Write an image (H, W, 3) as a JPEG with a line around the foreground of *mask*."""
    shown = _eight_bits(image).copy()
    shown[_border(mask)] = LINE
    _save(Image.fromarray(shown), path, "JPEG")


def version_of(image: ImageFile) -> dict[str, object]:
    """Return the columns that tell an image from another one under its name: bytes and time.

    The time is that of its last change, nanoseconds; both are empty if the file cannot be read.
    """
    try:
        status = image.path.stat()
    except OSError:
        return {"bytes": "", "modified": ""}
    return {"bytes": status.st_size, "modified": status.st_mtime_ns}


def known_rows(table: Path) -> dict[str, dict[str, str]]:
    """Return image -> its row in a table that a command has begun; none if it is damaged.

    A row that was being written when the command was killed is left out.
    """
    found: dict[str, dict[str, str]] = {}
    with (
        suppress(OSError, UnicodeError, csv.Error),
        table.open(newline="", encoding="utf-8") as file,
    ):
        for row in csv.DictReader(file):
            if set(row) == set(COLUMNS) and None not in row.values():
                found[exact(row["image"])] = {key: exact(value) for key, value in row.items()}
    return found


def append_row(table: Path, row: Mapping[str, object]) -> None:
    """Add the row of an image to the table, which may not exist yet."""
    text = csv_text([row], COLUMNS)
    if table.exists():
        text = text.partition("\n")[2]
    with table.open("a", encoding="utf-8", newline="") as file:
        file.write(text)


def write_rows(table: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write the whole table, atomically."""
    write_text(table, csv_text([*rows], COLUMNS))


def _save(picture: Image.Image, path: Path, kind: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        picture.save(temporary, kind, quality=JPEG_QUALITY)  # PNG has none


def _border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the pixels of the foreground near its border, (H, W)."""
    from scipy.ndimage import binary_erosion

    width = max(1, min(mask.shape) // LINE_PART)
    return mask & ~binary_erosion(mask, iterations=width, border_value=1)


def _eight_bits(image: Raw) -> NDArray[np.uint8]:
    """Return an image in 8 bits; one of 16 bits is scaled to its brightest value."""
    if image.dtype == np.uint8:
        return image
    values = image.astype(np.float32)
    brightest = float(values.max()) or 1.0
    return np.rint(values * (255 / brightest)).astype(np.uint8)
