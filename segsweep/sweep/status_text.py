"""A sweep's status as short texts and plain values: for the terminal, JSON and notebooks."""

import time

from segsweep.store.states import Status
from segsweep.sweep.status import RunState, SweepStatus, seconds_left
from segsweep.system.clock import time_text
from segsweep.system.names import plural
from segsweep.system.progress import duration

RUN = (
    *("run", "run_id", "kind", "cell", "model", "seed", "fold", "status", "pruned", "epoch"),
    *("epochs", "val_iou", "best_val_iou", "seconds_per_epoch", "seconds_left", "cause", "error"),
    *("attempts", "folder"),
)
"""The keys of `run_json`, in their order."""


def summary(status: SweepStatus) -> str:
    """Return one line: the sweep's name, its runs by status, the time left."""
    counts = {name: count for name, count in status.counts.items() if count}
    finished = counts.pop(Status.FINISHED, 0)
    parts = [f"{status.sweep.root.name}: {finished} of {plural(len(status.runs), 'run')} finished"]
    parts += [f"{count} {name}" for name, count in counts.items()]
    trials = sum(run.kind == "trial" for run in status.runs)
    pruned = sum(run.pruned for run in status.runs)
    said = f" ({pruned} pruned)" if pruned else ""
    parts += [f"{trials} of them {'a trial' if trials == 1 else 'trials'}{said}"] if trials else []
    only = [run.validation_only for run in status.runs if run.validation_only is not None]
    if any(only):
        parts.append("validation only" if all(only) else f"{sum(only)} without a test part")
    left = _time_left(status)
    return ", ".join(parts) + (f"; {left}" if left else "")


def controller_text(status: SweepStatus) -> str:
    """Return which command uses a sweep, and when something last changed in it."""
    by = f"in use by {status.controller}" if status.controller is not None else "no command running"
    if status.controller is None and status.counts[Status.RUNNING]:
        by = "no command holds this sweep, but runs are active"
    if status.changed is None:
        return by
    return f"{by}; last change {changed_text(status)}"


def changed_text(status: SweepStatus) -> str:
    """Return when something last changed: the time if it was today, else the day too."""
    if status.changed is None:
        return "-"
    moment = time.localtime(status.changed)
    today = moment[:3] == time.localtime()[:3]
    return time.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M", moment)


def status_json(status: SweepStatus) -> dict[str, object]:
    """Return a sweep's status as plain values.

    Keys: sweep, folder, runs (number), trials (number of them), counts (by status), controller
    (null, or host, pid, since, slots, silent: seconds since the last heartbeat), slots,
    seconds_left (null: unknown), changed (ISO 8601), running, failed and interrupted (lists
    of runs with the keys of `run_json`), warnings.
    """
    by = status.controller
    who = None
    if by is not None:
        who = {key: getattr(by, key) for key in ("host", "pid", "since", "slots", "silent")}
    changed = status.changed
    return {
        "sweep": status.sweep.root.name,
        "folder": str(status.sweep.root),
        "runs": len(status.runs),
        "trials": sum(run.kind == "trial" for run in status.runs),
        "counts": status.counts,
        "controller": who,
        "slots": status.slots,
        "seconds_left": status.seconds_left(),
        "changed": None if changed is None else time_text(changed),
        **{
            name: [run_json(run) for run in status.of(name)]
            for name in (Status.RUNNING, Status.FAILED, Status.INTERRUPTED)
        },
        "warnings": status.warnings,
    }


def run_json(run: RunState, cell: str | None = None) -> dict[str, object]:
    """Return a run as plain values; unknown values are null.

    Keys: run (the folder's name), run_id, kind, cell, model, seed, fold, status, pruned (a trial
    that its search ended early), epoch (finished epochs), epochs (all), val_iou,
    best_val_iou, seconds_per_epoch, seconds_left, cause, error, attempts, folder.
    """
    return {
        "run": run.name,
        "run_id": run.run_id,
        "kind": run.kind,
        "cell": cell or run.cell,
        "model": run.model,
        "seed": int(run.seed) if run.seed.isdecimal() else None,
        "fold": int(run.fold) if run.fold.isdecimal() else None,
        "status": run.status,
        "pruned": run.pruned,
        "epoch": run.epoch,
        "epochs": run.epochs,
        "val_iou": run.val_iou,
        "best_val_iou": run.best,
        "seconds_per_epoch": run.pace,
        "seconds_left": seconds_left(run, run.pace),
        "cause": run.cause or None,
        "error": run.error or None,
        "attempts": run.attempts,
        "folder": str(run.paths.root),
    }


def _time_left(status: SweepStatus) -> str:
    unknown, left = status.unknown_pace(), status.seconds_left()
    if left:
        slots = status.slots or 1
        return f"about {duration(left)} left in {slots} slot{'s' if slots > 1 else ''}"
    if left is None and unknown:
        return f"time left unknown until the second epoch of {', '.join(unknown)}"
    return "time left unknown" if left is None else ""
