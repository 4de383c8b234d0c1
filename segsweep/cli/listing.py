"""`segsweep list`: the sweeps of a folder, a line each. No torch, no pandas."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from segsweep.cli.columns import fitted, screen_width
from segsweep.cli.complete import sweep_names
from segsweep.cli.sweeps import Outputs
from segsweep.config.cells import cell_name
from segsweep.store.find import find_sweep, no_sweeps, sweeps_in
from segsweep.store.paths import SweepPaths
from segsweep.sweep.status import SweepStatus, sweep_status
from segsweep.sweep.status_text import changed_text
from segsweep.system.files import read_plain, size_of_folder
from segsweep.system.units import size_text

HEAD = ("sweep", "runs", "last change", "size", "highest mean")


def list_sweeps(
    sweeps: Annotated[
        list[str] | None,
        typer.Argument(help="only these; default: all sweeps", autocompletion=sweep_names),
    ] = None,
    outputs: Outputs = Path("outputs"),
) -> None:
    """List the sweeps: runs by status, last change, size on disk, cell with the highest mean.

    The mean is the test IoU in comparison.csv, as of the last report; without a test part it is
    the validation IoU. `or 3 others` counts the cells that may be the best as well.
    """
    folders = [find_sweep(sweep, outputs) for sweep in sweeps or ()] or sweeps_in(outputs)
    if not folders:
        raise no_sweeps(outputs)
    found = [sweep_status(folder) for folder in folders]
    rows = [HEAD, *(_row(status) for status in found)]
    print("\n".join(fitted(rows, screen_width(), text=len(HEAD) - 1)))


def _row(status: SweepStatus) -> tuple[str, ...]:
    sweep = status.sweep
    counts = [f"{count} {name}" for name, count in status.counts.items() if count]
    size = size_text(size_of_folder(sweep.root))
    name, runs = sweep.root.resolve().name, ", ".join(counts) or "none"
    return name, runs, changed_text(status), size, best(sweep)


def best(sweep: SweepPaths) -> str:
    """Return the cell with the highest mean in comparison.csv, `-` if there is none."""
    try:
        text = read_plain(sweep.comparison).decode()
    except (OSError, ValueError):
        return "-"
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    comparisons = list(dict.fromkeys(row.get("data") for row in rows))
    said = [_best_of([row for row in rows if row.get("data") == data]) for data in comparisons]
    known = [one for one in said if one]
    return f"{len(known)} comparisons" if len(known) > 1 else "".join(known) or "-"


def _best_of(rows: Sequence[Mapping[str, str]]) -> str:
    """Return the cell of one comparison with the highest mean; empty if none is known.

    Without a test part it is the mean over validation images.
    """
    scored = _scored(rows, "test_iou")
    only = "" if scored else " (validation only)"
    scored = scored or _scored(rows, "val_iou")
    if not scored:
        return ""
    mean, row = max(scored, key=lambda pair: pair[0])
    others = sum(one.get("may_be_best") == "True" for _, one in scored) - 1
    more = f" or {others} other{'s' if others > 1 else ''}" if others > 0 else ""
    return f"{_cell(row)} {mean:.4f}{more}{only}"


def _scored(
    rows: Sequence[Mapping[str, str]], column: str
) -> list[tuple[float, Mapping[str, str]]]:
    return [(score, row) for row in rows if (score := _number(row.get(column))) is not None]


def _cell(row: Mapping[str, str]) -> str:
    """Return a row's cell; its columns between loss and seeds are further keys."""
    names = list(row)
    swept = names[names.index("loss") + 1 : names.index("seeds")] if "seeds" in row else []
    return cell_name(row, swept)


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
