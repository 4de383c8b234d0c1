"""The sweep's CSV files and the table in the terminal, from stored results alone."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from segsweep.cells import cell_columns
from segsweep.files import write_if_changed
from segsweep.statistics import compare_cells
from segsweep.store import Known, SweepPaths, Tables, read_all

if TYPE_CHECKING:
    from pandas import DataFrame
    from rich.table import Table


def write_tables(sweep: SweepPaths, known: Known | None = None) -> Tables:
    """Rebuild results.csv, per_image.csv, comparison.csv and trials.csv; return the tables.

    A file that would not change is not touched, and finished runs that are *known* are not
    read again.
    """
    tables = read_all(sweep.root, known)
    write_if_changed(sweep.results, _csv(tables.results))
    write_if_changed(sweep.per_image, tables.per_image_text)
    write_if_changed(sweep.comparison, _csv(comparison(tables)))
    if len(tables.trials):
        write_if_changed(sweep.trials, _csv(tables.trials))
    return tables


def comparison(tables: Tables) -> "DataFrame":
    """Return a row per cell, best first."""
    return compare_cells(tables.results, cell_columns(tables.swept))


def print_comparison(tables: Tables) -> None:
    """Print the cells, best first, and where everything is."""
    from rich.console import Console

    console = Console(markup=False)  # a folder may be called [old]
    frame = comparison(tables)
    searched = len(tables.trials)
    if len(frame):
        console.print(_table(frame, tables))
    if searched:
        best = tables.trials.dropna(subset=["val_iou"]).sort_values("val_iou", ascending=False)
        console.print(f"{searched} trials; best validation IoU first:")
        for row in best.head(5).to_dict("records"):
            console.print(
                f"  {row['model']}/{row['loss']}  lr {row['lr']:.3e}  val IoU {row['val_iou']:.4f}",
                highlight=False,
            )
    for path in (tables.sweep.results, tables.sweep.comparison, tables.sweep.curves):
        if path.exists():
            console.print(str(path), highlight=False, soft_wrap=True)


def _table(frame: "DataFrame", tables: Tables) -> "Table":
    """Return the cells as a table that fits 80 columns unless many keys were swept."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    title = f"{tables.sweep.root.name}: test IoU per cell"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for name in ("model", "loss"):
        table.add_column(name, no_wrap=True)
    if tables.swept:
        table.add_column("differs in", overflow="fold", min_width=14)
    failed = ["failed"] if frame["failed"].any() else []
    measured = ("test IoU", "sd", "seeds", *failed, "val IoU", "score", "params", "seconds")
    for name in measured:
        table.add_column(name, justify="right", no_wrap=True)
    for row in frame.to_dict("records"):
        beside = [_beside(row, tables.swept)] if tables.swept else []
        numbers = _numbers(row)
        if failed:
            numbers.insert(3, str(row["failed"] or ""))
        table.add_row(str(row["model"]), str(row["loss"]), *beside, *numbers)
    return table


def _beside(row: Mapping[Any, Any], swept: Sequence[str]) -> str:
    """Return the other keys that tell this cell apart, a line each: `epochs=80`."""
    return "\n".join(
        f"{key.rpartition('.')[2]}={row[key]}" for key in swept if row[key] == row[key]
    )


def _numbers(row: Mapping[Any, Any]) -> list[str]:
    def shown(value: float, form: str) -> str:
        return "-" if value != value else format(value, form)

    return [
        shown(row["test_iou"], ".4f"),
        shown(row["sd_seeds"], ".4f"),
        str(row["seeds"]),
        shown(row["val_iou"], ".4f"),
        shown(row["test_score"], ".4f"),
        shown(row["parameters"], ",.0f"),
        shown(row["seconds"], ",.0f"),
    ]


def _csv(frame: "DataFrame") -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))
