"""`segsweep evaluate`: does the ranking of a sweep carry over to another data set?"""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from segsweep.cli.complete import cell_names
from segsweep.cli.predict import check_device
from segsweep.errors import ConfigError, StoreError
from segsweep.store.find import find_sweep
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.system.names import is_or_are, plural

if TYPE_CHECKING:
    from segsweep.config.run_config import Values
    from segsweep.report.elsewhere import OnOtherData
    from segsweep.store.tables import Tables
    from segsweep.use.evaluate import Elsewhere

Compose = Callable[[Sequence[str], Path | None], "tuple[Values, Mapping[str, str]]"]
"""Overrides and a folder with the user's own options -> resolved values, chosen options."""
Data = Annotated[
    str | None,
    typer.Option(
        help="the other data: a folder of images and masks, or words as for training: "
        "'data=ph2 data.root=/data/PH2'"
    ),
]
Cells = Annotated[
    list[str] | None,
    typer.Option(
        "--cell",
        help="only this cell; may be given several times",
        autocompletion=cell_names,
    ),
]
Ensemble = Annotated[
    int | None,
    typer.Option(
        help="instead: the mean of all runs of so many best cells on the sweep's own images; with "
        "--cell of that cell",
        min=1,
    ),
]
Flips = Annotated[bool, typer.Option("--flips", help="of an ensemble: mean over four flips")]
Name = Annotated[str | None, typer.Option(help="of the evaluation's folder; default: of the data")]


@dataclass(frozen=True)
class Where:
    """A sweep, and how its networks are used."""

    sweep: str
    outputs: Path
    device: str
    threads: int
    allow: tuple[str, ...]


def check_options(
    data: str | None, ensemble: int | None, cells: Sequence[str], flips: bool, name: str | None
) -> None:
    """Raise ConfigError unless other data or an ensemble is asked for, with its own options."""
    if (data is None) == (ensemble is None):
        given = "give only one of them" if data is not None else "give one of them"
        raise ConfigError(f"--data and --ensemble: {given}")
    if data is not None and flips:
        raise ConfigError("--flips: belongs to --ensemble")
    if ensemble is not None and (name is not None or len(cells) > 1):
        what = "--name" if name is not None else "several --cell"
        raise ConfigError(f"{what}: belongs to --data")


def score(where: Where, ensemble: int, cell: str | None, flips: bool) -> None:
    """Score an ensemble on the sweep's own images, unless that is stored, and print it."""
    from segsweep.report.write import write_report
    from segsweep.store.ensembles import repair_reads
    from segsweep.store.tables import read_all
    from segsweep.sweep.lock import SweepLock
    from segsweep.system.clock import time_text
    from segsweep.use.choose import choose_ensemble
    from segsweep.use.ensemble import known_score, score_ensemble
    from segsweep.use.network import Way, open_network
    from segsweep.use.together import Together

    tables = read_all(find_sweep(where.sweep, where.outputs))
    choice = choose_ensemble(tables, ensemble, cell)
    check_device(where.device)
    print(f"using {choice.why}", file=sys.stderr)
    with SweepLock(tables.sweep.lock):
        if damage := repair_reads(tables.sweep, time_text()):
            print(f"{damage}; written again from ensembles.csv, and says so", file=sys.stderr)
        row = known_score(tables.sweep, choice, flips)
        if row is None:
            way = Way(where.device, where.threads, flips=flips, allow=where.allow)
            together = Together(tuple(open_network(run, way) for run in choice.runs))
            row = score_ensemble(tables.sweep, choice, together, ", ".join(choice.cells))
        write_report(tables.sweep)  # its page has a table of ensembles
    print(f"validation IoU {row.val_iou:.4f}")
    if row.n_test:
        print(
            f"test IoU       {row.test_iou:.4f}; its {row.networks} networks alone {row.alone:.4f}"
        )
    print(tables.sweep.ensembles)


def evaluate(
    where: Where, data: str, cells: Sequence[str], name: str | None, compose: Compose
) -> int:
    """Score the runs of a sweep on other data and print how the cells rank there.

    Returns the exit code: 1 if weights of some runs were removed or are damaged.
    """
    from segsweep.store.evaluations import check_name, start_evaluation
    from segsweep.store.tables import read_all
    from segsweep.sweep.lock import SweepLock
    from segsweep.use.evaluate import evaluate_all, evaluation_of, slug
    from segsweep.use.network import Way

    tables = read_all(find_sweep(where.sweep, where.outputs))
    runs = _runs(tables, cells)
    places = _places(data)
    words = [] if places else _words(data)
    name = name or slug(words, places)
    check_name(name)
    check_device(where.device)  # imports torch
    other = _other(words, places, compose)
    found = evaluation_of(tables.sweep, runs, other, name)
    with SweepLock(tables.sweep.lock):
        evaluation = start_evaluation(tables.sweep, found)
        todo = [run for run in runs if not evaluation.has(run)]
        way = Way(where.device, where.threads, allow=where.allow)
        done, lost = evaluate_all(todo, other, evaluation, way, _counter())
    for count, names in _by_count(done).items():
        runs_ = names[0] if len(names) == 1 else f"{len(names)} runs"
        print(
            f"{plural(count, 'image')} left out of {runs_}: trained or chosen on them",
            file=sys.stderr,
        )
    for error in lost:
        print(f"left out: {error}", file=sys.stderr)
    _unchecked(evaluation.name, tables.sweep, [run for run in todo if run.root.name in done])
    _show(tables.sweep, evaluation.name)
    return 1 if lost else 0


