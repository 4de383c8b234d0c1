"""Which pixels of a decoded mask are foreground: by brightness, label values, colours or alpha."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from segsweep.data.raster import Raster
from segsweep.data.source import Raw
from segsweep.errors import DataError

Colour: TypeAlias = tuple[int, int, int]
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

    @classmethod
    def of(
        cls,
        foreground: Literal["half", "alpha"] | list[int],
        invert: bool = False,
        colour: list[int] | list[list[int]] | None = None,
    ) -> "Foreground":
        """Return the rule that a config's values mean."""
        if colour is not None:
            if foreground != "half":
                raise ValueError(f"foreground_color replaces foreground; got {foreground!r} too")
            return cls(None, invert, _colours(colour))
        if isinstance(foreground, str) and foreground in ("half", "alpha"):
            return cls(None, invert, alpha=foreground == "alpha")
        if isinstance(foreground, str | int) or not foreground:
            raise ValueError(
                f"foreground must be 'half', 'alpha' or a list of label values; got {foreground!r}"
            )
        for label in foreground:
            if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label <= 65535:
                raise ValueError(f"foreground's labels are whole, 0 to 65535; got {label!r}")
        return cls(tuple(sorted(set(foreground))), invert)

    def __str__(self) -> str:
        chosen = "alpha" if self.alpha else "half"
        if self.labels is not None:
            chosen = ",".join(map(str, self.labels))
        elif self.colours is not None:
            chosen = "+".join(",".join(map(str, colour)) for colour in self.colours)
        return f"foreground={chosen} invert={self.invert}"


@dataclass(frozen=True)
class Selected:
    """What a foreground rule finds in a mask."""

    mask: NDArray[np.bool_]
    """(H, W)."""
    grey: bool = False
    """Whether there are more than two values, so that half of the range decided."""
    unnamed: tuple[str, ...] = ()
    """What there is besides 0 that no rule names, such as `value 255`."""

    def united(self, other: "Selected", invert: bool) -> "Selected":
        """Return the union of what two masks of an image mark; *invert*: it is background."""
        mask = self.mask & other.mask if invert else self.mask | other.mask
        words = tuple(dict.fromkeys((*self.unnamed, *other.unnamed)))
        return Selected(mask, self.grey or other.grey, words)


def _colours(given: list[int] | list[list[int]]) -> tuple[Colour, ...]:
    """Return the colours of `foreground_color`, which is one or a list of them."""
    found = set()
    for item in given:
        match item if isinstance(item, list) else given:
            case [int(red), int(green), int(blue)] if all(
                0 <= one <= 65535 for one in (red, green, blue)
            ):
                found.add((red, green, blue))
            case _:
                found.clear()
                break
    if not found:
        raise ValueError(
            "foreground_color must be [red, green, blue], each 0 to 255 (0 to 65535 in files of "
            f"16 bits), or a list of such colours; got {given!r}"
        )
    return tuple(sorted(found))


def select(raster: Raster, foreground: Foreground) -> Selected:
    """Apply the foreground rule.

    half: luminance (.299 R + .587 G + .114 B; a palette's colours) above half of the range that
    the file's own bit depth gives: .5 for 1-bit and float, 127.5 for 8-bit, 32767.5 for 16-bit.
    Masks numbered 0 and 1 in 8 bits hold nothing above that and are refused, as are colours
    all too dark: those need the list. Alpha: the same for that channel. Labels: the stored
    values, or palette indices; the set pixels of a 1-bit mask answer to 1 and to 255, since
    programs disagree on what they are. Colours: exactly these, a palette's too.
    """
    if foreground.colours is not None:
        return _by_colour(raster, foreground.colours, foreground.invert)
    if foreground.labels is not None:
        return _by_label(raster, foreground.labels, foreground)
    levels = _luminance(raster.values)
    grey = bool(((levels != levels.min()) & (levels != levels.max())).any())
    chosen = levels > raster.top / 2
    if not chosen.any() and not foreground.alpha:
        _refuse_hidden(raster, levels)
    return Selected(np.not_equal(chosen, foreground.invert), grey)


def _by_label(raster: Raster, labels: tuple[int, ...], foreground: Foreground) -> Selected:
    levels = _labels(raster, foreground)
    chosen = np.isin(levels, labels)
    if raster.top == 1:
        chosen |= np.isin(levels * 255, labels)
    others = _distinct(levels[~chosen])
    words = [f"value {value:g}" for value in _unexpected(others, 0 in labels)]
    return Selected(np.not_equal(chosen, foreground.invert), False, _listed(words, "values"))


def _by_colour(raster: Raster, colours: tuple[Colour, ...], invert: bool) -> Selected:
    values = raster.values if raster.values.ndim == 3 else np.stack([raster.values] * 3, axis=2)
    if values.dtype.kind == "f":
        raise DataError(f"{raster.path}: data.foreground_color needs whole numbers, not floats")
    full = 255 if raster.top == 1 else 1
    packed = values.astype(np.int64) * full @ np.array([1 << 32, 1 << 16, 1])
    wanted = [(red << 32) + (green << 16) + blue for red, green, blue in colours]
    chosen = np.isin(packed, wanted)
    others = _unexpected(np.unique(packed[~chosen]), 0 in wanted)
    words = [f"colour [{one >> 32},{one >> 16 & 65535},{one & 65535}]" for one in others]
    return Selected(np.not_equal(chosen, invert), False, _listed(words, "colours"))


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


def _labels(raster: Raster, foreground: Foreground) -> Raw:
    if raster.indices is not None:
        return raster.indices
    if raster.values.ndim == 2:
        return raster.values
    if np.ptp(raster.values, axis=2).any():
        raise DataError(
            f"{raster.path}: a colour mask has no label values ({foreground}): name its colours "
            "with data.foreground_color=[255,0,0], or set data.foreground=half"
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
