"""Comparisons as a notebook holds them: frames, sentences, and how both are shown."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, overload

from segsweep.errors import ConfigError
from segsweep.report.analysis import Compared
from segsweep.report.comparisons import joined
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.stats.wording.answer import Answer

WIDTH = 80
"""Columns of what is printed."""


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """What was found out about cells on the same data with the same target.

    From the tables as they were then.
    """

    table: "DataFrame"
    """What was asked for: the cells, or differences to the baseline, or averages over the rest.

    The columns are in docs/tables.md, under what `segsweep report` prints.
    """
    sentences: tuple[str, ...]
    """What `table` says; the headline of the answer where no baseline and no *by* was given."""
    compared: Compared
    """The analysis behind it."""
    tables: Tables
    """What was compared: the runs on these data, with this target."""

    @property
    def data(self) -> str:
        """The data set, and the target where targets differ: `ph2`, `mine, inverted`."""
        return self.compared.data

    @property
    def metric(self) -> str:
        """What was compared: iou, dice, ..."""
        return self.compared.asked.metric

    @property
    def cells(self) -> "DataFrame":
        """A row per cell, best first (comparison.csv)."""
        return self.compared.cells

    @property
    def pairs(self) -> "DataFrame":
        """A row per comparison of two cells, architectures or losses (pairs.csv)."""
        return self.compared.pairs

    @property
    def answer(self) -> "Answer":
        """The answer in sentences: headline, best, settled, unsettled, next, notes.

        `print(comparison.answer)` prints all but the notes as one paragraph.
        """
        return self.compared.answer

    @property
    def claims(self) -> bool:
        """False where nothing can be said about methods, as with one seed per cell."""
        return self.compared.claims

    def __repr__(self) -> str:
        """Return the sentences and the table as a terminal of 80 columns shows them."""
        from segsweep.report.terminal import print_answer, print_frame
        from segsweep.system.console import VisibleConsole

        text = io.StringIO()
        console = VisibleConsole(
            file=text,
            width=WIDTH,
            markup=False,
            highlight=False,
            force_terminal=False,  # notebooks ask for colours
            force_jupyter=False,  # rich would draw into the page instead
        )
        if self.table is self.cells:
            print_answer(self._said(), self.cells, metric=self.metric, console=console)
        else:
            notes = " ".join(self.answer.notes)
            print_frame(self.table, console=console, title=" ".join(self.sentences), note=notes)
        return text.getvalue().rstrip()

    def _said(self) -> Mapping[str, object]:
        return {**asdict(self.answer), "claims": self.claims}

    def _repr_html_(self) -> str:
        from segsweep.report.notebook import comparison_html

        return comparison_html(self.compared, self.table, self.sentences, self.tables)


@dataclass(frozen=True, repr=False, eq=False)
class Comparisons(Sequence[Comparison]):
    """All comparisons of a sweep: one for each data set and target, by name.

    `comparisons[0]` and `comparisons["mine, inverted"]` are one of them. The frames hold all, told
    apart by their column `data`. Where there is only one, its answer is at hand here too.
    """

    every: tuple[Comparison, ...]

    @property
    def table(self) -> "DataFrame":
        """What was asked for, of all comparisons."""
        return joined([one.table for one in self.every])

    @property
    def cells(self) -> "DataFrame":
        """A row per cell, best first in each comparison (comparison.csv)."""
        return joined([one.cells for one in self.every])

    @property
    def pairs(self) -> "DataFrame":
        """A row per comparison of two cells, architectures or losses (pairs.csv)."""
        return joined([one.pairs for one in self.every])

    @property
    def only(self) -> Comparison:
        """The one comparison; ConfigError where there are several."""
        if len(self.every) > 1:
            names = ", ".join(repr(one.data) for one in self.every)
            raise ConfigError(
                f"this sweep has {len(self.every)} comparisons, because different data and targets "
                f"are never compared: take one, such as [0] or by its name, of {names}"
            )
        return self.every[0]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What `table` says, of the one comparison."""
        return self.only.sentences

    @property
    def compared(self) -> Compared:
        """The analysis behind the one comparison."""
        return self.only.compared

    @property
    def metric(self) -> str:
        """What was compared: iou, dice, ..."""
        return self.every[0].metric

    @property
    def answer(self) -> "Answer":
        """The answer of the one comparison; see `Comparison.answer`."""
        return self.only.answer

    @property
    def claims(self) -> bool:
        """False where nothing can be said about methods in the one comparison."""
        return self.only.claims

    @overload
    def __getitem__(self, key: int | str) -> Comparison: ...

    @overload
    def __getitem__(self, key: slice) -> tuple[Comparison, ...]: ...

    def __getitem__(self, key: int | str | slice) -> Comparison | tuple[Comparison, ...]:
        """Return a comparison by its place or its name; ConfigError for an unknown name."""
        if not isinstance(key, str):
            return self.every[key]
        for one in self.every:
            if one.data == key:
                return one
        names = ", ".join(repr(one.data) for one in self.every)
        raise ConfigError(f"{key}: no such comparison; there are {names}")

    def __len__(self) -> int:
        """Return the number of comparisons."""
        return len(self.every)

    def __repr__(self) -> str:
        """Return all comparisons as a terminal of 80 columns shows them."""
        if len(self.every) == 1:
            return repr(self.every[0])
        return "\n\n".join(f"{one.data}\n{one!r}" for one in self.every)

    def _repr_html_(self) -> str:
        from segsweep.report.notebook import line

        parts = [one._repr_html_() for one in self.every]
        if len(parts) == 1:
            return parts[0]
        named = zip(self.every, parts, strict=True)
        return "\n".join(f"{line(one.data, strong=True)}\n{html}" for one, html in named)
