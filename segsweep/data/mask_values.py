"""What values mask files hold, and which of them are probably foreground."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np

from segsweep.data.raster import Raster, decode
from segsweep.errors import DataError

FEW = 16
"""Most values of a mask whose values are labels."""
BORDER = 255
"""What marks pixels that count for nothing, in masks of labels."""
MOST_MASKS = 500
"""Masks whose values are looked at; of more, some that are spread evenly."""
Values: TypeAlias = tuple[int, ...]


@dataclass
class MaskValues:
    """Values of mask files: each set of values with the number of files that hold it."""

    files: Counter[Values] = field(default_factory=Counter)
    grey: int = 0
    """Files with more values than labels would have."""
    coloured: int = 0
    tops: set[int] = field(default_factory=set)
    """Values of full white: 1, 255, 65535."""
    looked_at: int = 0
    unread: list[str] = field(default_factory=list)


@lru_cache(maxsize=1024)
def looks_like_mask(path: Path) -> bool:
    """Whether a file holds few grey levels, or nearly only two; False if it cannot be read."""
    try:
        raster = decode(path)
    except DataError:
        return False
    values = _levels(raster)
    if values is None:
        return False
    found, counts = np.unique(values, return_counts=True)
    if len(found) <= FEW:
        return True
    ends = np.minimum(found - found[0], found[-1] - found) <= (found[-1] - found[0]) / 10
    return bool(counts[ends].sum() > 0.95 * counts.sum())


def mask_values(
    paths: Sequence[Path], progress: Callable[[int, int], None] | None = None
) -> MaskValues:
    """Return the values of mask files; of more than MOST_MASKS, of some."""
    step = -(-len(paths) // MOST_MASKS) if paths else 1
    chosen = paths[::step]
    found = MaskValues(looked_at=len(chosen))
    for number, path in enumerate(chosen, 1):
        try:
            _enter(found, decode(path))
        except DataError as error:
            found.unread.append(str(error))
        if progress:
            progress(number, len(chosen))
    return found


def _enter(found: MaskValues, raster: Raster) -> None:
    found.tops.add(raster.top)
    values = _levels(raster)
    if values is None:
        found.coloured += 1
    elif len(held := np.unique(values)) > FEW or held.dtype.kind == "f":
        found.grey += 1
    else:
        found.files[tuple(map(int, held))] += 1


def _levels(raster: Raster) -> "np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None":
    """Return stored values, palette indices or grey levels; None for colours."""
    if raster.indices is not None:
        return raster.indices
    if raster.values.ndim == 2:
        return raster.values
    return None if np.ptp(raster.values, axis=2).any() else raster.values[..., 0]


def foreground_of(found: MaskValues) -> tuple[list[int] | None, str]:
    """Return the labels that count as foreground, None for the half rule, and why."""
    held = {value for values in found.files for value in values}
    if found.coloured:
        return None, f"{found.coloured} masks hold colours: brighter than half is foreground"
    if found.grey:
        return None, f"{found.grey} masks hold grey levels: above half of the range is foreground"
    if all(held <= {0, top} for top in found.tops):
        return None, "above half of the range is foreground"
    labels = sorted(held - {0})
    if any({1, BORDER} <= {*values} for values in found.files) and labels[-2] < BORDER / 2:
        few = " ".join(map(str, labels[:-1]))
        return labels[:-1], f"{few}; {BORDER} beside them is often a border: taken as background"
    if labels == [1]:
        return labels, "0 is background, 1 foreground"
    why = f"every value but 0 is foreground: {' '.join(map(str, labels))}"
    if len(found.files) > 1 and {1, BORDER} <= held:
        return labels, f"{why}; masks are stored in different ways"
    return labels, f"{why}; to count fewer, give data.foreground"


def value_lines(found: MaskValues) -> Iterable[str]:
    """Yield a line for each set of values, the most frequent first."""
    rows = [(" ".join(map(str, values)), count) for values, count in found.files.most_common(10)]
    rows += [(what, n) for what, n in (("grey", found.grey), ("colours", found.coloured)) if n]
    width = max((len(text) for text, _ in rows), default=0)
    for text, count in rows:
        yield f"{text.ljust(width)}  {count} file{'s' if count != 1 else ''}"
    if (more := len(found.files) - 10) > 0:
        yield f"and {more} more sets of values"