def _runs(tables: "Tables", cells: Sequence[str]) -> list[RunPaths]:
    """Return the finished runs of the named cells, of all cells without a name."""
    from segsweep.use.choose import finished_cells, one_cell

    every = finished_cells(tables)
    if not every:
        raise StoreError(f"{tables.sweep.root.name}: no run is finished yet: nothing to evaluate")
    if len(tables.comparisons()) > 1:
        raise StoreError(
            f"{tables.sweep.root.name}: has several data sets or targets; their networks are not "
            "compared on another one"
        )
    named = dict(one_cell(tables, name) for name in cells) or every
    return [RunPaths(run.path) for found in named.values() for run in found]


def _words(data: str) -> list[str]:
    """Return the overrides in `--data`; ConfigError unless they are about the data alone."""
    try:
        words = shlex.split(data)
    except ValueError as error:  # a quote without its end
        raise ConfigError(f"--data {data}: {error}") from error
    given = [word for word in words if "=" in word]
    for word in given:
        section, _, key = word.partition("=")[0].lstrip("+~").partition(".")
        if section not in ("data", "allow"):
            raise ConfigError(
                f"--data: {word}: not about the data; allowed are data=..., data.KEY=... and "
                "allow=[...]: all else is as in training"
            )
        if section == "data" and (why := _without_effect(key.partition(".")[0])):
            raise ConfigError(f"--data: {word}: has no effect here, {why}; leave it out")
    if given == words and not any(word.lstrip("+~").startswith("data") for word in words):
        raise ConfigError("--data: no data named; give a folder, or data=... as for training")
    return words


def _without_effect(key: str) -> str:
    """Return why a key of the data node changes nothing on other data; empty if it does."""
    from segsweep.use.evaluate import SIZE_KEYS

    if key in SIZE_KEYS:
        return "the networks see images as they did in training"
    return "every image is scored" if key == "split" else ""


def _places(data: str) -> list[Path]:
    from segsweep.cli.places import is_place

    return [Path(data).expanduser()] if is_place(data) else []


def _other(words: Sequence[str], places: Sequence[Path], compose: Compose) -> "Elsewhere":
    """Return the other data set, checked as training checks it."""
    from segsweep.cli.look import look_at, print_left_over
    from segsweep.cli.places import check_places
    from segsweep.config.allow import command_line
    from segsweep.config.cells import flat_values
    from segsweep.config.check import check_config
    from segsweep.config.run_config import RunConfig
    from segsweep.config.truth import data_title, target_of
    from segsweep.use.evaluate import Elsewhere

    if places:
        look = look_at(places, [])
        words = look.words
        print_left_over(look)
    else:
        check_places(words)
    values, choices = compose(words, None)
    with command_line(words):
        config = RunConfig.of(check_config(values, choices))
    unknown = {"data_fingerprint": "", "data_target": target_of(config.data.source)}
    return Elsewhere(config, data_title(flat_values({**config.values, **unknown})), tuple(words))


def _counter() -> Callable[[int, int], None]:
    from segsweep.system.progress import Counter

    return Counter("evaluating runs")


def _by_count(done: Mapping[str, tuple[int, int]]) -> dict[int, list[str]]:
    """Return number of images left out -> the runs; those that lack none are not in it."""
    found: dict[int, list[str]] = {}
    for run, (_, left_out) in done.items():
        if left_out:
            found.setdefault(left_out, []).append(run)
    return found


def _unchecked(name: str, sweep: SweepPaths, runs: Sequence[RunPaths]) -> None:
    """Say if nobody could check whether networks were trained on these images."""
    from segsweep.store.evaluations import evaluation_at

    evaluation = evaluation_at(sweep, name)
    if evaluation is not None and any(not evaluation.is_checked(run) for run in runs):
        print(
            "the images that the networks were trained on are not here, so nobody checked that "
            "these are others",
            file=sys.stderr,
        )


def _show(sweep: SweepPaths, name: str) -> None:
    """Print the cells on the other data, and whether the ranking carries over."""
    from segsweep.report.elsewhere import on_other_data, write_tables
    from segsweep.report.write import write_report

    report = write_report(sweep)  # its page has a table of each evaluation
    assert report.tables is not None and report.compared is not None, "it was written"
    found = on_other_data(report.tables, report.compared)
    (shown,) = [one for one in found if one.evaluation.name == name]
    _print(shown)
    for path in write_tables(shown):
        print(path)


def _print(shown: "OnOtherData") -> None:
    from dataclasses import asdict

    from segsweep.report.terminal import print_answer, print_line
    from segsweep.system.console import console_on

    console, compared = console_on(), shown.compared
    said = {**asdict(compared.answer), "claims": compared.claims, "search": ()}
    metric = compared.asked.metric
    print_answer(said, compared.cells, metric=metric, console=console, title=shown.label)
    for line in shown.sentences:
        print_line(line, console)
    if shown.stale:
        runs = plural(shown.stale, "finished run")
        verb = is_or_are(shown.stale)
        print_line(f"{runs} of the sweep {verb} not evaluated.", console)
