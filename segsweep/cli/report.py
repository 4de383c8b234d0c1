"""The commands on the result of a sweep: `segsweep report` and `segsweep compare`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segsweep.cli.sweeps import Outputs, SweepArgument
from segsweep.config.cells import as_cell_name
from segsweep.errors import ConfigError
from segsweep.metrics import METRICS
from segsweep.store.find import find_sweep, sweeps_in
from segsweep.store.paths import SweepPaths
from segsweep.store.tables import read_all

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.report.analysis import Compared
    from segsweep.report.question import Asked
    from segsweep.store.tables import Tables

MetricOption = Annotated[str, typer.Option(help=f"what is compared: {', '.join(METRICS)}")]
Groups = Annotated[
    Path | None,
    typer.Option(help="CSV with the columns id and group: images of one patient belong together"),
]


def report(
    sweep: SweepArgument,
    metric: MetricOption = "iou",
    by: Annotated[str | None, typer.Option(help="model | loss: averages over the rest")] = None,
    baseline: Annotated[
        str | None, typer.Option(help="a cell that every other is compared with: unet/bce")
    ] = None,
    groups: Groups = None,
    against: Annotated[
        str | None, typer.Option(help="another sweep on the same images, cell by cell")
    ] = None,
    form: Annotated[
        str | None,
        typer.Option("--format", help="csv | md | latex | html: print the table ready to paste"),
    ] = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Write a sweep's tables and report.html from its stored results, and print the answer.

    Needs neither checkpoints nor data. The sweep may be running, interrupted or a copy.
    """
    from segsweep.config.validate import check_word
    from segsweep.report.closing import print_report
    from segsweep.report.export import FORMS
    from segsweep.report.part import BY
    from segsweep.report.question import Asked
    from segsweep.report.write import write_report

    for option, word, allowed in (("--by", by, BY), ("--format", form, FORMS)):
        if word is not None:
            check_word(option, word, allowed)
    if sum(option is not None for option in (by, baseline, against)) > 1:
        raise ConfigError("--by, --baseline, --against: give only one of them")
    paths = SweepPaths(find_sweep(sweep, outputs))
    asked = Asked(metric, baseline, groups)
    if against is not None:
        other = find_sweep(against, outputs)
        _print_both(paths, SweepPaths(other), asked, form)
        return
    written = write_report(paths, asked=asked)
    if written.compared is None or (form is None and by is None and baseline is None):
        print_report(written)
        return
    _print_part(written.compared, written.tables, by, form)


def compare(
    a: Annotated[str, typer.Argument(help="a cell, as the tables name it: unet2/dice")],
    b: Annotated[str, typer.Argument(help="another")],
    sweep: Annotated[
        str | None, typer.Option(help="where they are; without it: the sweep that has both")
    ] = None,
    metric: MetricOption = "iou",
    groups: Groups = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Say in one paragraph whether one cell is better than another."""
    from segsweep.report.question import Asked, check_cell, comparable, values_of_sweep
    from segsweep.stats.engine import analyse
    from segsweep.stats.wording.notes import note_texts
    from segsweep.stats.wording.sentences import paragraph

    a, b = as_cell_name(a), as_cell_name(b)
    if a == b:
        raise ConfigError(f"{a}: a cell cannot be compared with itself; give another")
    folder = find_sweep(sweep, outputs) if sweep is not None else _sweep_of(a, b, outputs)
    tables = read_all(folder)
    values = values_of_sweep(comparable(tables), Asked(metric, None, groups))
    for cell in (a, b):
        check_cell(cell, values.cells, tables)
    try:
        words = paragraph(analyse(values, advise=False), a, b)
    except KeyError:
        raise ConfigError(
            f"{a}, {b}: nothing can be claimed about a cell with one seed beside cells with more; "
            "run further seeds of it"
        ) from None
    print(f"{folder.resolve().name}, {METRICS[metric].label}: {words}")
    _print_notes(note_texts(values.notes))


def _print_part(compared: "Compared", tables: "Tables", by: str | None, form: str | None) -> None:
    """Print one table: averages by *by*, differences to the baseline, or the cells."""
    from segsweep.report.part import part

    frame, sentences = part(compared, tables.swept, by)
    notes = compared.answer.notes
    if form is not None:
        _paste(frame, form, compared.claims, [*sentences, *notes])
        return
    from segsweep.report.closing import print_files
    from segsweep.report.terminal import print_frame

    title = f"{tables.sweep.root.resolve().name}: {' '.join(sentences)}"
    print_frame(frame, title=title, note=" ".join(notes))
    print_files(tables)


def _print_both(first: SweepPaths, second: SweepPaths, asked: "Asked", form: str | None) -> None:
    """Print the comparison of the cells that two sweeps share."""
    from segsweep.report.question import check_metric
    from segsweep.report.terminal import print_frame
    from segsweep.report.two_sweeps import (
        differing_placements,
        differing_settings,
        sweep_names,
        values_of_both,
    )
    from segsweep.stats.wording.notes import note_texts
    from segsweep.stats.wording.two_sweeps import compare_sweeps

    check_metric(asked.metric)
    tables = read_all(first.root), read_all(second.root)
    values = values_of_both(*tables, asked)
    names = sweep_names(*tables)
    try:
        sentence, frame = compare_sweeps(values, *names)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    said = (differing_settings(*tables), *differing_placements(*tables))
    notes = [note for note in (*said, *note_texts(values.notes)) if note]
    if form is not None:
        _paste(frame, form, not frame["p_adjusted"].isna().all(), [sentence, *notes])
        return
    title = f"first: {names[0]}, second: {names[1]}. {sentence}"
    print_frame(frame, title=title, note=" ".join(notes))


def _paste(frame: "DataFrame", form: str, claims: bool, notes: Sequence[str]) -> None:
    """Print the table alone on standard output; notes go to standard error."""
    from segsweep.report.export import pasted

    print(pasted(frame, form, claims=claims), end="")
    _print_notes(notes)


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"note: {note}", file=sys.stderr)


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
