"""What values mask files hold, and which of them are probably foreground."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np

from segsweep.data.decoding import Decoding
from segsweep.data.modes import ALPHA, mode_of, spread
from segsweep.data.named_values import Colour
from segsweep.data.raster import AS_STORED, Raster, decode
from segsweep.data.source import Raw
from segsweep.errors import DataError
from segsweep.system.names import plural

FEW = 16
"""Most values of a mask whose values are labels, and most of its colours."""
SHARED = 0.25
"""Share of the marked pixels that only masks of the same thing have in common."""
BORDER = 255
"""What marks pixels that count for nothing, in masks of labels."""
MOST_CLASSES = 64
"""Labels below this number classes, as in Pascal VOC; larger ones may be shades of grey."""
BLACK = (0, 0, 0)
MOST_ROWS = 10
"""Sets of values, or colours, that have a line."""
Values: TypeAlias = tuple[int, ...]


@dataclass
class MaskValues:
    """Values of mask files: each set of values with the number of files that hold it."""

    files: Counter[Values] = field(default_factory=Counter)
    grey: int = 0
    """Files with more values than labels would have."""
    coloured: int = 0
    """Files with more colours than a mask would have."""
    colours: Counter[tuple[Colour, ...]] = field(default_factory=Counter)
    """Sets of colours in files with few; those in shades of grey are in `files`."""
    edge: Counter[Colour] = field(default_factory=Counter)
    """Pixels at the borders of files with few colours."""
    alpha: int = 0
    """Files of one colour in which only the alpha channel varies."""
    blank: int = 0
    """Files with an alpha channel in which nothing varies."""
    tops: set[int] = field(default_factory=set)
    """Values of full white: 1, 255, 65535."""
    looked_at: int = 0
    unread: list[str] = field(default_factory=list)

    @property
    def by_colour(self) -> Counter[Colour]:
        """Each colour with the number of files that hold it, where masks are told by colour."""
        found: Counter[Colour] = Counter()
        for colours, count in self.colours.items():
            found.update(dict.fromkeys(colours, count))
        for values, count in self.files.items():
            found.update(dict.fromkeys(((one, one, one) for one in values), count))
        return found


@dataclass(frozen=True)
class Choice:
    """What counts as foreground."""

    why: str
    keys: Mapping[str, object] | None = field(default_factory=dict)
    """The keys that say it, empty for the usual rule; None: the user has to choose."""
    examples: Sequence[Mapping[str, object]] = ()
    """What the user may give where that is so."""


@lru_cache(maxsize=1024)
def looks_like_mask(path: Path) -> bool:
    """Whether a file holds few grey levels or colours, or nearly only two; else False."""
    try:
        raster = decode(path)
    except DataError:
        return False
    values = _levels(raster)
    if values is None:
        return len(np.unique(_packed(raster.values))) <= FEW
    found, counts = np.unique(values, return_counts=True)
    if len(found) <= FEW:
        return True
    ends = np.minimum(found - found[0], found[-1] - found) <= (found[-1] - found[0]) / 10
    return bool(counts[ends].sum() > 0.95 * counts.sum())


@lru_cache(maxsize=64)
def mark_the_same(paths: tuple[Path, ...]) -> bool:
    """Whether masks of one image mark mostly the same pixels; False if that cannot be read."""
    marked = []
    for path in paths:
        try:
            levels = _levels(decode(path))
        except DataError:
            return False
        if levels is None:
            return False
        values, counts = np.unique(levels, return_counts=True)
        marked.append(levels != values[counts.argmax()])
    if len({one.shape for one in marked}) != 1:
        return False
    times = np.sum(marked, axis=0)
    return bool(np.count_nonzero(times > 1) > SHARED * np.count_nonzero(times))


def alpha_varies(path: Path) -> bool:
    """Whether a file has an alpha channel that is not the same everywhere."""
    if not mode_of(path).endswith(ALPHA):
        return False
    try:
        return bool(np.ptp(decode(path, Decoding(alpha=True)).values))
    except DataError:
        return False


def mask_values(
    paths: Sequence[Path],
    progress: Callable[[int, int], None] | None = None,
    how: Decoding = AS_STORED,
) -> MaskValues:
    """Return the values of mask files; of many, of some."""
    chosen = spread(paths)
    found = MaskValues(looked_at=len(chosen))
    for number, path in enumerate(chosen, 1):
        try:
            _enter(found, decode(path, how))
        except DataError as error:
            found.unread.append(str(error))
        if progress:
            progress(number, len(chosen))
    return found


def _enter(found: MaskValues, raster: Raster) -> None:
    found.tops.add(raster.top)
    is_plain = not np.ptp(raster.values.reshape(-1, *raster.values.shape[2:]), axis=0).any()
    if is_plain and mode_of(raster.path).endswith(ALPHA):
        varies = alpha_varies(raster.path)
        found.alpha, found.blank = found.alpha + varies, found.blank + (not varies)
        return
    values = _levels(raster)
    if values is None:
        _enter_colours(found, raster.values)
    elif len(held := np.unique(values)) > FEW or held.dtype.kind == "f":
        found.grey += 1
    else:
        found.files[tuple(map(int, held))] += 1


def _enter_colours(found: MaskValues, values: Raw) -> None:
    held = np.unique(_packed(values))
    if len(held) > FEW:
        found.coloured += 1
        return
    found.colours[tuple(map(_colour, held))] += 1
    edge = (values[0], values[-1], values[:, 0], values[:, -1])
    for packed, count in zip(
        *np.unique(_packed(np.concatenate(edge)), return_counts=True), strict=True
    ):
        found.edge[_colour(packed)] += int(count)


def _packed(values: Raw) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    """Return colours as one number each."""
    return values.astype(np.int64) @ np.array([1 << 32, 1 << 16, 1])


def _colour(packed: int) -> Colour:
    number = int(packed)
    return number >> 32, number >> 16 & 65535, number & 65535


def _levels(raster: Raster) -> "np.ndarray[tuple[int, ...], np.dtype[np.generic]] | None":
    """Return stored values, palette indices or grey levels; None for colours."""
    if raster.indices is not None:
        return raster.indices
    if raster.values.ndim == 2:
        return raster.values
    return None if np.ptp(raster.values, axis=2).any() else raster.values[..., 0]


def foreground_of(found: MaskValues) -> Choice:
    """Return what probably counts as foreground, and why."""
    if found.alpha:
        return _of_alpha(found)
    if found.coloured:
        return Choice(f"{_hold(found.coloured)} many colours: brighter than half is foreground")
    if found.grey:
        return Choice(f"{_hold(found.grey)} grey levels: above half of the range is foreground")
    if found.colours:
        return _of_colours(found)
    held = {value for values in found.files for value in values}
    if all(held <= {0, top} for top in found.tops):
        return Choice("above half of the range is foreground")
    labels = sorted(held - {0})
    if _has_border(found):
        few = " ".join(map(str, labels[:-1]))
        keys: dict[str, object] = {"foreground": labels[:-1]}
        what = f"taken as background; data.ignore=[{BORDER}] leaves it out"
        if _is_beside_labels(found):
            keys["ignore"] = [BORDER]
            what = "taken as ignored, as in Pascal VOC; data.ignore=null: as background"
        return Choice(f"{few}; {BORDER} beside them is often a border: {what}", keys)
    if labels == [1]:
        return Choice("0 is background, 1 foreground", {"foreground": labels})
    why = f"every value but 0 is foreground: {' '.join(map(str, labels))}"
    if len(found.files) > 1 and {1, BORDER} <= held:
        return Choice(f"{why}; masks are stored in different ways", {"foreground": labels})
    return Choice(f"{why}; to count fewer, give data.foreground", {"foreground": labels})


def _hold(masks: int) -> str:
    return "1 mask holds" if masks == 1 else f"{masks} masks hold"


def _differ(masks: int) -> str:
    return "1 mask differs in its" if masks == 1 else f"{masks} masks differ in their"


def _of_alpha(found: MaskValues) -> Choice:
    others = found.looked_at - len(found.unread) - found.alpha - found.blank
    if others:
        return Choice(
            f"{_differ(found.alpha)} alpha channel only, {others} in their colours: "
            "the rule can be for one of them only",
            None,
            ({"foreground": "alpha"}, {"foreground": "half"}),
        )
    return Choice("the alpha channel, above half; nothing else varies", {"foreground": "alpha"})


def _of_colours(found: MaskValues) -> Choice:
    """Return the colour of the object where there is one besides the background."""
    held = found.by_colour
    back = BLACK if BLACK in held else max(sorted(found.edge), key=lambda one: found.edge[one])
    where = "black" if back == BLACK else f"{colour_text(back)}, most frequent at the borders,"
    objects = [colour for colour in held if colour != back]
    if len(objects) == 1:
        keys = {"foreground_color": [*objects[0]]}
        return Choice(f"{colour_text(objects[0])}; {where} is background", keys)
    names = " ".join(map(colour_text, sorted(objects)))
    one, both = [*objects[0]], [[*objects[0]], [*objects[1]]]
    examples = ({"foreground_color": one}, {"foreground_color": both})
    return Choice(f"{len(objects)} colours besides {where} are found: {names}", None, examples)


def colour_text(colour: Colour) -> str:
    """Return a colour as a config has it: [255,0,0]."""
    return f"[{','.join(map(str, colour))}]"


def _is_beside_labels(found: MaskValues) -> bool:
    """Whether every file with BORDER also holds a label: then it surely is no object."""
    return all(len({*values} - {0}) > 1 for values in found.files if BORDER in values)


def _has_border(found: MaskValues) -> bool:
    """Whether BORDER stands beside small labels in one file."""
    labels = {value for values in found.files for value in values} - {0, BORDER}
    beside = [{*values} - {0} for values in found.files if BORDER in values and len(values) > 1]
    numbered = any(1 in values for values in beside) and max(labels) < BORDER / 2
    several = len(labels) > 1 and max(labels) < MOST_CLASSES and any(v & labels for v in beside)
    return numbered or several


def value_lines(found: MaskValues) -> Iterable[str]:
    """Yield a line for each set of values or each colour, the most frequent first."""
    rows = [*_rows(found)]
    width = max((len(text) for text, _ in rows), default=0)
    for text, count in rows:
        yield f"{text.ljust(width)}  {plural(count, 'file')}"
    kinds = len(found.by_colour if found.colours else found.files)
    if (more := kinds - MOST_ROWS) > 0:
        yield f"and {more} more {'colours' if found.colours else 'sets of values'}"


def _rows(found: MaskValues) -> Iterator[tuple[str, int]]:
    if found.colours:
        for colour, count in found.by_colour.most_common(MOST_ROWS):
            yield colour_text(colour), count
    else:
        for values, count in found.files.most_common(MOST_ROWS):
            yield " ".join(map(str, values)), count
    others = {"grey": found.grey, "many colours": found.coloured}
    others |= {
        "not readable": len(found.unread),
        "alpha only": found.alpha,
        "one colour, no alpha": found.blank,
    }
    yield from ((text, count) for text, count in others.items() if count)
