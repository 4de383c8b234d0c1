"""What searches chose and what they took, as a table in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segsweep.report.columns import one_line
from segsweep.report.terminal import MOST_CELLS, NARROWEST, NOTHING, print_line
from segsweep.stats.search import SearchedCell
from segsweep.stats.wording.search import number_text, search_texts, wider_word

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

VALUE_WIDTH, TITLE_WIDTH = 9, 12
"""Columns of a chosen value and of its title; longer ones, names of options, are folded."""


def small_table() -> "Table":
    """Return an empty table in the style of those that stand below the cells."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)


def share_text(value: float) -> str:
    """Return a share with four digits and without its 0, a dash for NaN."""
    if value != value:
        return NOTHING
    text = f"{value:.4f}"
    return text.removeprefix("0") if text.startswith("0.") else text


def print_searches(searched: Sequence[SearchedCell], console: "Console") -> None:
    """Print the chosen values of each cell with what finding them took, then what follows.

    The first sentence about the searches belongs to the answer and is not repeated.
    """
    from rich.text import Text

    chosen = [one for one in searched if one.values]
    if not chosen:
        return
    keys = list(dict.fromkeys(key for one in chosen for key in one.values))
    table = small_table()
    table.add_column("\nsearch", overflow="fold", min_width=NARROWEST)
    for key in keys:
        name = key.rpartition(".")[2]
        most = max(VALUE_WIDTH, min(len(name), TITLE_WIDTH))
        table.add_column(f"chosen\n{name}", justify="right", overflow="fold", max_width=most)
    for title in ("val\nIoU", "config's\nval IoU", "\ntrials", "trial\nepochs", "trial\nseconds"):
        table.add_column(title, justify="right", no_wrap=True)
    for one in chosen[:MOST_CELLS]:
        values = [number_text(one.values[key]) if key in one.values else NOTHING for key in keys]
        table.add_row(*(Text(one_line(text)) for text in (one.title, *values, *_numbers(one))))
    console.print()
    console.print(table)
    if len(chosen) > MOST_CELLS:
        console.print(f"and {len(chosen) - MOST_CELLS} more: chosen.csv")
    for sentence in search_texts(searched, 0)[1:]:
        print_line(sentence, console)
    if word := wider_word(searched):
        console.print(f"wider: {word}", soft_wrap=True)


def _numbers(one: SearchedCell) -> tuple[str, ...]:
    return (
        *map(share_text, _scores(one)),
        f"{one.ended:,}",
        f"{one.epochs:,}",
        f"{one.seconds:,.0f}",
    )


def _scores(one: SearchedCell) -> tuple[float, float]:
    return one.val_iou, one.own_val_iou
