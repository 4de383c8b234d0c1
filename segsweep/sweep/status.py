"""The progress of a sweep, read quickly from its files, damaged ones included."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from segsweep.errors import StoredFileError, StoreError
from segsweep.store.chosen import superseded_among
from segsweep.store.find import is_sweep, no_sweep
from segsweep.store.image_checks import quick_damage
from segsweep.store.json_files import Result, read_failure, read_result
from segsweep.store.paths import RunPaths, SweepPaths, run_order
from segsweep.store.plan import cell_in_plan, read_plan
from segsweep.store.records import is_validation_only, read_config
from segsweep.store.states import OPEN_STATUSES, Status
from segsweep.sweep.history_end import END_BYTES, WHOLE_BYTES, history_end, number_of
from segsweep.sweep.holder import Holder
from segsweep.sweep.lock import current_holder
from segsweep.system.progress import mean_pace

STATUSES = tuple(Status)


@dataclass(frozen=True)
class RunState:
    """The state of one run in its files."""

    paths: RunPaths
    run_id: str
    kind: str
    """run | trial."""
    cell: str
    """The cell in the plan, named by what the command that requested the run compared."""
    model: str
    seed: str
    fold: str
    """Empty without folds."""
    status: Status
    epoch: int = 0
    """Finished epochs."""
    epochs: int | None = None
    """All epochs of the run; looked up only for unfinished runs."""
    val_iou: float | None = None
    """Of the latest epoch; for a finished run, of the selected one."""
    best: float | None = None
    """The highest so far."""
    pace: float | None = None
    """Seconds per epoch."""
    cause: str = ""
    error: str = ""
    attempts: int = 0
    pruned: bool = False
    """Whether it is a trial that its search ended early."""
    validation_only: bool | None = None
    """Whether its split has no test part; None: not looked up."""

    @property
    def name(self) -> str:
        """The run's folder name."""
        return self.paths.root.name


@dataclass(frozen=True)
class SweepStatus:
    """The state of a sweep in its files."""

    sweep: SweepPaths
    runs: list[RunState]
    controller: Holder | None
    """The command that holds the sweep's lock."""
    changed: float | None
    """Time of the last change, seconds since 1970."""
    warnings: list[str] = field(default_factory=list)
    """A line for each damaged file."""

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are in each status, in the order of STATUSES."""
        found = Counter(run.status for run in self.runs)
        return {status: found[status] for status in STATUSES}

    @property
    def slots(self) -> int | None:
        """Runs at the same time: as published by the command, else the number running now."""
        published = self.controller.slots if self.controller is not None else None
        return published or self.counts[Status.RUNNING] or None

    def of(self, status: Status) -> list[RunState]:
        """Return the runs in that status."""
        return [run for run in self.runs if run.status == status]

    def unknown_pace(self) -> list[str]:
        """Return the networks that have runs to do but too few epochs to tell their pace."""
        paces = _paces(self.runs)
        slow = [
            run.model for run in self.runs if run.status in OPEN_STATUSES and not _pace(run, paces)
        ]
        return list(dict.fromkeys(slow))

    def seconds_left(self) -> float | None:
        """Return the seconds until all runs to do are finished; None if unknown.

        A run's pace is its own, else that of its cell, else that of its network. Failed
        runs do not count. If no command is running: as if one started now, with one slot.
        """
        from segsweep.sweep.planning.budget import makespan

        paces = _paces(self.runs)
        left = [
            seconds_left(run, _pace(run, paces)) for run in self.runs if run.status in OPEN_STATUSES
        ]
        known = [seconds for seconds in left if seconds is not None]
        return makespan(known, self.slots or 1) if len(known) == len(left) else None


def seconds_left(run: RunState, pace: float | None) -> float | None:
    """Return the remaining seconds of a run at *pace* seconds per epoch; None if unknown."""
    if pace is None or run.epochs is None:
        return None
    return max(run.epochs - run.epoch, 0) * pace


def sweep_status(folder: Path | str) -> SweepStatus:
    """Return the state of the sweep in *folder*, with a warning for each damaged file.

    Writes nothing. Raises StoreError if there is no sweep.
    """
    sweep, warnings = SweepPaths(Path(folder)), list[str]()
    if not is_sweep(sweep.root.absolute()):
        raise no_sweep(sweep.root)
    states, changed = [], [_time(sweep.plan)]
    for row in _rows(sweep, warnings):
        paths = sweep.run(row["folder"])
        changed.append(_time(paths.root))  # replacing a file changes its folder's time
        states.append(_state(paths, row, warnings))
    if sweep.chosen.exists():
        states = _with_superseded(sweep, states)
    if states and all(state.validation_only is None for state in states):
        states[0] = replace(states[0], validation_only=is_validation_only(states[0].paths))
    times = [time for time in changed if time is not None]
    return SweepStatus(
        sweep, states, current_holder(sweep.lock), max(times, default=None), warnings
    )


def _with_superseded(sweep: SweepPaths, states: list[RunState]) -> list[RunState]:
    """Return *states* with those marked whose search has chosen other values since.

    Only a cell with several runs of a seed can have one, so that few configs are read.
    """
    counts = Counter((state.cell, state.seed, state.fold, state.kind) for state in states)
    several = [
        state.paths
        for state in states
        if state.kind == "run" and counts[state.cell, state.seed, state.fold, state.kind] > 1
    ]
    names = superseded_among(sweep, several)
    return [
        replace(state, status=Status.SUPERSEDED) if state.name in names else state
        for state in states
    ]


def _rows(sweep: SweepPaths, warnings: list[str]) -> list[dict[str, str]]:
    """Return a row per run: from the plan, or from the run's config if the plan lacks it."""
    plan = read_plan(sweep.plan)
    rows = {row["folder"]: row for row in plan.rows if row.get("folder")}
    if plan.damage is not None:
        warnings.append(str(plan.damage))
    for paths in sweep.run_folders():
        if paths.root.name not in rows:
            rows[paths.root.name] = {"folder": paths.root.name, **_named(paths, warnings)}
    return sorted(rows.values(), key=lambda row: run_order(row["folder"]))


