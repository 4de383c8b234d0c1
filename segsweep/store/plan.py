"""A sweep's plan.csv: every run that any command requested. No torch."""

import errno
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsweep.config.cells import as_cell_name, cells_of, run_names
from segsweep.errors import StoredFileError
from segsweep.store.paths import SweepPaths
from segsweep.store.records import is_count, read_appended, readable_configs
from segsweep.system.files import csv_text, file_stamp, write_text

PLAN = (
    "run_id",
    "kind",
    "cell",
    "model",
    "loss",
    "seed",
    "fold",
    "folder",
    "requested_at",
    "request",
    "epochs",
)
"""The columns of plan.csv."""


LOST = "(unknown: plan.csv was damaged)"
"""The request of a row that was made again from the run's config."""


@dataclass(frozen=True)
class Plan:
    """The content of a sweep's plan.csv."""

    rows: list[dict[str, str]]
    """The rows that are intact; early plans lack some columns."""
    damage: StoredFileError | None = None
    """What is wrong with the file."""


def read_plan(path: Path) -> Plan:
    """Return a plan; empty if there is no file, the intact rows if it is damaged."""
    try:
        rows, damage = read_appended(path)
    except StoredFileError as error:
        return Plan([], error)
    intact = []
    for number, row in enumerate(rows, 2):
        if (wrong := _wrong_in_plan(row)) is None:
            intact.append(row)
        else:
            damage = StoredFileError(path, f"damaged, line {number}", wrong)
    return Plan(intact, damage)


def _wrong_in_plan(row: Mapping[str, str]) -> str | None:
    """Return the column of a plan's row that has a wrong value."""
    folder = row.get("folder", "")
    if None in row or not row.get("run_id"):
        return "run_id"
    if folder is None or Path(folder).name != folder:
        return "folder"
    counts = ((name, row.get(name) or "0") for name in ("seed", "fold", "epochs"))
    return next((name for name, text in counts if not is_count(text)), None)


def add_to_plan(sweep: SweepPaths, rows: Sequence[Mapping[str, object]]) -> None:
    """Add those of *rows* that the plan lacks; a run has one row per request.

    The caller holds the plan's lock. Rows are appended, because a search adds one run at a
    time, thousands of times.
    """
    new = missing_rows(sweep, rows)
    known = _known(sweep.plan)
    if not new and not known.damaged:
        return
    if _can_be_appended(sweep.plan) and not known.damaged:
        _append(sweep.plan, csv_text(new, PLAN).partition("\n")[2])
    else:
        write_text(sweep.plan, csv_text([*read_plan(sweep.plan).rows, *new], PLAN))
    known.keys.update(map(_plan_key, new))
    _plans[sweep.plan] = _Known(file_stamp(sweep.plan), known.keys, False)


def cell_in_plan(row: Mapping[str, str]) -> str:
    """Return the cell in a row of the plan; early plans had none."""
    return as_cell_name(row.get("cell") or f"{row.get('model')}/{row.get('loss')}")


def missing_rows(
    sweep: SweepPaths, rows: Sequence[Mapping[str, object]]
) -> list[Mapping[str, object]]:
    """Return those of *rows* whose run and request the plan does not contain."""
    planned = _known(sweep.plan).keys
    requested = {_plan_key(row): row for row in rows}
    return [row for key, row in requested.items() if key not in planned]


def needs_rebuilding(sweep: SweepPaths) -> bool:
    """Whether the plan is damaged, or missing although there are runs."""
    known = _known(sweep.plan)
    return known.damaged or (not known.keys and bool(sweep.run_folders()))


def lost_rows(sweep: SweepPaths, known: Collection[str]) -> list[dict[str, object]]:
    """Return a row for each run that the damaged plan lost, from its config.

    *known* are folders of runs whose rows are known otherwise.
    """
    there = {*known, *(row.get("folder") for row in read_plan(sweep.plan).rows)}
    lost = [paths for paths in sweep.run_folders() if paths.root.name not in there]
    found = [(paths, config) for paths in lost for config in readable_configs([paths])]
    cells = cells_of([config.values for _, config in found])
    return [
        {
            **run_names(config.values),
            "epochs": config.trainer.epochs,
            "folder": paths.root.name,
            "cell": cell,
            "request": LOST,
        }
        for (paths, config), cell in zip(found, cells, strict=True)
    ]


def _plan_key(row: Mapping[str, object]) -> tuple[object, object]:
    return row["run_id"], row.get("request") or ""


@dataclass
class _Known:
    """What this process knows of a plan."""

    stamp: tuple[int, ...]
    keys: set[tuple[object, object]]
    """run_id and request of each row."""
    damaged: bool


def _known(plan: Path) -> _Known:
    """Return what is in a plan; the file is read again only if it has changed."""
    stamp = file_stamp(plan)
    cached = _plans.get(plan)
    if cached is None or cached.stamp != stamp:
        found = read_plan(plan)
        keys = set(map(_plan_key, found.rows))
        cached = _plans[plan] = _Known(stamp, keys, found.damage is not None)
    return cached


_plans: dict[Path, _Known] = {}


def _can_be_appended(plan: Path) -> bool:
    """Whether the file has the current columns and ends with a complete row."""
    header = f"{','.join(PLAN)}\n".encode()
    try:
        with plan.open("rb") as file:
            start = file.readline()
            file.seek(-1, os.SEEK_END)
            return start == header and file.read() == b"\n"
    except OSError:
        return False


def _append(path: Path, text: str) -> None:
    """Append *text* to a file completely, or leave the file as it was."""
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(data := text.encode()) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise
