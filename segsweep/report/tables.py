"""The sweep's CSV files and the table in the terminal, from stored results alone."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from segsweep.cells import cell_columns
from segsweep.files import write_if_changed
from segsweep.statistics import compare_cells
from segsweep.store import SweepPaths, Tables, read_all

if TYPE_CHECKING:
    from pandas import DataFrame


def write_tables(sweep: SweepPaths) -> Tables:
    """Rebuild results.csv, per_image.csv, comparison.csv and trials.csv; return the tables.

    A file that would not change is not touched.
    """
    tables = read_all(sweep.root)
    write_if_changed(sweep.results, _csv(tables.results))
    write_if_changed(sweep.per_image, _csv(tables.per_image))
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
    from rich.table import Table

    console = Console()
    frame = comparison(tables)
    keys = cell_columns(tables.swept)
    searched = len(tables.trials)
    if len(frame):
        table = Table(title=f"{tables.sweep.root.name}: test IoU per cell", title_justify="left")
        for key in keys:
            table.add_column(key, no_wrap=True)
        for name in ("test IoU", "sd", "seeds", "val IoU", "score", "params", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in frame.to_dict("records"):
            table.add_row(*[str(row[key]) for key in keys], *_numbers(row))
        console.print(table)
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


def _numbers(row: Mapping[Any, Any]) -> list[str]:
    def shown(value: float, form: str) -> str:
        return "-" if value != value else format(value, form)

    failed = f" ({row['failed']} failed)" if row["failed"] else ""
    return [
        shown(row["test_iou"], ".4f"),
        shown(row["sd_seeds"], ".4f"),
        f"{row['seeds']}{failed}",
        shown(row["val_iou"], ".4f"),
        shown(row["test_score"], ".4f"),
        shown(row["parameters"], ",.0f"),
        shown(row["seconds"], ",.0f"),
    ]


def _csv(frame: "DataFrame") -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))
