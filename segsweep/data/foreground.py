"""Which pixels of a decoded mask are foreground: by brightness, label values, colours or alpha.

Some stored values, or colours, may say that their pixels count for nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from segsweep.data.named_values import (
    Colour,
    check_apart,
    colours_of,
    ignored_values,
    label_values,
)
from segsweep.data.raster import Raster
from segsweep.data.source import Raw
from segsweep.errors import DataError

Mask: TypeAlias = NDArray[np.bool_]
MOST_VALUES = 8
"""Values of a mask that are named one by one."""


@dataclass(frozen=True)
class Foreground:
    """Which pixels of a mask file are foreground; see `select` for the exact meaning."""

    labels: tuple[int, ...] | None = None
    """The values (palette: indices) that are. None: see `colours`."""
    invert: bool = False
    colours: tuple[Colour, ...] | None = None
    """The colours that are. Without labels and colours: brighter than half of the file's range."""
    alpha: bool = False
    """Whether the alpha channel stands for the mask."""
    ignored: tuple[int, ...] | tuple[Colour, ...] = ()
    """The values, or colours, whose pixels count for nothing, whatever else they are."""

    @classmethod
    def of(
        cls,
        foreground: Literal["half", "alpha"] | list[int],
        invert: bool = False,
        colour: list[int] | list[list[int]] | None = None,
        ignore: list[int] | list[list[int]] | None = None,
    ) -> "Foreground":
        """Return the rule that a config's values mean."""
        ignored = () if ignore is None else ignored_values(ignore)
        if colour is not None:
            if foreground != "half":
                raise ValueError(f"foreground_color replaces foreground; got {foreground!r} too")
            colours = colours_of("foreground_color", colour)
            check_apart("foreground_color", colours, ignored)
            return cls(None, invert, colours, ignored=ignored)
        if isinstance(foreground, str) and foreground in ("half", "alpha"):
            return cls(None, invert, alpha=foreground == "alpha", ignored=ignored)
        if isinstance(foreground, str | int) or not foreground:
            raise ValueError(
                f"foreground must be 'half', 'alpha' or a list of label values; got {foreground!r}"
            )
        labels = label_values("foreground", foreground)
        check_apart("foreground", labels, ignored)
        return cls(labels, invert, ignored=ignored)

    def __str__(self) -> str:
        chosen = "alpha" if self.alpha else "half"
        if self.labels is not None:
            chosen = ",".join(map(str, self.labels))
        elif self.colours is not None:
            chosen = "+".join(",".join(map(str, colour)) for colour in self.colours)
        return f"foreground={chosen} invert={self.invert}{self._ignored_text()}"

    def _ignored_text(self) -> str:
        if not self.ignored:
            return ""
        words = [",".join(map(str, one)) if isinstance(one, tuple) else one for one in self.ignored]
        return f" ignore={'+'.join(map(str, words))}"


@dataclass(frozen=True)
class Selected:
    """What a foreground rule finds in a mask."""

    mask: Mask
    """(H, W); False where pixels are ignored."""
    grey: bool = False
    """Whether there are more than two values, so that half of the range decided."""
    unnamed: tuple[str, ...] = ()
    """What there is besides 0 that no rule names, such as `value 255`."""
    ignored: Mask | None = None
    """(H, W), the pixels that count for nothing; None where the rule ignores none."""

    def united(self, other: "Selected", invert: bool) -> "Selected":
        """Return the union of what two masks of an image mark; *invert*: it is background.

        What one of them marks counts, also where the other says to ignore it.
        """
        mask = self.mask & other.mask if invert else self.mask | other.mask
        ignored = None
        if self.ignored is not None and other.ignored is not None:
            marked = mask
            if invert:
                marked = ~(self.mask | self.ignored) | ~(other.mask | other.ignored)
            ignored = (self.ignored | other.ignored) & ~marked
        words = tuple(dict.fromkeys((*self.unnamed, *other.unnamed)))
        return Selected(mask, self.grey or other.grey, words, ignored)


def select(raster: Raster, foreground: Foreground) -> Selected:
    """Apply the foreground rule.

    half: luminance (.299 R + .587 G + .114 B; a palette's colours) above half of the range that
    the file's own bit depth gives: .5 for 1-bit and float, 127.5 for 8-bit, 32767.5 for 16-bit.
    Masks numbered 0 and 1 in 8 bits hold nothing above that and are refused, as are colours
    all too dark: those need the list. Alpha: the same for that channel. Labels: the stored
    values, or palette indices; the set pixels of a 1-bit mask answer to 1 and to 255, since
    programs disagree on what they are. Colours: exactly these, a palette's too. The rule sees
    nothing of ignored pixels.
    """
    ignored = _ignored(raster, foreground) if foreground.ignored else None
    counted = None if ignored is None else ~ignored
    if foreground.colours is not None:
        found = _by_colour(raster, foreground.colours, counted)
    elif foreground.labels is not None:
        found = _by_label(raster, foreground.labels, foreground, counted)
    else:
        found = _by_half(raster, foreground, counted)
    mask = np.not_equal(found.mask, foreground.invert)
    return replace(found, mask=mask if counted is None else mask & counted, ignored=ignored)


def _ignored(raster: Raster, foreground: Foreground) -> Mask:
    """Return the pixels that count for nothing; a 1-bit mask's named foreground counts."""
    if isinstance(foreground.ignored[0], tuple):
        packed, wanted = _packed(raster, foreground.ignored, "ignore")
        return np.isin(packed, wanted)
    levels = _labels(raster, f"data.ignore={list(foreground.ignored)}", "data.ignore=[[0,0,255]]")
    found = np.isin(levels, foreground.ignored)
    if raster.top == 1 and not {1, 255} & {*(foreground.labels or ())}:
        found |= np.isin(levels * 255, foreground.ignored)
    elif raster.top == 1:
        found &= levels == 0
    return found


