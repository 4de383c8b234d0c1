"""Which images of another data set a network was trained or chosen on.

By the content of their files, and by their pixels as the network sees them: a copy in another
format without loss is found too.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segsweep.config.run_config import FrozenConfig
from segsweep.data.cache import Prepared
from segsweep.data.fingerprint import content_hashes
from segsweep.errors import SegsweepError
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_split
from segsweep.training.dataset import prepared_data

SEEN = ("train", "val")
"""Parts of a split by which a network was trained or chosen."""
_pixels: dict[Path, dict[int, str]] = {}
"""Folder of prepared images, which is named by their content and size -> digest by row."""


@dataclass(frozen=True)
class Seen:
    """The images by which a network was trained or chosen."""

    digests: frozenset[str]
    """Of their files and of their pixels."""
    checked: bool
    """Whether all of them could be read; they may be on another machine."""

    def among(self, prepared: Prepared, cache: Path) -> list[str]:
        """Return the ids of those images of another data set that are the same."""
        rows = range(len(prepared.samples))
        found = zip(rows, _digests(prepared, rows, cache), strict=True)
        return [prepared.samples[row].id for row, own in found if not own.isdisjoint(self.digests)]


def seen_images(config: FrozenConfig, run: RunPaths, cache: Path) -> Seen:
    """Return the images by which a run was trained or chosen; *cache* remembers digests."""
    try:
        prepared = prepared_data(config)
        parts = {row["id"]: row["split"] for row in read_split(run.split)}
    except (SegsweepError, OSError):
        return Seen(frozenset(), False)
    rows = [row for row, one in enumerate(prepared.samples) if parts.get(one.id) in SEEN]
    asked = sum(part in SEEN for part in parts.values())
    digests = frozenset().union(*_digests(prepared, rows, cache))
    return Seen(digests, len(rows) == asked > 0 and prepared.fingerprint == config.data_fingerprint)


def _digests(prepared: Prepared, rows: Sequence[int], cache: Path) -> Iterable[set[str]]:
    """Return the digests of each image of *rows*: of its pixels, and of its file if it has one."""
    hashes, _ = content_hashes([prepared.samples[row] for row in rows], cache)
    pixels = _pixels.setdefault(prepared.folder, {})
    for row in rows:
        if row not in pixels:
            pixels[row] = _digest(np.ascontiguousarray(prepared.images[row]))
        file = hashes.get(str(prepared.samples[row].image))
        yield {pixels[row]} | ({file} if file is not None else set())


def _digest(image: NDArray[np.float32]) -> str:
    found = hashlib.sha256(str(image.shape).encode())
    found.update(image.data)
    return found.hexdigest()
