"""How far a sweep is: read from its files, quickly, whatever state they are in."""

import csv
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segsweep.errors import StoreError
from segsweep.store.find import is_sweep
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import read_config, read_rows
from segsweep.store.states import Status
from segsweep.sweep.holder import Holder
from segsweep.sweep.lock import current_holder
from segsweep.system.files import read_json

STATUSES = tuple(Status)
TO_DO = (Status.RUNNING, Status.INTERRUPTED, Status.PLANNED)
WHOLE_BYTES = 1_000_000
"""Of a history longer than this (about ten thousand epochs) only the end is read."""
END_BYTES = 4_000
RECENT = 5
"""Epochs whose mean is a run's pace."""


@dataclass(frozen=True)
class RunState:
    """One run, as its files show it."""

    paths: RunPaths
    run_id: str
    kind: str
    """run | trial."""
    cell: str
    """As the plan has it: by what the command that asked for the run compared."""
    model: str
    seed: str
    fold: str
    """Empty without folds."""
    status: Status
    epoch: int = 0
    """Epochs done."""
    epochs: int | None = None
    """The full length, where it was looked up: of runs that are not finished."""
    val_iou: float | None = None
    """Of the latest epoch; of a finished run, of the selected one."""
    best: float | None = None
    """The highest so far."""
    pace: float | None = None
    """Seconds per epoch."""
    cause: str = ""
    error: str = ""
    attempts: int = 0

    @property
    def name(self) -> str:
        """The run's folder name."""
        return self.paths.root.name