def _state(paths: RunPaths, row: Mapping[str, str], warnings: list[str]) -> RunState:
    status, result = paths.status(), None
    try:
        result = read_result(paths.result)
    except StoredFileError as damage:
        warnings.append(f"{damage}; the run counts as {status}")
    state = RunState(
        paths,
        run_id=row.get("run_id") or "",
        kind=row.get("kind") or "",
        cell=cell_in_plan(row),
        model=row.get("model") or "",
        seed=row.get("seed") or "",
        fold=row.get("fold") or "",
        status=status,
    )
    if result is not None:
        if wrong := quick_damage(paths.per_image, result.n_test):
            warnings.append(f"{paths.per_image}: {wrong}; the run is in no comparison")
        return _with_result(state, result)
    return _with_failure(_with_progress(state, row, warnings), warnings)


def _with_result(state: RunState, result: Result) -> RunState:
    epochs, seconds, iou = result.epochs, result.seconds, result.val_iou
    pace = seconds / epochs if epochs and seconds is not None else None
    only = None if state.kind == "trial" or result.n_test is None else result.n_test == 0
    state = replace(state, pruned=result.pruned, validation_only=only)
    return replace(state, epoch=epochs or 0, val_iou=iou, best=iou, pace=pace)


def _with_progress(state: RunState, row: Mapping[str, str], warnings: list[str]) -> RunState:
    paths, is_running = state.paths, state.status == Status.RUNNING
    known = row.get("epochs") or _named(paths, warnings).get("epochs")  # not in early plans
    epochs = number_of(known)
    state = replace(state, epochs=None if epochs is None else int(epochs))
    rows = history_end(paths.history, WHOLE_BYTES if is_running else END_BYTES)
    if not rows:
        if _has_text(paths.history):
            warnings.append(f"{paths.history}: cannot be read")
        return state
    seconds = [one["seconds"] or 0.0 for one in rows]  # the first epoch's may have been left out
    ious = [iou for one in rows if (iou := one.get("val_iou")) is not None]
    return replace(
        state,
        epoch=int(rows[-1]["epoch"] or 0),
        val_iou=rows[-1].get("val_iou"),
        best=max(ious, default=None) if is_running else None,
        pace=mean_pace([0.0, *seconds] if (rows[0]["epoch"] or 0.0) > 1 else seconds),
    )


def _with_failure(state: RunState, warnings: list[str]) -> RunState:
    try:
        failure = read_failure(state.paths.failure)
    except StoredFileError as damage:
        if state.status != Status.RUNNING:
            warnings.append(str(damage))
        return state
    if failure is None:
        return state
    if state.status != Status.FAILED:
        return replace(state, attempts=failure.attempts)
    cause = failure.cause or "unknown"
    return replace(state, cause=cause, error=failure.error, attempts=failure.attempts)


def _named(paths: RunPaths, warnings: list[str]) -> dict[str, str]:
    """Return a plan row for a run that the plan lacks, from its frozen config."""
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
