"""Sweeps and runs as lines that fit the terminal; a pipe or a file gets them in full."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from segsweep.cli.columns import aligned, fitted, screen_width, wrapped
from segsweep.store.json_files import Failure, known_failure
from segsweep.store.paths import RunPaths
from segsweep.store.states import Status
from segsweep.sweep.status import RunState, SweepStatus, seconds_left
from segsweep.sweep.status_text import controller_text, summary
from segsweep.system.files import last_lines, read_plain
from segsweep.system.progress import duration
from segsweep.system.terminal import json_visible

MOST_LISTED = 10
"""Runs that a status lists per section; `segsweep runs` lists all."""
MOST_SHOWN = 1 << 20
"""Bytes of a file that is shown."""
LOG_LINES = 5
"""Lines of output shown for a run in a table of runs."""


def status_lines(status: SweepStatus) -> list[str]:
    """Return a sweep's summary, its running, failed and interrupted runs, and warnings."""
    width = screen_width()
    lines = [*wrapped(summary(status), width), *wrapped(controller_text(status), width)]
    lines += _section(Status.RUNNING, status, _running_row, ("epoch", "val IoU", "best", "left"))
    lines += _section(Status.FAILED, status, lambda run: (_failure(run),), ())
    lines += _section(Status.INTERRUPTED, status, lambda run: (_epoch(run),), ("epoch",))
    return lines + [text for one in status.warnings for text in wrapped(f"warning: {one}", width)]


def runs_lines(
    states: Sequence[RunState], cells: Mapping[str, str], causes: bool = False
) -> list[str]:
    """Return a table of runs; with *causes* also each run's failure and last lines of output.

    *cells* maps the name of a run's folder to its cell.
    """
    folds = any(run.fold for run in states)
    head = ["cell", "seed", *(["fold"] if folds else []), "id", "status", "epoch", "val IoU"]
    rows = []
    for run in states:
        fold = [run.fold] if folds else []
        what = "pruned trial" if run.pruned else "trial"
        kind = f" ({what})" if run.kind == "trial" else ""
        names = [cells.get(run.name, run.cell), run.seed, *fold, run.run_id]
        rows.append([*names, run.status + kind, _epoch(run), _score(run.val_iou)])
    width = screen_width()
    table = fitted([head, *rows], width)
    if not causes:
        return table
    lines = table[:1]
    for run, line in zip(states, table[1:], strict=True):
        lines += ["", line]
        failed = run.status == Status.FAILED
        lines += wrapped(f"    {_failure(run)}", width, "    ") if failed else []
        lines += [f"    | {text}" for text in last_output(run.paths)]
    return lines


def run_lines(
    run: RunState, history: Sequence[Mapping[str, float | None]], command: str
) -> list[str]:
    """Return everything about one run; *command* runs it again."""
    paths = run.paths
    ended = f", pruned at epoch {run.epoch}" if run.pruned else ""
    lines = [f"{run.name}: {run.status}{ended}", str(paths.root), ""]
    lines += _file_lines(paths.config)
    lines += ["", "history"] + (_history(history) if history else ["no epoch yet"])
    lines += ["", "files", *(f"  {path}" for path in sorted(paths.root.iterdir()))]
    if run.status == Status.FINISHED:
        lines += ["", "result", *_file_lines(paths.result)]
    elif run.status == Status.FAILED:
        lines += ["", f"failed: {_failure(run)}", *_traceback(paths)]
    if run.status != Status.FINISHED:
        lines += ["", "last output", *(f"  | {text}" for text in last_output(paths, 20))]
    return [*lines, "", "to run it again", f"  {command}"]


def json_text(values: object) -> str:
    """Return plain values as indented JSON."""
    return json_visible(json.dumps(values, indent=1, ensure_ascii=False))


def last_output(paths: RunPaths, count: int = LOG_LINES) -> list[str]:
    """Return the last lines of a run's log."""
    return last_lines(paths.log, count)


def counted(states: Sequence[RunState]) -> str:
    """Return the number of runs by status: `3 runs (2 finished, 1 failed)`."""
    found = Counter(run.status for run in states)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(found.items()))
    return f"{len(states)} run{'s' if len(states) != 1 else ''} ({parts})"


def _section(
    title: Status,
    status: SweepStatus,
    row: Callable[[RunState], Sequence[str]],
    head: Sequence[str],
) -> list[str]:
    """Return a table of the runs with status *title* that fits the terminal."""
    states = status.of(title)
    if not states:
        return []
    rows = [(title, *(head or ("",))), *((run.name, *row(run)) for run in states[:MOST_LISTED])]
    table = fitted(rows, screen_width(), text=None if head else 1)
    more = len(states) - MOST_LISTED
    option = "--failed" if title == Status.FAILED else f"--status {title}"
    where = f"segsweep runs {status.sweep.root.name} {option}"
    rest = [f"and {more} more: {where}"] if more > 0 else []
    return ["", *table, *rest]


def _running_row(run: RunState) -> tuple[str, ...]:
    left = seconds_left(run, run.pace)
    text = "-" if left is None else duration(left)
    return _epoch(run), _score(run.val_iou), _score(run.best), text


def _failure(run: RunState) -> str:
    attempts = f" ({run.attempts} attempts)" if run.attempts > 1 else ""
    return f"{run.cause}{attempts}: {run.error}"


def _epoch(run: RunState) -> str:
    if run.epochs is None:
        return str(run.epoch) if run.epoch else "-"
    return f"{run.epoch}/{run.epochs}"


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"


def _history(rows: Sequence[Mapping[str, float | None]]) -> list[str]:
    """Return a table of the epoch with the best validation IoU and the last five epochs."""
    names = ("epoch", "train_loss", "val_loss", "val_iou", "lr", "seconds")
    scores = [score for row in rows if (score := row.get("val_iou")) is not None]
    top = max(scores, default=None)
    best = [row for row in rows if top is not None and row.get("val_iou") == top][:1]
    marked = [*(("best", row) for row in best), *(("", row) for row in rows[-5:])]
    table = [[mark, *(_short(row.get(name)) for name in names)] for mark, row in marked]
    return [f"  {line}" for line in aligned([["", *names], *table])]


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _traceback(paths: RunPaths) -> list[str]:
    failure = known_failure(paths.failure) or Failure()
    return [f"  {line}" for line in failure.traceback.splitlines()]


def _file_lines(path: Path) -> list[str]:
    try:
        return [f"  {line}" for line in read_plain(path, MOST_SHOWN).decode().splitlines()]
    except (OSError, ValueError) as error:
        return [f"  {path}: cannot be read ({type(error).__name__})"]
