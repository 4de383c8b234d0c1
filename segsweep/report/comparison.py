"""A comparison as a notebook holds it: frames, sentences, and how both are shown."""

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from segsweep.report.analysis import Compared
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.stats.wording.answer import Answer

WIDTH = 80
"""Columns of what is printed."""


@dataclass(frozen=True, repr=False, eq=False)
class Comparison:
    """What was found out about the cells of a sweep, from the tables as they were then."""

    table: "DataFrame"
    """What was asked for: the cells, or differences to the baseline, or averages over the rest.

    The columns are in docs/tables.md, under what `segsweep report` prints.
    """
    sentences: tuple[str, ...]
    """What `table` says; the headline of the answer where no baseline and no *by* was given."""
    compared: Compared
    """The analysis behind it."""
    tables: Tables
    """What was compared."""

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
