"""The commands on the result of a sweep: `segsweep report` and `segsweep compare`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
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

    from segsweep.report.export import Heading
    from segsweep.report.question import Asked
    from segsweep.report.write import Report

MetricOption = Annotated[str, typer.Option(help=f"what is compared: {', '.join(METRICS)}")]
Groups = Annotated[
    Path | None,
    typer.Option(help="CSV with the columns id and group: images of one patient belong together"),
]


@dataclass(frozen=True)
class Paste:
    """How a table is printed ready to paste."""

    form: str | None
    """One of FORMS; None: not at all."""
    columns: tuple[str, ...]
    """Empty: all."""
    caption: str | None
    label: str | None
    """None: made from what the table shows."""
    out: Path | None
    """A folder for the table and the report; None: the table is printed."""


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
    columns: Annotated[
        str, typer.Option(help="with --format: the columns, by their names in the CSV: a,b,c")
    ] = "",
    caption: Annotated[
        str | None, typer.Option(help="with --format latex: instead of the one made from the table")
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="with --format latex: instead of tab:<sweep>-<metric>")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="folder for the files, instead of the sweep's own")
    ] = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Write a sweep's tables and report.html from its stored results, and print the answer.

    Needs neither checkpoints nor data. The sweep may be running, interrupted or a copy. Its own
    files are about its default question; another metric, --by, --baseline or --groups is a second
    look: it is printed, and written to --out.
    """
    from segsweep.report.closing import print_report
    from segsweep.report.question import Asked
    from segsweep.report.write import outside, second_look, write_report

    paste = Paste(form, tuple(filter(None, columns.split(","))), caption, label, out)
    _check_options(by, baseline, against, paste)
    paths = SweepPaths(find_sweep(sweep, outputs))
    asked = Asked(metric, baseline, groups)
    if against is not None:
        other = find_sweep(against, outputs)
        _print_both(paths, SweepPaths(other), asked, paste)
        return
    if asked == Asked() and by is None and out is None and form is None:
        print_report(write_report(paths))
        return
    if out is not None:
        outside(out)
    _print_look(second_look(paths, asked), by, paste)


def _check_options(by: str | None, baseline: str | None, against: str | None, paste: Paste) -> None:
    """Raise ConfigError for words that are not allowed, and for options that do not go together."""
    from segsweep.config.validate import check_word
    from segsweep.report.export import FORMS
    from segsweep.report.part import BY

    for option, word, allowed in (("--by", by, BY), ("--format", paste.form, FORMS)):
        if word is not None:
            check_word(option, word, allowed)
    if sum(option is not None for option in (by, baseline, against)) > 1:
        raise ConfigError("--by, --baseline, --against: give only one of them")
    if paste.columns and paste.form is None:
        forms = ", ".join(FORMS)
        raise ConfigError(f"--columns: give --format as well, one of {forms}")
    if paste.form != "latex" and (paste.caption is not None or paste.label is not None):
        raise ConfigError("--caption, --label: they belong to --format latex")


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


def _print_look(look: "Report", by: str | None, paste: Paste) -> None:
    """Print a second look, and write it where that was asked for.

    That is one table, averages by *by* or differences to the baseline, or the answer and all cells.
    """
    from segsweep.report.caption import heading_of
    from segsweep.report.closing import print_files, print_report
    from segsweep.report.part import part
    from segsweep.report.terminal import print_frame
    from segsweep.report.write import write_look

    assert look.compared is not None, "a second look always compares"
    compared, tables = look.compared, look.tables
    frame, sentences = part(compared, tables.swept, by)
    notes, name = compared.answer.notes, tables.sweep.root.resolve().name
    one_table = by is not None or compared.asked.baseline is not None
    heading = heading_of(compared, name, by, paste.caption, paste.label)
    text = _pasted(frame, paste, compared.claims, heading)  # a wrong column is found before writing
    if paste.out is not None:
        look = write_look(look, paste.out)
    if paste.form is not None:
        _paste(text, paste, [*sentences, *notes])
    elif one_table:
        print_frame(frame, title=f"{name}: {' '.join(sentences)}", note=" ".join(notes))
        if paste.out is not None:
            _paste(text, paste, [])
        print_files(look)
    else:
        print_report(look)


def _print_both(first: SweepPaths, second: SweepPaths, asked: "Asked", paste: Paste) -> None:
    """Print the comparison of the cells that two sweeps share."""
    from segsweep.report.caption import heading_of_two
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
    heading = heading_of_two(names, METRICS[asked.metric].label, paste.caption, paste.label)
    text = _pasted(frame, paste, not frame["p_adjusted"].isna().all(), heading)
    if paste.form is None:
        title = f"first: {names[0]}, second: {names[1]}. {sentence}"
        print_frame(frame, title=title, note=" ".join(notes))
    if paste.form is not None or paste.out is not None:
        _paste(text, paste, [sentence, *notes] if paste.form is not None else [])


def _pasted(frame: "DataFrame", paste: Paste, claims: bool, heading: "Heading") -> str:
    """Return a table ready to paste; ConfigError for a column that it does not have."""
    from segsweep.config.validate import check_word
    from segsweep.report.export import pasted

    for name in paste.columns:
        check_word("--columns", name, [str(column) for column in frame.columns])
    names = paste.columns or None
    return pasted(frame, paste.form or "csv", claims=claims, names=names, heading=heading)


def _paste(text: str, paste: Paste, notes: Sequence[str]) -> None:
    """Print the table alone on standard output, or write it to the folder that was named.

    Notes go to standard error.
    """
    from segsweep.report.export import ENDINGS
    from segsweep.report.write import outside
    from segsweep.system.files import write_if_changed

    if paste.out is not None:
        outside(paste.out).root.mkdir(parents=True, exist_ok=True)
        path = paste.out / f"table.{ENDINGS[paste.form or 'csv']}"
        write_if_changed(path, text)
        print(path)
    else:
        print(text, end="")
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
