"""What the counts say of networks: which ones predict the same, and which predict nothing."""

from collections.abc import Sequence

import numpy as np
from pandas import DataFrame
from pandas.util import hash_pandas_object

from segsweep.metrics import COUNTS
from segsweep.stats.notes import EMPTY, FULL, ConstantMasks

UNIT = ["cell", "seed"]


def compared_counts(
    frame: DataFrame, cells: Sequence[str], seeds: Sequence[Sequence[str]], images: Sequence[str]
) -> DataFrame:
    """Return the rows of *frame* that are compared: *images* by the *seeds* of each of *cells*."""
    units = {(cell, seed) for cell, own in zip(cells, seeds, strict=True) for seed in own}
    rows = frame.assign(**{name: frame[name].astype(str) for name in (*UNIT, "image")})
    known = np.array([unit in units for unit in zip(rows["cell"], rows["seed"], strict=True)], bool)
    kept = rows[rows["image"].isin(images).to_numpy() & known]
    return kept.drop_duplicates([*UNIT, "image"])


def equal_cells(counts: DataFrame, also: Sequence[str] = ()) -> dict[str, int]:
    """Return for each cell a number that it shares with the cells whose networks count the same.

    Two cells are equal if their networks have the same counts on every image, in any order of
    seeds; so are cells with different numbers of seeds if all their networks do.

    Args:
        counts: columns cell, seed, image, tp, fp, fn, tn; a row per network and image.
        also: further columns that must be the same.

    """
    digests = hash_pandas_object(counts[["image", *COUNTS, *also]], index=False).to_numpy()
    with np.errstate(over="ignore"):
        sums = DataFrame({"digest": digests.astype(np.int64)}, index=counts.index)
        units = sums.groupby([counts[name] for name in UNIT])["digest"].sum()
    numbers: dict[tuple[int, ...], int] = {}
    found = {}
    for cell, own in units.groupby(level="cell"):
        networks = sorted(own.tolist())
        key = tuple(networks) if len(set(networks)) > 1 else (networks[0],)
        found[str(cell)] = numbers.setdefault(key, len(numbers))
    return found


def constant_masks(counts: DataFrame) -> tuple[ConstantMasks, ...]:
    """Return the cells with networks whose masks are empty, or full, on all images.

    Where no image has foreground, empty masks are right; where none has background, full ones.
    *counts* as in `equal_cells`.
    """
    tp, fp, fn, tn = (counts[name] for name in COUNTS)
    facts = {
        **{"predicted": tp + fp, "left": fn + tn},
        **{"foreground": tp + fn, "background": fp + tn},
    }
    most = DataFrame(facts).groupby([counts[name] for name in UNIT]).max()
    images = int(counts["image"].nunique())
    units = {
        EMPTY: (most["predicted"] == 0) & (most["foreground"] > 0),
        FULL: (most["left"] == 0) & (most["background"] > 0),
    }
    found = []
    for kind, such in units.items():
        cells = such.groupby(level="cell").agg(["sum", "size"])
        affected = cells[cells["sum"] > 0]
        rows = tuple(
            (str(cell), int(some), int(seeds))
            for cell, some, seeds in affected.itertuples(name=None)
        )
        found += [ConstantMasks(kind, images, rows)] if rows else []
    return tuple(found)
