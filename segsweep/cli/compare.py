"""The command on two cells: `segsweep compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segsweep.cli.complete import cell_names
from segsweep.cli.report import AllowMetric, Groups, MetricOption, print_notes
from segsweep.cli.sweeps import Outputs
from segsweep.config.cells import as_cell_name
from segsweep.errors import ConfigError
from segsweep.metrics import METRICS
from segsweep.store.find import find_sweep, sweeps_in
from segsweep.store.paths import SweepPaths
from segsweep.store.states import Status
from segsweep.store.tables import read_all

if TYPE_CHECKING:
    from segsweep.report.question import Asked
    from segsweep.store.tables import Tables


def compare(
    a: Annotated[
        str,
        typer.Argument(help="a cell, as the tables name it: unet2/dice", autocompletion=cell_names),
    ],
    b: Annotated[str, typer.Argument(help="another", autocompletion=cell_names)],
    sweep: Annotated[
        str | None, typer.Option(help="where they are; without it: the sweep that has both")
    ] = None,
    metric: MetricOption = "iou",
    allow: AllowMetric = None,
    groups: Groups = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Say in one paragraph whether one cell is better than another."""
    from segsweep.config.own_metric import metric_name
    from segsweep.report.question import Asked, check_measured, check_metric, split_cell

    a, b = as_cell_name(a), as_cell_name(b)
    if a == b:
        raise ConfigError(f"{a}: a cell cannot be compared with itself; give another")
    folder = find_sweep(sweep, outputs) if sweep is not None else _sweep_of(a, b, outputs)
    tables = read_all(folder)
    metric = metric_name(metric, allow or ())
    check_metric(metric)
    check_measured(metric, tables)
    (first, one), (second, other) = split_cell(a, tables), split_cell(b, tables)
    if first and second and first != second:
        raise ConfigError(
            f"{a}, {b}: on different data or with different targets ({first}; {second}): such "
            "cells are never compared"
        )
    every = tables.comparisons()
    chosen = {data: own for data, own in every.items() if (first or second) in (None, data)}
    both = {data: own for data, own in chosen.items() if {one, other} <= _finished_cells(own)}
    tested = {data: own for data, own in both.items() if not own.validation_only}
    for data, own in (tested or both or dict([next(iter(chosen.items()))])).items():
        words, notes = _pair(own, one, other, Asked(metric, None, groups))
        where = f" ({data})" if len(every) > 1 else ""
        print(f"{folder.resolve().name}{where}, {METRICS[metric].label}: {words}")
        print_notes(notes)


def _finished_cells(tables: "Tables") -> set[str]:
    return {run.cell for run in tables.runs if run.kind == "run" and run.status == Status.FINISHED}


def _pair(tables: "Tables", a: str, b: str, asked: "Asked") -> tuple[str, tuple[str, ...]]:
    """Return what can be said about two cells of one comparison, and the notes on it."""
    from segsweep.report.question import check_cell, comparable, values_of_sweep
    from segsweep.report.searched import searched_cells
    from segsweep.report.validation import check_tested
    from segsweep.stats.engine import analyse
    from segsweep.stats.wording.notes import note_texts
    from segsweep.stats.wording.search import pair_text
    from segsweep.stats.wording.sentences import paragraph

    check_tested(f"{a}, {b}", tables)
    values = values_of_sweep(comparable(tables), asked)
    for cell in (a, b):
        check_cell(cell, values.cells, tables)
    try:
        words = paragraph(analyse(values, advise=False), a, b)
    except KeyError:
        raise ConfigError(
            f"{a}, {b}: nothing can be claimed about a cell with one seed beside cells with more; "
            "run further seeds of it"
        ) from None
    found = pair_text(searched_cells(tables), (a, b))
    return words, (*([found] if found else []), *note_texts(values.notes))


def _sweep_of(a: str, b: str, outputs: Path) -> Path:
    """Return the one sweep that has both cells; ConfigError if none or several have."""
    from segsweep.sweep.housekeeping import runs_by_cell

    folders = sweeps_in(outputs)
    found = [folder for folder in folders if {a, b} <= set(runs_by_cell(SweepPaths(folder)))]
    if len(found) == 1 or len(folders) == 1:
        return (found or folders)[0]
    names = ", ".join(folder.name for folder in found or folders)
    what = "several sweeps have both cells" if found else "no sweep has both cells"
    raise ConfigError(f"{a}, {b}: {what}; name one: --sweep, of {names or 'none'} in {outputs}")
