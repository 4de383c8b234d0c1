"""`segsweep rm`: deletes sweeps, cells and runs; shows first what, and asks. No torch."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from segsweep.cli.complete import sweep_names
from segsweep.cli.sweeps import Names, Outputs
from segsweep.errors import StoreError, SweepLockedError
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.states import Status
from segsweep.system.names import plural

Cells = Mapping[str, Sequence[RunPaths]]


@dataclass(frozen=True)
class Removal:
    """What is to be deleted of one sweep."""

    sweep: SweepPaths
    cells: Cells
    """Cell -> runs to delete."""
    whole: bool
    """The sweep itself too, with its tables and its report."""

    @property
    def runs(self) -> list[RunPaths]:
        """The runs to delete."""
        return [run for found in self.cells.values() for run in found]


def rm(
    sweep: Annotated[
        str,
        typer.Argument(
            help="folder of a sweep, its name, or a pattern: 'trial-*'", autocompletion=sweep_names
        ),
    ],
    names: Names = None,
    planned: Annotated[
        bool, typer.Option("--planned", help="only runs that were planned and never started")
    ] = False,
    cells: Annotated[list[str] | None, typer.Option(help="the same as NAMES", hidden=True)] = None,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
    outputs: Outputs = Path("outputs"),
) -> None:
    """Delete a whole sweep or, with NAMES or --planned, runs of it; asks first.

    Runs are deleted finished or not, with their rows in the plan.
    """
    from segsweep.report.write import write_report
    from segsweep.sweep.housekeeping import remove_runs, remove_sweep

    removals = _removals(sweep, [*(names or ()), *(cells or ())], planned, outputs)
    if not removals:
        print("nothing to remove: no run was planned only")
        return
    for removal in removals:
        _check_free(removal.sweep)
        _show(removal)
    if not yes and not _is_confirmed():
        print("nothing removed")
        return
    for removal in removals:
        if removal.whole:
            for path in remove_sweep(removal.sweep):
                print(f"{path}: kept, segsweep did not write it")
            continue
        runs = [run for run in removal.runs if not planned or run.status() is Status.PLANNED]
        remove_runs(removal.sweep, runs)
        if removal.sweep.results.exists():
            write_report(removal.sweep)
    print(f"{_removed(removals)} removed")


def _removals(words: str, names: Sequence[str], planned: bool, outputs: Path) -> list[Removal]:
    """Return what to delete, sweep by sweep; StoreError if a name fits nothing in any of them."""
    from segsweep.sweep.housekeeping import runs_by_cell
    from segsweep.sweep.select import select_runs, select_sweeps

    found = []
    unknown: StoreError | None = None
    for sweep in map(SweepPaths, select_sweeps(words, outputs)):
        try:
            cells = select_runs(runs_by_cell(sweep), names, str(sweep.root))
        except StoreError as error:
            unknown = error
            continue
        whole = not names and not planned
        removal = Removal(sweep, _planned_only(cells) if planned else cells, whole)
        if removal.runs or whole:
            found.append(removal)
    if unknown is not None and not found:
        raise unknown
    return found


def _planned_only(cells: Cells) -> Cells:
    kept = {
        cell: [run for run in runs if run.status() is Status.PLANNED]
        for cell, runs in cells.items()
    }
    return {cell: runs for cell, runs in kept.items() if runs}


def _check_free(sweep: SweepPaths) -> None:
    """Raise SweepLockedError if a command is using *sweep*, before anything is deleted."""
    from segsweep.sweep.lock import current_holder

    holder = current_holder(sweep.lock)
    if holder is not None:
        raise SweepLockedError(
            f"sweep {sweep.root.resolve().name} is in use by {holder}; wait for it or stop it there"
        )


def _is_confirmed() -> bool:
    if not sys.stdin.isatty():
        raise StoreError("nothing removed: no terminal to confirm in; add --yes to remove them")
    return typer.confirm("Delete permanently?")


def _show(removal: Removal) -> None:
    """Print what will be deleted: each cell with its number of runs and their size on disk."""
    from segsweep.cli.render import counted
    from segsweep.sweep.status import sweep_status
    from segsweep.system.files import size_of_folder
    from segsweep.system.units import size_text

    states = {run.name: run for run in sweep_status(removal.sweep.root).runs}
    for cell, found in removal.cells.items():
        there = [states[run.root.name] for run in found]
        size = size_text(sum(size_of_folder(run.root) for run in found))
        print(f"{removal.sweep.root.name}: {cell}: {counted(there)}, {size}")
    if removal.whole:
        size = size_text(size_of_folder(removal.sweep.root))
        runs = plural(len(removal.runs), "run")
        print(f"{removal.sweep.root}: the whole sweep, {runs}, its tables and its report, {size}")


def _removed(removals: Sequence[Removal]) -> str:
    """Return how many sweeps and runs went; runs of a whole sweep count too."""
    runs = plural(sum(len(one.runs) for one in removals), "run")
    sweeps = sum(one.whole for one in removals)
    return f"{plural(sweeps, 'sweep')} with {runs}" if sweeps else runs
