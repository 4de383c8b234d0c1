"""Names that the shell completes when Tab is pressed. No torch, no pandas."""

from contextlib import suppress
from pathlib import Path

import typer

from segsweep.errors import SegsweepError
from segsweep.store.find import find_sweep, sweeps_in
from segsweep.store.paths import SweepPaths
from segsweep.store.plan import cell_in_plan, read_plan


def sweep_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of sweeps that start as typed; the shell itself completes paths."""
    return _starting(incomplete, [folder.name for folder in sweeps_in(_outputs(context))])


def run_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of runs that start as typed: of the sweep given, or of all."""
    runs = [run.root.name for sweep in _sweeps(context) for run in sweep.run_folders()]
    return _starting(incomplete, runs)


def cell_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of cells that start as typed: of the sweep given, or of all."""
    cells = [cell_in_plan(row) for sweep in _sweeps(context) for row in read_plan(sweep.plan).rows]
    return _starting(incomplete, list(dict.fromkeys(cells)))


def _sweeps(context: typer.Context) -> list[SweepPaths]:
    """Return the sweep that the command line names, or all."""
    named = context.params.get("sweep")
    folders = sweeps_in(_outputs(context))
    with suppress(SegsweepError):
        folders = [find_sweep(str(named), _outputs(context))] if named else folders
    return [SweepPaths(folder) for folder in folders]


def _outputs(context: typer.Context) -> Path:
    return Path(context.params.get("outputs") or "outputs")


def _starting(incomplete: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
