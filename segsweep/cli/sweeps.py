"""Commands that show sweeps and runs, at any time. No torch."""

import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from segsweep.cli.complete import run_names, sweep_names
from segsweep.errors import SegsweepError, StoreError
from segsweep.store.find import find_run, find_sweep, no_sweeps, sweeps_in
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.states import Status
from segsweep.sweep.history_end import history_end
from segsweep.sweep.status import STATUSES, SweepStatus, sweep_status

WATCH_SECONDS = 2.0
DIGITS = 10
"""Of the largest seed; shorter numbers are compared with spaces in front."""
SweepArgument = Annotated[
    str,
    typer.Argument(help="folder of a sweep, or its name in --outputs", autocompletion=sweep_names),
]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="only these: a cell, a run, or a pattern for them, such as 'unet2/*'",
        autocompletion=run_names,
    ),
]
Outputs = Annotated[Path, typer.Option(help="folder that contains the sweeps")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def status(
    sweep: Annotated[
        str | None,
        typer.Argument(
            help="folder of a sweep, or its name; default: all sweeps", autocompletion=sweep_names
        ),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="refresh every 2 s until Ctrl-C")] = False,
    json: Json = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Show the progress of a sweep: what is running, what failed, the time left.

    --json prints one object with the keys sweep, folder, runs, trials, counts,
    controller, slots, seconds_left, changed, running, failed, interrupted and
    warnings; without a sweep's name it prints {"sweeps": a list of these objects}.
    """
    from segsweep.cli.render import json_text
    from segsweep.sweep.status_text import status_json

    if json and watch:
        raise StoreError("--json and --watch: give only one of them")
    if json:
        found = [status_json(sweep_status(folder)) for folder in _sweep_folders(sweep, outputs)]
        print(json_text(found[0] if sweep is not None else {"sweeps": found}))
        return

    def lines() -> list[str]:
        return _status_lines(_sweep_folders(sweep, outputs))

    if watch:
        _watch(lines)
    else:
        print("\n".join(lines()))


def runs(
    sweep: SweepArgument,
    names: Names = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="only failed runs, with cause and last output")
    ] = False,
    status: Annotated[
        str | None, typer.Option(help=f"only runs with this status: {' | '.join(STATUSES)}")
    ] = None,
    json: Json = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """List a sweep's runs, or those that NAMES name.

    --json prints one object with the keys sweep and runs; each run has run, run_id,
    kind, cell, model, seed, fold, status, pruned, epoch, epochs, val_iou, best_val_iou,
    seconds_per_epoch, seconds_left, cause, error, attempts, folder, and with
    --failed also output.
    """
    from segsweep.cli.render import json_text, last_output, runs_lines
    from segsweep.sweep.status_text import run_json

    wanted = _wanted_statuses(failed, status)
    found = sweep_status(find_sweep(sweep, outputs))
    cells = _cell_by_run(found.sweep)
    named = _named(found.sweep, names or ())
    states = [run for run in found.runs if run.status in wanted and named(run.name)]
    states.sort(
        key=lambda run: (
            *(cells.get(run.name, run.cell), run.kind),
            *(run.seed.rjust(DIGITS), run.fold.rjust(DIGITS)),
        )
    )
    if json:
        values = [run_json(run, cells.get(run.name)) for run in states]
        for run, one in zip(states, values, strict=True):
            one.update({"output": last_output(run.paths)} if failed else {})
        print(json_text({"sweep": found.sweep.root.name, "runs": values}))
        return
    none = _no_run(wanted, found)
    print("\n".join(runs_lines(states, cells, failed) if states else [none]))
    _warn(found.warnings)


def _no_run(wanted: Collection[str], found: SweepStatus) -> str:
    """Return that no run has one of the *wanted* statuses, and which there are."""
    from segsweep.cli.render import counted

    if not found.runs:
        return f"{found.sweep.root.name}: no runs yet"
    return f"no run is {' or '.join(sorted(wanted))}; {counted(found.runs)}"


def show_run(run: str, outputs: Path, command_of: Callable[[RunPaths], str]) -> None:
    """Print everything about one run; *command_of* returns the command that runs it again."""
    from segsweep.cli.render import run_lines
    from segsweep.sweep.planning.hydra_errors import one_line

    paths = find_run(run, outputs)
    found = sweep_status(paths.root.parents[1])
    (state,) = (one for one in found.runs if one.name == paths.root.name)
    try:
        command = command_of(paths)
    except Exception as error:  # a deleted option, a key of another version
        command = f"cannot be determined: {one_line(error, [])}"
    for line in run_lines(state, history_end(paths.history), command):
        print(line)


def _sweep_folders(sweep: str | None, outputs: Path) -> list[Path]:
    """Return the folder of *sweep*, or all sweep folders in *outputs*."""
    if sweep is not None:
        return [find_sweep(sweep, outputs)]
    found = sweeps_in(outputs)
    if not found:
        raise no_sweeps(outputs)
    return found


def _status_lines(folders: Sequence[Path]) -> list[str]:
    from segsweep.cli.render import status_lines
    from segsweep.sweep.status_text import summary

    found = [sweep_status(folder) for folder in folders]
    return status_lines(found[0]) if len(found) == 1 else [summary(one) for one in found]


def _watch(lines: Callable[[], list[str]]) -> None:
    """Show *lines* again every two seconds until Ctrl-C, which is a normal end.

    If the output is not a terminal, print them when they change.
    """
    text = "\n".join(lines())  # before the loop: an error at the start ends the command
    with _live_output() as show, _set_by_ctrl_c() as stop:
        show(text)
        while not stop.wait(WATCH_SECONDS):
            show("\n".join(_lines_or_error(lines)))


@contextmanager
def _set_by_ctrl_c() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C sets; a KeyboardInterrupt could be lost inside a callback."""
    stop = threading.Event()
    before = signal.signal(signal.SIGINT, lambda number, frame: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _live_output() -> Iterator[Callable[[str], None]]:
    """Yield a function that replaces the text on the terminal, or prints it if it changed."""
    if sys.stdout.isatty():
        from rich.live import Live
        from rich.text import Text

        from segsweep.system.console import console_on

        with Live(console=console_on(), auto_refresh=False, vertical_overflow="crop") as live:
            yield lambda text: live.update(Text(text), refresh=True)
        return
    before = ""

    def show(text: str) -> None:
        nonlocal before
        if text != before:
            print(text, flush=True)
        before = text

    yield show


def _lines_or_error(lines: Callable[[], list[str]]) -> list[str]:
    """Return *lines*, or the error that prevents reading them at the moment."""
    try:
        return lines()
    except (SegsweepError, OSError) as error:
        from segsweep.sweep.planning.hydra_errors import one_line

        return [one_line(error)]


def _wanted_statuses(failed: bool, status: str | None) -> Sequence[str]:
    from segsweep.config.validate import nearest

    if failed:
        if status not in (None, Status.FAILED):
            raise StoreError(f"--failed and --status {status}: give only one of them")
        return (Status.FAILED,)
    if status is None:
        return STATUSES
    if status not in STATUSES:
        allowed = ", ".join(STATUSES)
        raise StoreError(f"--status {status}: allowed are {allowed}{nearest(status, STATUSES)}")
    return (status,)


def _cell_by_run(sweep: SweepPaths) -> dict[str, str]:
    """Return the name of a run's folder -> its cell, named as in the tables."""
    from segsweep.sweep.housekeeping import runs_by_cell

    if not sweep.runs.is_dir():
        return {}
    return {paths.root.name: cell for cell, found in runs_by_cell(sweep).items() for paths in found}


def _named(sweep: SweepPaths, names: Sequence[str]) -> Callable[[str], bool]:
    """Return whether the run of this name is among *names*; StoreError for an unknown name."""
    from segsweep.sweep.housekeeping import runs_by_cell
    from segsweep.sweep.select import select_runs

    if not names:
        return lambda run: True
    chosen = select_runs(runs_by_cell(sweep), names, str(sweep.root))
    wanted = {paths.root.name for found in chosen.values() for paths in found}
    return lambda run: run in wanted


def _warn(warnings: Sequence[str]) -> None:
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)
