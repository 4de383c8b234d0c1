"""The command on the result of a sweep: `segsweep report`."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segsweep.cli.sweeps import Outputs, SweepArgument
from segsweep.errors import ConfigError
from segsweep.metrics import METRICS
from segsweep.store.find import find_sweep
from segsweep.store.paths import SweepPaths
from segsweep.store.tables import read_all

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.report.export import Heading
    from segsweep.report.question import Asked
    from segsweep.report.write import Report
    from segsweep.stats.wording.answer import Answer

MetricOption = Annotated[
    str,
    typer.Option(help=f"what is compared: {', '.join(METRICS)}, or your own: package.METRIC"),
]
AllowMetric = Annotated[
    list[str] | None, typer.Option("--allow", help="a package of your own that the metric is in")
]
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


@dataclass(frozen=True)
class Table:
    """A table of one comparison, with what belongs to it."""

    frame: "DataFrame"
    claims: bool
    """False where nothing can be said about methods."""
    heading: "Heading"
    name: str
    sentences: tuple[str, ...]
    notes: tuple[str, ...]


def report(
    sweep: SweepArgument,
    metric: MetricOption = "iou",
    allow: AllowMetric = None,
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
    from segsweep.config.own_metric import metric_name
    from segsweep.report.closing import print_report
    from segsweep.report.question import Asked
    from segsweep.report.write import outside, second_look, write_report

    paste = Paste(form, tuple(filter(None, columns.split(","))), caption, label, out)
    _check_options(by, baseline, against, paste)
    paths = SweepPaths(find_sweep(sweep, outputs))
    asked = Asked(metric_name(metric, allow or ()), baseline, groups)
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


def _print_look(look: "Report", by: str | None, paste: Paste) -> None:
    """Print a second look, and write it where that was asked for.

    That is one table of each comparison, averages by *by* or differences to the baseline, or the
    answers and all cells.
    """
    from segsweep.report.caption import heading_of
    from segsweep.report.closing import print_files, print_report
    from segsweep.report.part import part
    from segsweep.report.terminal import print_frame
    from segsweep.report.write import write_look

    comparisons = look.compared or ()
    sweep, found = look.name, []
    for compared in comparisons:
        name = sweep if len(comparisons) == 1 else f"{sweep}, {compared.data}"
        frame, sentences = part(compared, compared.swept, by)
        heading = heading_of(compared, name, by, paste.caption, paste.label)
        found.append(
            Table(frame, compared.claims, heading, name, tuple(sentences), _notes(compared.answer))
        )
    text = _pasted(found, paste)  # a wrong column is found before writing
    if paste.out is not None:
        look = write_look(look, paste.out)
    if paste.form is not None:
        _paste(text, paste, [note for table in found for note in (*table.sentences, *table.notes)])
    elif by is not None or look.asked.baseline is not None:
        for table in found:
            title = f"{table.name}: {' '.join(table.sentences)}"
            print_frame(table.frame, title=title, note=" ".join(table.notes))
        if paste.out is not None:
            _paste(text, paste, [])
        print_files(look)
    else:
        print_report(look)


def _notes(answer: "Answer") -> tuple[str, ...]:
    """Return the notes below a table; the first says at which values cells are compared."""
    return (*answer.search[:1], *answer.notes)


def _print_both(first: SweepPaths, second: SweepPaths, asked: "Asked", paste: Paste) -> None:
    """Print the comparison of the cells that two sweeps share."""
    from segsweep.report.caption import heading_of_two
    from segsweep.report.question import check_metric
    from segsweep.report.terminal import print_frame
    from segsweep.report.two_sweeps import (
        differing_placements,
        differing_settings,
        shared_comparisons,
        sweep_names,
        values_of_both,
    )
    from segsweep.stats.wording.notes import note_texts
    from segsweep.stats.wording.two_sweeps import compare_sweeps

    check_metric(asked.metric)
    whole = read_all(first.root), read_all(second.root)
    names, shared, found = sweep_names(*whole), shared_comparisons(*whole), []
    heading = heading_of_two(names, METRICS[asked.metric].label, paste.caption, paste.label)
    for data, one, other in shared:
        values = values_of_both(one, other, asked)
        try:
            sentence, frame = compare_sweeps(values, *names)
        except ValueError as error:
            raise ConfigError(str(error)) from None
        frame.insert(0, "data", data)
        said = (differing_settings(one, other), *differing_placements(one, other))
        notes = tuple(note for note in (*said, *note_texts(values.notes)) if note)
        claims = not frame["p_adjusted"].isna().all()
        where = f"{data}: " if len(shared) > 1 else ""
        title = f"{where}first: {names[0]}, second: {names[1]}. {sentence}"
        found.append(Table(frame, claims, heading, title, (sentence,), notes))
    text = _pasted(found, paste)
    for table in found if paste.form is None else ():
        print_frame(table.frame, title=table.name, note=" ".join(table.notes))
    if paste.form is not None or paste.out is not None:
        every = [note for table in found for note in (*table.sentences, *table.notes)]
        _paste(text, paste, every if paste.form is not None else [])


def _pasted(tables: "Sequence[Table]", paste: Paste) -> str:
    """Return tables ready to paste; ConfigError for a column that they do not have.

    A CSV is one table with the column `data`; elsewhere there is one of each comparison.
    """
    from segsweep.config.validate import check_word
    from segsweep.report.comparisons import joined
    from segsweep.report.export import pasted

    form, names = paste.form or "csv", paste.columns or None
    for name in paste.columns:
        check_word("--columns", name, [str(column) for column in tables[0].frame.columns])
    if form == "csv":
        return pasted(joined([table.frame for table in tables]), form, names=names)
    texts = []
    for table in tables:
        alone = len(tables) == 1 and "data" not in paste.columns
        frame = table.frame.drop(columns="data") if alone else table.frame
        texts.append(pasted(frame, form, claims=table.claims, names=names, heading=table.heading))
    return "\n".join(texts)


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
    print_notes(notes)


def print_notes(notes: Sequence[str]) -> None:
    """Print notes on standard error, so that standard output holds results alone."""
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
