"""Moves a finished run aside so that it can be trained again; removes runs and whole sweeps.

Each step on the disk leaves whole runs: after a kill, `repair` completes what was interrupted.
"""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from segsweep.errors import RunClaimedError, StoreError
from segsweep.store.find import no_sweep
from segsweep.store.kept_runs import kept_file
from segsweep.store.paths import RunPaths, SweepPaths, is_run_name
from segsweep.store.pictures import remove_pictures
from segsweep.store.plan import PLAN, cell_in_plan, lost_rows, read_plan
from segsweep.store.records import READS, known_reads
from segsweep.store.retention import checkpoint_files, delete_files
from segsweep.store.states import Status
from segsweep.store.tables import read_all
from segsweep.store.tracked import remove_records
from segsweep.sweep.lock import SweepLock
from segsweep.system.files import claimed, csv_text, locked, write_text

NEW = ".new-"
"""Prefix of a folder in `earlier/` that will replace the run of the same name."""


def move_earlier(sweep: SweepPaths, paths: RunPaths) -> RunPaths:
    """Move a finished run to `earlier/`, put a clean one in its place; return the moved run.

    The clean folder has the config and the log of test-set reads; the moved one keeps its
    checkpoints until the run starts anew. The clean folder is created first, under another name:
    a kill leaves the old run in place or, between two renames, no run at all, which `repair` then
    completes. The caller holds the sweep's lock.

    Raises:
        StoreError: the run is not finished.
        RunClaimedError: it is being trained.

    """
    if not paths.result.exists():
        raise StoreError(f"run {paths.root.name} is not finished: only finished runs are repeated")
    name = paths.root.name
    fresh = RunPaths(sweep.earlier / f"{NEW}{name}")
    if fresh.root.exists():
        _repair_move(sweep, fresh)
    fresh.root.mkdir(parents=True)
    for old, new in ((paths.config, fresh.config), (paths.test_reads, fresh.test_reads)):
        if old.is_file():  # also a damaged one: the repetition says so
            shutil.copyfile(old, new)
    number = next(n for n in count(1) if not (sweep.earlier / f"{name}-{n}").exists())
    place = RunPaths(sweep.earlier / f"{name}-{number}")
    with claimed(paths.claim) as mine:
        if not mine:
            raise RunClaimedError(f"run {name} is being trained by another process; wait for it")
        paths.root.rename(place.root)
        fresh.root.rename(paths.root)
    return place


def repair(sweep: SweepPaths) -> None:
    """Complete a `move_earlier` or `remove_runs` that was interrupted by a kill.

    Called with the sweep's lock, before any other change; it changes nothing if there is
    nothing to repair.
    """
    earlier = sorted(sweep.earlier.iterdir()) if sweep.earlier.is_dir() else []
    for folder in earlier:
        if folder.name.startswith(NEW):
            _repair_move(sweep, RunPaths(folder))
        elif _has_started(sweep.run(folder.name.rpartition("-")[0])):
            delete_files(checkpoint_files(RunPaths(folder)))
    if _removed(sweep).exists():
        shutil.rmtree(_removed(sweep))


def _has_started(paths: RunPaths) -> bool:
    """Whether a repeated run has started anew, or was removed: its old checkpoints can go."""
    return paths.environment.exists() or not paths.root.exists()


def _repair_move(sweep: SweepPaths, fresh: RunPaths) -> None:
    """Move a prepared folder to `runs/`; if the run exists there, only merge the log of reads."""
    paths = sweep.run(fresh.root.name.removeprefix(NEW))
    if not paths.root.exists():
        fresh.root.rename(paths.root)
        return
    before, there = known_reads(fresh.test_reads), known_reads(paths.test_reads)
    if any(row not in there for row in before):  # a run was planned there before a repair
        rows = [*before, *(row for row in there if row not in before)]
        write_text(paths.test_reads, csv_text(rows, READS))
    shutil.rmtree(fresh.root)


