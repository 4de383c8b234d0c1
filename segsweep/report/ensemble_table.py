"""What ensembles of a sweep scored, as a table in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segsweep.report.columns import one_line
from segsweep.report.search_table import share_text, small_table
from segsweep.report.terminal import MOST_CELLS, print_line
from segsweep.store.ensembles import EnsembleRow

if TYPE_CHECKING:
    from rich.console import Console

TITLES = ("ensemble", "networks", "val\nIoU", "test\nIoU", "one by\none")
SENTENCE = (
    "Ensembles are not compared with cells: they were scored after the results of the test images "
    "were known. One by one: mean test IoU of the same networks."
)


def print_ensembles(rows: Sequence[EnsembleRow], console: "Console") -> None:
    """Print what the networks of cells reach together, beside what each reaches alone."""
    from rich.text import Text

    if not rows:
        return
    table = small_table()
    for title in TITLES:
        first, head = title == TITLES[0], title if "\n" in title else f"\n{title}"
        table.add_column(
            head, justify="left" if first else "right", overflow="fold", no_wrap=not first
        )
    for row in rows[:MOST_CELLS]:
        flips = " (flips)" if row.flips else ""
        numbers = map(share_text, (row.val_iou, row.test_iou, row.alone))
        table.add_row(Text(one_line(f"{row.ensemble}{flips}")), f"{row.networks}", *numbers)
    console.print()
    console.print(table)
    if len(rows) > MOST_CELLS:
        console.print(f"and {len(rows) - MOST_CELLS} more: ensembles.csv")
    print_line(SENTENCE, console)
