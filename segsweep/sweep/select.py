"""Which runs and sweeps the words of a command name: exactly, or by a pattern such as `unet2/*`."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from segsweep.config.cells import as_cell_name
from segsweep.config.validate import nearest
from segsweep.errors import SegsweepError, StoreError
from segsweep.store.find import find_sweep, is_named, only_run, sweeps_in
from segsweep.store.paths import RunPaths


def select_sweeps(words: str, outputs: Path) -> list[Path]:
    """Return the folder of the sweep with this path or name, or those that fit a pattern.

    Raises SweepNotFoundError if there is none.
    """
    try:
        return [find_sweep(words, outputs)]
    except SegsweepError:
        found = [folder for folder in sweeps_in(outputs) if fnmatchcase(folder.name, words)]
        if not found:
            raise
        return found


def select_runs(
    cells: Mapping[str, Sequence[RunPaths]], names: Sequence[str], where: str
) -> dict[str, list[RunPaths]]:
    """Return those of the runs of *cells* that *names* name, by cell; no name: all.

    A name is a cell, a run (its folder's name, with or without the id, or its id) or a pattern
    for names of cells and runs; an exact name comes first, so that brackets in it mean
    themselves. *where* is the sweep, for messages.

    Raises:
        StoreError: a name fits nothing.
        RunNotFoundError: a run's short name or start of an id fits several.

    """
    wanted = {
        paths.root.name for name in names for paths in _runs_of(as_cell_name(name), cells, where)
    }
    kept = {
        cell: [run for run in runs if not names or run.root.name in wanted]
        for cell, runs in cells.items()
    }
    return {cell: runs for cell, runs in kept.items() if runs}


def _runs_of(name: str, cells: Mapping[str, Sequence[RunPaths]], where: str) -> Sequence[RunPaths]:
    if name in cells:
        return cells[name]
    runs = [paths for found in cells.values() for paths in found]
    if named := [paths for paths in runs if is_named(paths, name)]:
        return [only_run(name, named)]
    fitting = [
        paths
        for cell, found in cells.items()
        for paths in found
        if fnmatchcase(cell, name) or fnmatchcase(paths.root.name, name)
    ]
    if not fitting:
        there = ", ".join(sorted(cells)) or "none"
        close = nearest(name, cells)
        raise StoreError(f"{name}: no such cell or run in {where}{close}; cells are {there}")
    return fitting
