"""Folders of images and masks in the layouts that people have, with a few small pairs each."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fake_data import blob

IDS = [f"s{number:02d}" for number in range(12)]


def save(array: np.ndarray, path: Path) -> None:
    """Write an image, in a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def pair(index: int) -> tuple[np.ndarray, np.ndarray]:
    """Return an image and its mask of 0 and 255, both uint8."""
    image, mask = blob(index, 32, 32)
    return image, np.where(mask, np.uint8(255), np.uint8(0))


def write_pairs(
    root: Path,
    image: Callable[[str], str] = lambda name: f"images/{name}.png",
    mask: Callable[[str], str] = lambda name: f"masks/{name}.png",
    ids: Sequence[str] = IDS,
    value: int = 255,
) -> Path:
    """Write a pair for each of *ids*, at the paths that *image* and *mask* give; return *root*."""
    for index, name in enumerate(ids):
        pixels, drawn = pair(index)
        save(pixels, root / image(name))
        save(np.where(drawn > 0, np.uint8(value), np.uint8(0)), root / mask(name))
    return root


def part_of(name: str) -> str:
    """Return the part of a split that one of IDS is in, six, three and three."""
    index = IDS.index(name)
    return "train" if index < 6 else "val" if index < 9 else "test"


def write_table(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Write a CSV with the keys of the first row as its header."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return path


def write_halves(root: Path) -> Path:
    """Write a folder a case with `images/` and `masks/`, where each mask holds half an object."""
    for index, name in enumerate(IDS):
        pixels, drawn = pair(index)
        save(pixels, root / name / "images" / f"{name}.png")
        for part, rows in enumerate((slice(0, 16), slice(16, None))):
            half = np.zeros_like(drawn)
            half[rows] = drawn[rows]
            save(half, root / name / "masks" / f"{name}-{part}.png")
    return root
