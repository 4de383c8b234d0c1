"""Commands that look at sweeps while they run or after, and that make room: no torch here."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from segsweep.errors import SegsweepError, StoreError
from segsweep.store.find import OTHER_FOLDER, find_run, find_sweep, sweeps_in
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.states import Status
from segsweep.sweep.status import STATUSES, history_end, sweep_status

WATCH_SECONDS = 2.0
Sweep = Annotated[str, typer.Argument(help="the sweep's folder, or its name in outputs/")]
Outputs = Annotated[Path, typer.Option(help="the folder that holds the sweeps")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]


def status(
    sweep: Annotated[
        str | None, typer.Argument(help="a sweep's folder, or its name; without it: all there are")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="again every 2 s, until Ctrl-C")] = False,
    json: Json = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Say how far a sweep is: what runs, what failed, how long it will take.

    With --json one object with the keys sweep, folder, runs, trials, counts,
    controller, slots, seconds_left, changed, running, failed, interrupted and
    warnings; without a sweep's name {"sweeps": [such objects]}.
    """
    from segsweep.cli.render import dumped
    from segsweep.sweep.status_text import status_json

    if json and watch:
        raise StoreError("--json and --watch: one of the two")
    if json:
        found = [status_json(sweep_status(folder)) for folder in _folders(sweep, outputs)]
        print(dumped(found[0] if sweep is not None else {"sweeps": found}))
        return

    def lines() -> list[str]:
        return _status_lines(_folders(sweep, outputs))

    if watch:
        _watch(lines)
    else:
        print("\n".join(lines()))


