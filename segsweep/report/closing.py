"""What a command prints at its end: answer, cells, trials, and the paths of the files."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from segsweep.errors import StoredFileError
from segsweep.report.columns import own_rows
from segsweep.report.ensemble_table import print_ensembles
from segsweep.report.search_table import print_searches
from segsweep.report.searched import SearchedCell, searched_cells
from segsweep.report.terminal import print_answer, print_line
from segsweep.report.write import Report
from segsweep.store.ensembles import read_ensembles
from segsweep.store.kept_runs import KeptRuns
from segsweep.store.tables import Tables
from segsweep.system.names import plural

if TYPE_CHECKING:
    from rich.console import Console

MOST_TRIALS = 5


def print_report(report: Report) -> None:
    """Print the answer, the table of cells, the best trials and the paths of the files.

    What was printed of an unchanged report is printed again: the tables need pandas, half a second.
    """
    from segsweep.system.console import console_on

    console = console_on()
    if report.kept is None:
        _print_results(report, console)
    else:
        _print_kept(report, *report.kept, console)
    print_files(report, console)


def _print_kept(report: Report, kept: KeptRuns, version: str, console: "Console") -> None:
    look = f"{console.width} {console.encoding} {console.color_system}"
    text = kept.printed(version, look)
    if text is None:
        with console.capture() as captured:
            _print_results(report, console)
        text = captured.get()
        kept.keep_printed(version, look, text)
        kept.save()
    console.file.write(text)
    console.file.flush()


def _print_results(report: Report, console: "Console") -> None:
    tables = report.tables
    name = report.name
    several = report.answer["comparisons"]
    searched = {} if tables is None else _searched(tables)
    if len(several) > 1:
        for line in (report.answer["headline"], *report.answer["notes"]):
            print_line(str(line), console)
    for said in several:
        cells, title = report.cells, report.title
        if len(several) > 1:
            console.print()
            cells = own_rows(cells, str(said["data"]), str(report.answer["metric"]))
            title = f"{name}, {said['data']}"
            named = [f"{said['data']}: {line}" for line in said.get("warnings") or ()]
            said = {**said, "warnings": named, "headline": f"{said['data']}: {said['headline']}"}
        metric, found = str(report.answer["metric"]), searched.get(str(said["data"]), ())
        said = {**said, "search": (said.get("search") or ())[:1]}
        print_answer(said, cells, metric=metric, console=console, title=title)
        print_searches(found, console)
    if tables is not None and len(tables.trials) and not any(searched.values()):
        _print_trials(tables, console)
    sweep = report.where if tables is None else tables.sweep
    if sweep is not None:
        with suppress(StoredFileError):  # the page says so
            print_ensembles(read_ensembles(sweep), console)


def _searched(tables: Tables) -> dict[str, Sequence[SearchedCell]]:
    """Return what was searched in each comparison, by its name."""
    return {data: searched_cells(own) for data, own in tables.comparisons().items()}


def print_files(report: Report, console: "Console | None" = None) -> None:
    """Print the paths of the page and of the main tables, or that none were written."""
    from segsweep.system.console import console_on

    console = console or console_on()
    where, name = report.where, report.name
    if where is None:
        line = (
            f"Nothing was written: the files of {name} stay as they are. --out FOLDER writes this."
        )
        console.print(line, soft_wrap=True)
        return
    for path in (where.page, where.comparison, where.pairs, where.results):
        if path.exists():
            console.print(str(path), soft_wrap=True)


def _print_trials(tables: Tables, console: "Console") -> None:
    best = tables.trials.dropna(subset=["val_iou"]).sort_values("val_iou", ascending=False)
    pruned = int(tables.trials["pruned"].count()) if "pruned" in tables.trials else 0
    said = f" ({pruned} pruned)" if pruned else ""
    what = "best validation IoU first:" if len(best) else "none has finished"
    console.print(f"{plural(len(tables.trials), 'trial')}{said}; {what}")
    for row in best.head(MOST_TRIALS).to_dict("records"):
        cell = f"{row['model']}/{row['loss']}"
        console.print(f"  {cell}  lr {row['lr']:.3e}  val IoU {row['val_iou']:.4f}")
