"""Room on the disk and order in the folder: checkpoints, runs done again, cells removed.

Tables and report never need a checkpoint, so those of finished runs may go at any time.
"""

import shutil
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from segsweep.errors import RunClaimedError, StoreError
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import PLAN, read_rows
from segsweep.store.retention import checkpoint_files, delete_files
from segsweep.store.states import Status
from segsweep.store.tables import read_all
from segsweep.sweep.lock import SweepLock
from segsweep.system.files import claimed, csv_text, locked, write_text

NEW = ".new-"
"""In front of a run's name in `earlier/`: the folder that takes the place of the old one."""


def move_earlier(sweep: SweepPaths, paths: RunPaths) -> RunPaths:
    """Put a finished run into `earlier/`, a clean one in its place; return where the old one is.

    The new folder has the config and the log of test-set reads; the old one loses its
    checkpoints. The new folder is made first, under another name: a kill leaves the old run
    where it was or, between two renames, no run at all, which `repair` then puts right.
    Expects that the caller holds the sweep's lock.

    Raises:
        StoreError: the run is not finished.
        RunClaimedError: it is being trained.

    """
    if not paths.result.exists():
        raise StoreError(f"run {paths.root.name} is not finished: it needs no second time")
    name = paths.root.name
    fresh = RunPaths(_earlier(sweep) / f"{NEW}{name}")
    if fresh.root.exists():
        _repair_move(sweep, fresh)
    fresh.root.mkdir(parents=True)
    for old, new in ((paths.config, fresh.config), (paths.test_reads, fresh.test_reads)):
        if old.exists():
            write_text(new, old.read_text(encoding="utf-8"))
    number = next(n for n in count(1) if not (_earlier(sweep) / f"{name}-{n}").exists())
    place = RunPaths(_earlier(sweep) / f"{name}-{number}")
    with claimed(paths.claim) as mine:
        if not mine:
            raise RunClaimedError(f"run {name} is being trained by another process; wait for it")
        paths.root.rename(place.root)
        fresh.root.rename(paths.root)
    delete_files(checkpoint_files(place))
    return place


def repair(sweep: SweepPaths) -> None:
    """Complete what a kill cut short in `move_earlier` or `remove_cells`.

    For whoever holds the sweep's lock, before anything else; where there is nothing to
    mend it takes no time and changes nothing.
    """
    earlier = sorted(_earlier(sweep).iterdir()) if _earlier(sweep).is_dir() else []
    for folder in earlier:
        if folder.name.startswith(NEW):
            _repair_move(sweep, RunPaths(folder))
        else:
            delete_files(checkpoint_files(RunPaths(folder)))
    if _removed(sweep).exists():
        shutil.rmtree(_removed(sweep))


def _repair_move(sweep: SweepPaths, fresh: RunPaths) -> None:
    """Put a prepared folder into its place, or, where that is taken, only its log of reads."""
    paths = sweep.run(fresh.root.name.removeprefix(NEW))
    if not paths.root.exists():
        fresh.root.rename(paths.root)
        return
    before, there = read_rows(fresh.test_reads), read_rows(paths.test_reads)
    if any(row not in there for row in before):  # a run was planned there without mending
        rows = [*before, *(row for row in there if row not in before)]
        write_text(paths.test_reads, csv_text(rows, list(rows[0])))
    shutil.rmtree(fresh.root)


def runs_by_cell(sweep: SweepPaths) -> dict[str, list[RunPaths]]:
    """Return the runs of each cell, trials included, by the names that the tables give cells.

    A run whose config cannot be read belongs to the cell that the plan says. StoreError
    where there is no sweep.
    """
    cells: dict[str, list[RunPaths]] = {}
    known = set()
    for record in read_all(sweep.root, warn_ignored=False).runs:
        paths = RunPaths(record.path)
        cells.setdefault(record.cell, []).append(paths)
        known.add(paths.root.name)
    planned = {row["folder"]: row for row in read_rows(sweep.plan)}
    for folder, row in planned.items():
        if folder not in known:
            cell = row.get("cell") or f"{row['model']}/{row['loss']}"  # early plans had no cells
            cells.setdefault(cell, []).append(sweep.run(folder))
    return cells


def runs_of_cells(sweep: SweepPaths, cells: Sequence[str]) -> dict[str, list[RunPaths]]:
    """Return the runs of each of *cells*; StoreError naming what there is if one is unknown."""
    from segsweep.config.validate import nearest

    found = runs_by_cell(sweep)
    for cell in cells:
        if cell not in found:
            there = ", ".join(sorted(found)) or "none"
            close = nearest(cell, found)
            raise StoreError(f"{cell}: no such cell in {sweep.root}{close}; cells are {there}")
    return {cell: found[cell] for cell in cells}


def remove_cells(sweep: SweepPaths, cells: Sequence[str]) -> list[RunPaths]:
    """Delete the runs of *cells*, finished or not, and their rows of the plan; return them.

    The plan goes first: a kill then leaves some runs whole and in the tables, to be removed
    by the same command. The other way round it would leave rows that ask for runs which
    somebody wanted to be rid of. Each folder leaves `runs/` in one step, so no table ever
    shows half a run.

    Raises:
        StoreError: no such sweep or cell.
        SweepLockedError: a command is working on the sweep.
        RunClaimedError: a run of these cells is being trained; nothing was removed.

    """
    if not sweep.runs.is_dir():
        raise StoreError(f"no sweep in {sweep.root}: it has no folder runs/")
    with SweepLock(sweep.lock):
        repair(sweep)
        to_remove = [paths for runs in runs_of_cells(sweep, cells).values() for paths in runs]
        for paths in to_remove:
            if paths.status() is Status.RUNNING:
                raise _claimed(paths)
        _strike_from_plan(sweep, {paths.root.name for paths in to_remove})
        for paths in to_remove:
            _remove(sweep, paths)
        repair(sweep)
    return to_remove


def _strike_from_plan(sweep: SweepPaths, folders: set[str]) -> None:
    with locked(sweep.plan_lock):
        rows: list[Mapping[str, Any]] = list(read_rows(sweep.plan))
        kept = [row for row in rows if row["folder"] not in folders]
        if len(kept) < len(rows):
            write_text(sweep.plan, csv_text(kept, PLAN))


def _remove(sweep: SweepPaths, paths: RunPaths) -> None:
    if not paths.root.exists():
        return
    place = _removed(sweep) / paths.root.name
    place.parent.mkdir(exist_ok=True)
    with claimed(paths.claim) as mine:
        if not mine:
            raise _claimed(paths)
        paths.root.rename(place)
    shutil.rmtree(place)


def _claimed(paths: RunPaths) -> RunClaimedError:
    name = paths.root.name
    return RunClaimedError(f"run {name} is being trained; wait for it or stop it, then try again")


def _earlier(sweep: SweepPaths) -> Path:
    return sweep.root / "earlier"


def _removed(sweep: SweepPaths) -> Path:
    return sweep.root / ".removed"