def runs_by_cell(sweep: SweepPaths) -> dict[str, list[RunPaths]]:
    """Return cell -> its runs, trials included, by the cell names of the tables.

    A run whose config cannot be read belongs to its cell in the plan. Raises StoreError if
    there is no sweep.
    """
    cells: dict[str, list[RunPaths]] = {}
    known = set()
    for record in read_all(sweep.root, warn_ignored=False).runs:
        paths = RunPaths(record.path)
        cells.setdefault(record.cell, []).append(paths)
        known.add(paths.root.name)
    planned = {row["folder"]: row for row in read_plan(sweep.plan).rows if row.get("folder")}
    for folder, row in planned.items():
        if folder not in known:
            cell = cell_in_plan(row)
            cells.setdefault(cell, []).append(sweep.run(folder))
    return cells


def remove_runs(sweep: SweepPaths, runs: Sequence[RunPaths]) -> None:
    """Delete *runs*, finished or not, and their rows of the plan.

    The rows go first: a kill then leaves some runs whole and in the tables, and the same
    command removes them. The other order would leave rows that request removed runs. Each
    folder leaves `runs/` by one rename, so no table ever shows half a run.

    Raises:
        StoreError: no such sweep.
        SweepLockedError: another command is using the sweep.
        RunClaimedError: one of the runs is being trained; nothing was removed.

    """
    if not sweep.runs.is_dir():
        raise no_sweep(sweep.root)
    with SweepLock(sweep.lock):
        repair(sweep)
        _check_idle(runs)
        _remove_from_plan(sweep, {paths.root.name for paths in runs})
        for paths in runs:
            _remove(sweep, paths)
            remove_records(sweep, paths.root.name)
        repair(sweep)


def remove_sweep(sweep: SweepPaths) -> list[Path]:
    """Delete a whole sweep; return what stays in its folder, because segsweep did not write it.

    The plan goes last: after a kill the folder is still a sweep, and the same command
    completes the removal.

    Raises:
        StoreError: there is no sweep, only a folder that looks like one.
        SweepLockedError: another command is using the sweep.
        RunClaimedError: one of its runs is being trained; nothing was removed.

    """
    folders = sorted(sweep.runs.iterdir()) if sweep.runs.is_dir() else []
    runs = [RunPaths(path) for path in folders if is_run_name(path.name)]
    if not runs and not sweep.plan.is_file():
        raise no_sweep(sweep.root)
    with SweepLock(sweep.lock):
        repair(sweep)
        _check_idle(runs)
        for paths in runs:
            _remove(sweep, paths)
        repair(sweep)
        beside = (sweep.earlier, sweep.studies, sweep.evaluations, sweep.tensorboard, sweep.wandb)
        for folder in (*beside, _removed(sweep)):
            shutil.rmtree(folder, ignore_errors=True)
        remove_pictures(sweep)
    _remove_if_empty(sweep.runs)
    for path in (*sweep.written, kept_file(sweep)):
        path.unlink(missing_ok=True)
    _remove_if_empty(sweep.root)
    return sorted(sweep.root.iterdir()) if sweep.root.is_dir() else []


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # something else is in it
        folder.rmdir()


def _check_idle(runs: Sequence[RunPaths]) -> None:
    for paths in runs:
        if paths.status() is Status.RUNNING:
            raise _claimed(paths)


def _remove_from_plan(sweep: SweepPaths, folders: set[str]) -> None:
    with locked(sweep.plan_lock):
        plan = read_plan(sweep.plan)
        kept = [row for row in plan.rows if row.get("folder") not in folders]
        if len(kept) < len(plan.rows) or plan.damage is not None:
            lost = [] if plan.damage is None else lost_rows(sweep, folders)
            write_text(sweep.plan, csv_text([*kept, *lost], PLAN))


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


def _removed(sweep: SweepPaths) -> Path:
    return sweep.root / ".removed"
