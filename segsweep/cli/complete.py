"""Names that the shell completes when Tab is pressed. No torch, no pandas."""

from contextlib import suppress
from pathlib import Path

import typer

from segsweep.errors import SegsweepError
from segsweep.store.find import find_sweep, sweeps_in
from segsweep.store.paths import SweepPaths


def sweep_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of sweeps that start as typed; the shell itself completes paths."""
    return _starting(incomplete, [folder.name for folder in sweeps_in(_outputs(context))])


def run_names(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names of runs that start as typed: of the sweep given, or of all."""
    sweep = context.params.get("sweep")
    folders = sweeps_in(_outputs(context))
    with suppress(SegsweepError):
        folders = [find_sweep(str(sweep), _outputs(context))] if sweep else folders
    runs = [run.root.name for folder in folders for run in SweepPaths(folder).run_folders()]
    return _starting(incomplete, runs)


def _outputs(context: typer.Context) -> Path:
    return Path(context.params.get("outputs") or "outputs")


def _starting(incomplete: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