def _by_half(raster: Raster, foreground: Foreground, counted: Mask | None) -> Selected:
    levels = _luminance(raster.values)
    chosen = levels > raster.top / 2
    if counted is not None:
        raster, levels = _only(raster, counted), levels[counted][None]
        if not levels.size:
            return Selected(chosen)
    grey = bool(((levels != levels.min()) & (levels != levels.max())).any())
    if not foreground.alpha and not (levels > raster.top / 2).any():
        _refuse_hidden(raster, levels)
    return Selected(chosen, grey)


def _only(raster: Raster, counted: Mask) -> Raster:
    """Return some pixels of a raster, in one row."""
    indices = None if raster.indices is None else raster.indices[counted][None]
    return replace(raster, values=raster.values[counted][None], indices=indices)


def _by_label(
    raster: Raster, labels: tuple[int, ...], foreground: Foreground, counted: Mask | None
) -> Selected:
    instead = "data.foreground_color=[255,0,0], or set data.foreground=half"
    levels = _labels(raster, str(foreground), instead)
    chosen = np.isin(levels, labels)
    if raster.top == 1:
        chosen |= np.isin(levels * 255, labels)
    others = _distinct(levels[_rest(chosen, counted)])
    names_zero = 0 in (*labels, *foreground.ignored)
    words = [f"value {value:g}" for value in _unexpected(others, names_zero)]
    return Selected(chosen, False, _listed(words, "values"))


def _by_colour(raster: Raster, colours: tuple[Colour, ...], counted: Mask | None) -> Selected:
    packed, wanted = _packed(raster, colours, "foreground_color")
    chosen = np.isin(packed, wanted)
    others = _unexpected(np.unique(packed[_rest(chosen, counted)]), 0 in wanted)
    words = [f"colour [{one >> 32},{one >> 16 & 65535},{one & 65535}]" for one in others]
    return Selected(chosen, False, _listed(words, "colours"))


def _rest(chosen: Mask, counted: Mask | None) -> Mask:
    """Return the pixels that count and are not chosen."""
    return ~chosen if counted is None else ~chosen & counted


def _packed(raster: Raster, colours: Iterable[object], key: str) -> tuple[Raw, list[int]]:
    """Return each pixel's colour as one number, (H, W), and the numbers of *colours*."""
    values = raster.values if raster.values.ndim == 3 else np.stack([raster.values] * 3, axis=2)
    if values.dtype.kind == "f":
        raise DataError(f"{raster.path}: data.{key} needs whole numbers, not floats")
    full = 255 if raster.top == 1 else 1
    packed = values.astype(np.int64) * full @ np.array([1 << 32, 1 << 16, 1])
    triples = cast("Iterable[Colour]", colours)
    return packed, [(red << 32) + (green << 16) + blue for red, green, blue in triples]


def _distinct(values: Raw) -> Raw:
    """Return the sorted different values of a flat array; counting is faster than sorting."""
    return np.flatnonzero(np.bincount(values)) if values.dtype.kind == "u" else np.unique(values)


def _unexpected(others: Raw, names_zero: bool) -> Raw:
    """Return the values of the rest that a rule should have named: all but 0, or but a lone one."""
    if names_zero:
        return others if len(others) > 1 else others[:0]
    return others[others != 0]


def _listed(words: list[str], kind: str) -> tuple[str, ...]:
    return tuple(words) if len(words) <= MOST_VALUES else (f"more than {MOST_VALUES} {kind}",)


def _luminance(values: Raw) -> Raw:
    if values.ndim == 2:
        return values
    red, green, blue = np.moveaxis(values, 2, 0)
    return (299.0 * red + 587.0 * green + 114.0 * blue) / 1000  # exact for greys


def _labels(raster: Raster, rule: str, instead: str) -> Raw:
    if raster.indices is not None:
        return raster.indices
    if raster.values.ndim == 2:
        return raster.values
    if np.ptp(raster.values, axis=2).any():
        raise DataError(
            f"{raster.path}: a colour mask has no label values ({rule}): name its colours "
            f"with {instead}"
        )
    return raster.values[..., 0]


def _refuse_hidden(raster: Raster, levels: Raw) -> None:
    """Raise where a mask that the half rule finds empty was surely not meant to be empty."""
    numbered = {255: 9, 65535: 255}.get(raster.top, 0)  # labels, not brightness, up to here
    coloured = raster.values.ndim == 3 and np.ptp(raster.values, axis=2).max() > raster.top / 8
    if not coloured and not 0 < levels.max() <= numbered:
        return
    pixels = raster.values.reshape(-1, 3 if coloured else 1)
    first = ",".join(map(str, pixels[pixels.max(1).argmax()]))
    remedy = f"name the colours of the foreground, for example data.foreground_color=[{first}]"
    held = np.unique(levels if raster.indices is None else raster.indices).astype(int)
    if raster.indices is not None or not coloured:
        remedy = f"name the foreground, for example data.foreground=[{held.max()}]"
    what = "colours" if coloured else "values " + " ".join(map(str, held[:10]))
    raise DataError(
        f"{raster.path}: nothing is above half of the range 0 to {raster.top}: "
        f"all {what} lie below; {remedy}"
    )
