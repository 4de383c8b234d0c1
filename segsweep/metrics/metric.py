"""What a metric is: one entry of the table, with all that the tables and the report need of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Counts: TypeAlias = "NDArray[np.int64]"
PerImage: TypeAlias = "NDArray[np.float64]"
Empty = Literal["one", "skip"]
Function = Callable[[Counts, Counts, Counts, Counts], PerImage]
"""From tp, fp, fn and tn of equal shape to a value per image."""
Part = Literal["test", "val"]
Size = Literal["train", "native"]
COUNTS = ("tp", "fp", "fn", "tn")


class Rows(Protocol):
    """Columns by name: a DataFrame, or a dict of arrays."""

    def __getitem__(self, name: str, /) -> ArrayLike:
        """Return the column *name*."""
        ...


@dataclass(frozen=True)
class Metric:
    """One metric: how it is computed, and what the tables and the report need to know of it."""

    name: str
    """In columns and on the command line: test_<name>, val_<name>, `--metric <name>`."""
    label: str
    """What people read."""
    description: str
    """One line."""
    function: Function | None = None
    """Computes it from counts; None for a stored column."""
    stored: str | None = None
    """The column of per_image.csv that holds it, after tn; None for a function of counts."""
    higher_is_better: bool = True
    unit: str = ""
    """As it stands behind a number: px; empty for a share."""
    at: Size | None = None
    """The only size of an image at which it is measured; None: at both."""
    limits: tuple[float, float] = (0.0, 1.0)
    """The lowest and the highest value."""
    margin: float = 0.01
    """Two means closer than this are equal for practical purposes."""
    both_empty: float = 1.0
    """The value of an image whose truth and prediction are both empty."""
    column: bool = False
    """Whether results.csv and comparison.csv have it whatever was compared; a stored one if a run
    has it."""
    validated: bool = False
    """Whether it is measured after every epoch: history.csv and results.csv have val_<name>."""

    def __post_init__(self) -> None:
        """Raise ValueError unless there is exactly one source, and counts where it is validated."""
        if (self.function is None) == (self.stored is None):
            raise ValueError(f"{self.name}: give a function of counts or a stored column")
        if self.validated and self.function is None:
            raise ValueError(f"{self.name}: only a function of counts can be validated")

    @property
    def sign(self) -> int:
        """1 where higher is better, -1 where lower is."""
        return 1 if self.higher_is_better else -1

    @property
    def title(self) -> str:
        """What people read above a column or at an axis: the label and the unit, `HD95 (px)`."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    def size(self, at: Size) -> Size:
        """Return the size at which it is taken where others are taken *at* this one."""
        return self.at or at

    def of_images(self, counts: tuple[Counts, ...], stored: ArrayLike | None = None) -> PerImage:
        """Return a value per image from (tp, fp, fn, tn), or from the stored column.

        What was not stored is NaN, also where both masks are empty.
        """
        import numpy as np

        tp, fp, fn, tn = counts
        values = stored if self.function is None else self.function(tp, fp, fn, tn)
        found = np.asarray(values, np.float64)
        measured = self.function is not None or ~np.isnan(found)
        return np.where((tp + fp + fn == 0) & measured, self.both_empty, found)