@dataclass(frozen=True)
class SweepStatus:
    """A sweep, as its files show it."""

    sweep: SweepPaths
    runs: list[RunState]
    controller: Holder | None
    """The command that is working on it."""
    changed: float | None
    """When something last changed, seconds since 1970."""
    warnings: list[str] = field(default_factory=list)
    """A line for each file that is spoilt."""

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are in each status, in the order of STATUSES."""
        found = Counter(run.status for run in self.runs)
        return {status: found[status] for status in STATUSES}

    @property
    def slots(self) -> int | None:
        """Runs at the same time: as the command says, else as many as run now."""
        told = self.controller.slots if self.controller is not None else None
        return told or self.counts[Status.RUNNING] or None

    def of(self, status: str) -> list[RunState]:
        """Return the runs in that status."""
        return [run for run in self.runs if run.status == status]

    def unknown_pace(self) -> list[str]:
        """Return the networks with runs to do of which none has done an epoch yet."""
        paces = _paces(self.runs)
        slow = [run.model for run in self.runs if run.status in TO_DO and not _pace(run, paces)]
        return list(dict.fromkeys(slow))

    def seconds_left(self) -> float | None:
        """Return the seconds until all runs that are to do are done; None where unknown.

        A run's pace is its own, else that of its cell, else that of its network. Failed
        runs do not count. Without a command at work: as if one began now, in one slot.
        """
        from segsweep.sweep.planning.budget import makespan

        paces = _paces(self.runs)
        left = [seconds_left(run, _pace(run, paces)) for run in self.runs if run.status in TO_DO]
        known = [seconds for seconds in left if seconds is not None]
        return makespan(known, self.slots or 1) if len(known) == len(left) else None


def seconds_left(run: RunState, pace: float | None) -> float | None:
    """Return what is left of a run at *pace* seconds per epoch; None where unknown."""
    if pace is None or run.epochs is None:
        return None
    return max(run.epochs - run.epoch, 0) * pace


def sweep_status(folder: Path | str) -> SweepStatus:
    """Return how far the sweep in *folder* is; spoilt files cost a warning each.

    Writes nothing. Raises StoreError where there is no sweep.
    """
    sweep, warnings = SweepPaths(Path(folder)), list[str]()
    if not is_sweep(sweep.root.absolute()):
        raise StoreError(f"no sweep in {sweep.root}: it has no folder runs/")
    states, changed = [], [_time(sweep.plan)]
    for row in _rows(sweep, warnings):
        paths = sweep.run(row["folder"])
        changed.append(_time(paths.root))  # a file that is replaced changes its folder
        states.append(_state(paths, row, warnings))
    times = [time for time in changed if time is not None]
    return SweepStatus(
        sweep, states, current_holder(sweep.lock), max(times, default=None), warnings
    )


def _rows(sweep: SweepPaths, warnings: list[str]) -> list[dict[str, str]]:
    """Return what is known of each run before looking at it: from the plan, else its config."""
    rows = {}
    try:
        rows = {row["folder"]: row for row in read_rows(sweep.plan) if row["folder"]}
    except (OSError, ValueError, KeyError, csv.Error) as error:
        warnings.append(f"{sweep.plan}: cannot be read ({type(error).__name__})")
    for paths in sweep.run_folders():
        if paths.root.name not in rows:
            rows[paths.root.name] = {"folder": paths.root.name, **_named(paths, warnings)}
    return sorted(rows.values(), key=lambda row: row["folder"])


def _state(paths: RunPaths, row: Mapping[str, str], warnings: list[str]) -> RunState:
    status = paths.status()
    result = read_json(paths.result)
    if result is None and paths.result.exists():
        warnings.append(f"{paths.result}: cut short; the run counts as {status}")
    named = ("run_id", "kind", "cell", "model", "seed", "fold")
    names: dict[str, Any] = {key: row.get(key) or "" for key in named}
    names["cell"] = names["cell"] or f"{row.get('model')}/{row.get('loss')}"  # in early plans
    if result is not None:
        found = _finished(result)
    else:
        found = {**_progress(paths, row, status, warnings), **_failure(paths, status, warnings)}
    return RunState(paths, status=status, **names, **found)


def _finished(result: Mapping[str, Any]) -> dict[str, Any]:
    epochs, seconds = _number(result.get("epochs")), _number(result.get("seconds"))
    iou = _number(result.get("val_iou"))
    pace = seconds / epochs if epochs and seconds is not None else None
    return {"epoch": int(epochs or 0), "val_iou": iou, "best": iou, "pace": pace}


def _progress(
    paths: RunPaths, row: Mapping[str, str], status: Status, warnings: list[str]
) -> dict[str, Any]:
    known = row.get("epochs") or _named(paths, warnings).get("epochs")  # not in early plans
    epochs = _number(known)
    found: dict[str, Any] = {"epochs": None if epochs is None else int(epochs)}
    rows = history_end(paths.history, WHOLE_BYTES if status == Status.RUNNING else END_BYTES)
    if not rows:
        if _has_text(paths.history):
            warnings.append(f"{paths.history}: cannot be read")
        return found
    recent = [row["seconds"] for row in rows[-RECENT:]]
    found |= {"epoch": int(rows[-1]["epoch"]), "val_iou": rows[-1].get("val_iou")}
    if status == Status.RUNNING:
        found["best"] = max(
            (row["val_iou"] for row in rows if row.get("val_iou") is not None), default=None
        )
    return {**found, "pace": sum(recent) / len(recent)}


def history_end(path: Path, most: int = WHOLE_BYTES) -> list[dict[str, Any]]:
    """Return a history's rows, oldest first, from its last *most* bytes.

    Numbers, None for what is none; lines without epoch or seconds are left out.
    """
    try:
        with path.open("rb") as file:
            head = file.readline()
            start = max(file.seek(0, 2) - most, len(head))
            file.seek(start)
            cut = start > len(head)
            lines = file.read().decode("utf-8", "replace").splitlines()[1 if cut else 0 :]
    except OSError:
        return []
    names = head.decode("utf-8", "replace").strip().split(",")
    rows = [dict(zip(names, map(_number, line.split(",")), strict=False)) for line in lines]
    return [row for row in rows if None not in (row.get("epoch"), row.get("seconds"))]


def _failure(paths: RunPaths, status: Status, warnings: list[str]) -> dict[str, Any]:
    failure = read_json(paths.failure)
    if failure is None:
        if status != Status.RUNNING and paths.failure.exists():
            warnings.append(f"{paths.failure}: cannot be read")
        return {}
    attempts = int(_number(failure.get("attempts")) or 0)
    if status != Status.FAILED:
        return {"attempts": attempts}
    texts = {key: str(failure.get(key) or "unknown") for key in ("cause", "error")}
    return {**texts, "attempts": attempts}


def _named(paths: RunPaths, warnings: list[str]) -> dict[str, str]:
    """Return what the plan would say of a run that it does not hold, from its frozen config."""
    if not paths.config.exists():
        return {}
    try:
        config = read_config(paths.config)
    except StoreError as error:
        warnings.append(str(error))
        return {}
    fold = config.data.split.fold
    model, loss = config.choices["model"], config.choices["loss"]
    return {
        "run_id": config.run_id,
        "kind": config.kind,
        "cell": f"{model}/{loss}",
        "model": model,
        "seed": str(config.seed),
        "fold": "" if fold is None else str(fold),
        "epochs": str(config.trainer.epochs),
    }


def _paces(runs: Sequence[RunState]) -> dict[str, float]:
    """Return the mean seconds per epoch of each cell and of each network."""
    found: dict[str, list[float]] = {}
    for run in runs:
        if run.pace is not None:
            found.setdefault(f"cell {run.cell}", []).append(run.pace)
            found.setdefault(f"model {run.model}", []).append(run.pace)
    return {key: sum(paces) / len(paces) for key, paces in found.items()}


def _pace(run: RunState, paces: Mapping[str, float]) -> float | None:
    if run.pace is not None:
        return run.pace
    return paces.get(f"cell {run.cell}", paces.get(f"model {run.model}"))


def _number(value: Any) -> float | None:
    """Return a finite number, or None for whatever else a file may hold."""
    try:
        number = float(value)
    except (ValueError, TypeError):
        return None
    return number if math.isfinite(number) else None


def _has_text(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _time(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
