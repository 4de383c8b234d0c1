"""What a data source is: it names its samples and reads one at a time."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Raw: TypeAlias = NDArray[Any]
"""Pixels as a file holds them, uint8 or uint16: (H, W), or (H, W, channels)."""
IGNORED = 2
"""In a mask of the training size, beside 0 and 1: a pixel that counts for nothing."""


@dataclass(frozen=True, order=True)
class Problem:
    """A problem of a data set: an error stops a run, a warning is shown."""

    level: Literal["error", "warning"]
    where: str
    """The file or the sample's id."""
    what: str


@dataclass(frozen=True, order=True)
class Listing(Problem):
    """A problem of many files, which its text counts."""

    names: tuple[str, ...] = ()
    """All of them."""


@dataclass(frozen=True)
class Sample:
    """An image with its mask, before anything is read."""

    id: str
    group: str
    """Samples of one group stay in one part of a split; the id where no group is known."""
    image: Path | None = None
    """None where the source draws the image itself."""
    mask: Path | None = None
    more_masks: tuple[Path, ...] = ()
    """Further masks of the image: foreground is what any of its masks marks."""
    part: str | None = None
    """The part of a split that the data give: train, val or test; None: they give none."""

    @property
    def files(self) -> list[Path]:
        """The files of the sample, the image first."""
        return [path for path in (self.image, self.mask, *self.more_masks) if path]


@dataclass(frozen=True)
class Pixels:
    """A decoded sample at its own size."""

    image: Raw
    """(H, W, 3), uint8, uint16 or float in [0, 1]."""
    mask: NDArray[np.bool_]
    """(H, W), True where foreground; it does not matter where pixels are ignored."""
    grey: bool = False
    """Whether the mask held more than two values, so that half of the range decided."""
    unnamed: tuple[str, ...] = ()
    """What the mask holds besides 0 that no rule names, such as `value 255`."""
    brightest: int | None = None
    """The largest value of an image with 16 bits whose range nobody named."""
    ignored: NDArray[np.bool_] | None = None
    """(H, W), True where a pixel counts for nothing; None: all count."""


class Source(Protocol):
    """A data set: one class, one file in `segsweep/data/`, one yaml in `conf/data/`.

    A class whose `read` may be called by several threads at once says `thread_safe = True`; the
    samples of others are read one after the other. A source whose pixels may be ignored has an
    argument `ignore`, None where none is, and an attribute `ignores`, which says whether it is set.
    """

    @property
    def signature(self) -> str:
        """All that decides pixels besides the files' bytes: foreground rule, reader's version."""
        ...

    def find(self) -> tuple[list[Sample], list[Problem]]:
        """Return the samples sorted by id, and the problems of folders and names.

        Reads no pixels. Raises DataError where there is nothing to read.
        """
        ...

    def read(self, sample: Sample) -> Pixels:
        """Decode one sample at its own size; raise DataError naming the file if that fails."""
        ...


def reads_in_threads(source: Source) -> bool:
    """Whether several threads may call the source's `read`: the class that defines it says so."""
    owner = next((kind for kind in type(source).__mro__ if "read" in vars(kind)), object)
    return vars(owner).get("thread_safe") is True


def ignores_pixels(source: Source) -> bool:
    """Whether pixels of the source's masks may be ignored."""
    return getattr(source, "ignores", False) is True


def without_ignored(pixels: Pixels, may_ignore: bool) -> Pixels:
    """Return pixels of which the ignored ones are background; all of them named if some may be.

    Raises ValueError if there are ignored pixels and the source does not say that it has some.
    """
    if pixels.ignored is None and may_ignore:
        return replace(pixels, ignored=np.zeros(pixels.mask.shape, bool))
    if pixels.ignored is None:
        return pixels
    if not may_ignore or pixels.ignored.shape != pixels.mask.shape:
        raise ValueError(
            "ignored pixels need a data source with the attribute ignores = True, and the mask's "
            f"shape {pixels.mask.shape}; got {pixels.ignored.shape}"
        )
    return replace(pixels, mask=pixels.mask & ~pixels.ignored)
