"""What `segsweep data` says of a data set that it has read: numbers, and a contact sheet."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segsweep.config.run_config import RunConfig
    from segsweep.data.cache import Prepared

SHEET_IMAGES = 100
"""Images on a contact sheet, at most."""


def print_facts(prepared: "Prepared", parts: Sequence[str], sheet: Path) -> None:
    """Print how many images there are, in which parts, and where *sheet* is."""
    from segsweep.config.truth import NO_TEST
    from segsweep.data.parts import PARTS, UNUSED
    from segsweep.data.thin import tile_hint
    from segsweep.system.names import plural

    counts = ", ".join(f"{parts.count(part)} {part}" for part in (*PARTS, UNUSED) if part in parts)
    counts += "" if "test" in parts else f"; no test part: {NO_TEST}"
    images, sizes = plural(len(parts), "image"), _sizes(prepared.sizes)
    print(f"{images}, {sizes}, foreground {_foreground(prepared)}")
    print(f"split: {counts}; data fingerprint {prepared.fingerprint}")
    which = f" of the first {SHEET_IMAGES} images" if len(parts) > SHEET_IMAGES else ""
    print(f"contact sheet{which}: {sheet}")
    if hint := tile_hint(prepared):
        print(hint)


def sheet_name(config: "RunConfig", fingerprint: str) -> str:
    """Return the contact sheet's file name: data and target each have their own."""
    from segsweep.config.truth import file_word, target_of

    words = ("data", fingerprint, file_word(target_of(config.data.source)))
    return f"{'-'.join(filter(None, words))}.png"


def draw_sheet(prepared: "Prepared", path: Path) -> Path:
    """Draw the first images with their masks; return *path*."""
    from segsweep.data.contact_sheet import contact_sheet

    count = min(len(prepared.samples), SHEET_IMAGES)
    items = (
        (
            prepared.samples[index].id,
            prepared.images[index].transpose(1, 2, 0),
            prepared.masks[index][0],
        )
        for index in range(count)
    )
    contact_sheet(items, path)
    return path


def _sizes(sizes: Sequence[tuple[int, int]]) -> str:
    smallest, largest = min(sizes), max(sizes)
    text = "x".join(map(str, smallest))
    return text if smallest == largest else f"{text} to {'x'.join(map(str, largest))}"


def _foreground(prepared: "Prepared") -> str:
    """Return the range and the mean of the foreground's share of an image."""
    import numpy as np

    from segsweep.data.source import IGNORED

    masks = (prepared.masks[row] for row in range(len(prepared.masks)))
    numbers = [((mask == 1).sum(), (mask != IGNORED).sum(), mask.size) for mask in masks]
    found, counted, pixels = np.array(numbers).T
    shares = found / counted.clip(1)
    text = f"{shares.min():.3f} to {shares.max():.3f}, mean {shares.mean():.3f}"
    if not prepared.ignores:
        return text
    return f"{text} of what counts; ignored {1 - counted.sum() / pixels.sum():.3f}"