def runs(
    sweep: Sweep,
    failed: Annotated[bool, typer.Option("--failed", help="only these, and why")] = False,
    status: Annotated[str | None, typer.Option(help=" | ".join(STATUSES))] = None,
    json: Json = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """List a sweep's runs; with --failed their causes and last lines of output.

    With --json one object with the keys sweep and runs; each run has run, run_id,
    kind, cell, model, seed, fold, status, epoch, epochs, val_iou, best_val_iou,
    seconds_per_epoch, seconds_left, cause, error, attempts, folder, and with
    --failed also output.
    """
    from segsweep.cli.render import dumped, last_output, runs_lines
    from segsweep.sweep.status_text import run_json

    wanted = _wanted(failed, status)
    found = sweep_status(find_sweep(sweep, outputs))
    cells = _cells(found.sweep)
    states = [run for run in found.runs if run.status in wanted]
    states.sort(key=lambda run: (cells.get(run.name, run.cell), run.kind, run.seed, run.fold))
    if json:
        values = [run_json(run, cells.get(run.name)) for run in states]
        for run, one in zip(states, values, strict=True):
            one.update({"output": last_output(run.paths)} if failed else {})
        print(dumped({"sweep": found.sweep.root.name, "runs": values}))
        return
    print("\n".join(runs_lines(states, cells, failed) if states else ["no such runs"]))
    _warn(found.warnings)


def show_run(run: str, outputs: Path, again: Callable[[RunPaths], str]) -> None:
    """Print all about one run; *again* returns the command that makes it once more."""
    from segsweep.cli.render import run_lines
    from segsweep.sweep.planning.hydra_errors import one_line

    paths = find_run(run, outputs)
    found = sweep_status(paths.root.parents[1])
    (state,) = (one for one in found.runs if one.name == paths.root.name)
    try:
        command = again(paths)
    except Exception as error:  # a folder of options that is gone, a key of another version
        command = f"cannot be said: {one_line(error, [])}"
    for line in run_lines(state, history_end(paths.history), command):
        print(line)


def rm(
    sweep: Sweep,
    cells: Annotated[
        list[str], typer.Option(help="a cell to remove, as `segsweep runs` names it; repeatable")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Remove cells from a sweep: their runs, finished or not, and their rows of the plan."""
    from segsweep.report.write import write_report
    from segsweep.sweep.housekeeping import remove_cells, runs_of_cells

    paths = SweepPaths(find_sweep(sweep, outputs))
    to_remove = runs_of_cells(paths, cells)
    _list_runs(paths, to_remove)
    if not yes:
        if not sys.stdin.isatty():
            raise StoreError("nothing removed: there is nobody to ask; add --yes to remove them")
        if not typer.confirm("Remove them for good?"):
            print("nothing removed")
            return
    gone = remove_cells(paths, list(to_remove))
    if paths.results.exists():
        write_report(paths)
    print(f"{len(gone)} run{'s' if len(gone) != 1 else ''} removed")


def _folders(sweep: str | None, outputs: Path) -> list[Path]:
    if sweep is not None:
        return [find_sweep(sweep, outputs)]
    found = sweeps_in(outputs)
    if not found:
        raise StoreError(f"no sweep in {outputs}; {OTHER_FOLDER}")
    return found


def _status_lines(folders: Sequence[Path]) -> list[str]:
    from segsweep.cli.render import status_lines
    from segsweep.sweep.status_text import summary

    found = [sweep_status(folder) for folder in folders]
    return status_lines(found[0]) if len(found) == 1 else [summary(one) for one in found]


def _watch(lines: Callable[[], list[str]]) -> None:
    """Show *lines* anew every two seconds; to leave with Ctrl-C is what everybody does: no error.

    Where output is no terminal, they are printed when they change.
    """
    shown = "\n".join(lines())  # what is wrong at the start is an error like any other
    with _showing() as show, _asked_to_leave() as leave:
        show(shown)
        while not leave.wait(WATCH_SECONDS):
            show("\n".join(_still(lines)))


@contextmanager
def _asked_to_leave() -> Iterator[threading.Event]:
    """Yield what Ctrl-C sets: an exception may come at a moment in which Python drops it."""
    leave = threading.Event()
    before = signal.signal(signal.SIGINT, lambda number, frame: leave.set())
    try:
        yield leave
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _showing() -> Iterator[Callable[[str], None]]:
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.live import Live
        from rich.text import Text

        console = Console(highlight=False)
        with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
            yield lambda text: live.update(Text(text), refresh=True)
        return
    before = ""

    def show(text: str) -> None:
        nonlocal before
        if text != before:
            print(text, flush=True)
        before = text

    yield show


def _still(lines: Callable[[], list[str]]) -> list[str]:
    """Return *lines*, or what keeps them from being read right now."""
    try:
        return lines()
    except (SegsweepError, OSError) as error:
        from segsweep.sweep.planning.hydra_errors import one_line

        return [one_line(error)]


def _wanted(failed: bool, status: str | None) -> Sequence[str]:
    from segsweep.config.validate import nearest

    if failed:
        if status not in (None, Status.FAILED):
            raise StoreError(f"--failed and --status {status}: one of the two")
        return (Status.FAILED,)
    if status is None:
        return STATUSES
    if status not in STATUSES:
        allowed = ", ".join(STATUSES)
        raise StoreError(f"--status {status}: allowed are {allowed}{nearest(status, STATUSES)}")
    return (status,)


def _cells(sweep: SweepPaths) -> dict[str, str]:
    """Return each run folder's cell by the name that the tables and `rm` give it."""
    from segsweep.sweep.housekeeping import runs_by_cell

    if not sweep.runs.is_dir():
        return {}
    return {paths.root.name: cell for cell, found in runs_by_cell(sweep).items() for paths in found}


def _list_runs(sweep: SweepPaths, to_remove: dict[str, list[RunPaths]]) -> None:
    from segsweep.cli.render import counted
    from segsweep.system.units import size_text

    states = {run.name: run for run in sweep_status(sweep.root).runs}
    for cell, found in to_remove.items():
        size = sum(
            file.stat().st_size for run in found for file in run.root.rglob("*") if file.is_file()
        )
        there = [states[run.root.name] for run in found]
        print(f"{cell}: {counted(there)}, {size_text(size)}")


def _warn(warnings: Sequence[str]) -> None:
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)
