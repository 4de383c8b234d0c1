"""Which runs of a sweep are used: a cell's, a named one, the best by validation, or several."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segsweep.config.cells import as_cell_name
from segsweep.config.validate import nearest
from segsweep.errors import StoreError
from segsweep.report.comparisons import compare_all
from segsweep.report.question import comparable
from segsweep.stats.wording.best import as_good
from segsweep.stats.wording.cheapest import cell_costs
from segsweep.store.find import only_run, runs_named
from segsweep.store.paths import RunPaths
from segsweep.store.run_cache import RunRecord
from segsweep.store.states import Status
from segsweep.store.tables import Tables

Cells = Mapping[str, Sequence[RunRecord]]
"""Cell -> its finished runs, the highest validation IoU first."""


@dataclass(frozen=True)
class Choice:
    """The runs that are used together, and why these."""

    runs: tuple[RunPaths, ...]
    why: str
    """In words, for the user."""
    cells: tuple[str, ...] = ()
    """The cells of an ensemble."""


def choose_run(tables: Tables, name: str) -> Choice:
    """Return the run of this id, start of an id, or name; StoreError if there is none."""
    folder = tables.sweep.root
    if not (found := runs_named(name, folder)):
        names = [run.path.name for run in tables.runs]
        raise StoreError(
            f"--run {name}: no run of that id or name in {folder}{nearest(name, names)}; "
            f"`segsweep runs {folder}` lists them"
        )
    run = RunPaths(only_run(name, found).root)
    return Choice((run,), run.root.name)


def choose_cell(tables: Tables, name: str) -> Choice:
    """Return the run of a cell with the highest validation IoU among its seeds and folds.

    Raises StoreError if there is no such cell, or none of its runs is finished.
    """
    cell, runs = one_cell(tables, name)
    return Choice((RunPaths(runs[0].path),), f"{cell}, {_which(runs)}")


def choose_best(tables: Tables, cheapest: bool = False) -> Choice:
    """Return the best run, by validation, of the cells that may be the best by test.

    Args:
        tables: of the sweep.
        cheapest: of the cells that are as good as the best within the margin, take the one with
            the fewest multiply-adds.

    Raises StoreError if no run is finished, or the sweep has several comparisons.

    """
    cells = _of_one_question(tables)
    (compared,) = compare_all(tables, advise=False)
    analysis = compared.analysis
    if analysis is None or not compared.claims:
        cell = next(iter(cells))
        single = all(len(runs) == 1 for runs in cells.values())
        because = "with one seed per cell, " if single else ""
        more = "train more with seed=0,1,2, or " if single else "the report says why; "
        why = f"the best by validation; {because}no cell is shown to be better"
        if cheapest:
            raise StoreError(
                f"--cheapest: {because}no cell is shown to be as good as another; "
                f"{more}name a cell with --cell"
            )
        return Choice((RunPaths(cells[cell][0].path),), f"{cell}, {why}")
    marked = zip(analysis.values.cells, analysis.may_be_best, strict=True)
    group = [cell for cell, may in marked if may and cell in cells]
    why = "the best" if len(group) == 1 else f"of {len(group)} that may be the best, the best"
    why += " by validation"
    if cheapest:
        margin = f"{analysis.settings.margin:g}"
        group = [cell for cell in as_good(analysis) if cell in cells]
        if not group:
            raise StoreError(
                f"--cheapest: no cell is shown to be as good as the best within {margin}; more "
                "seeds or images may show it; --best takes the best by validation"
            )
        why = f"the cheapest of {len(group)} as good as the best within {margin}"
    costs = cell_costs(comparable(tables).counted_results)[1] if cheapest else {}
    if cheapest and not {*group} <= {*costs}:
        raise StoreError(
            "--cheapest: nothing says what these networks cost: a finished run has neither "
            "multiply-adds nor parameters; --best takes the best by validation"
        )
    cell = min(group, key=lambda name: (costs.get(name, 0.0), -mean_val_iou(cells[name])))
    return Choice((RunPaths(cells[cell][0].path),), f"{cell}, {why}; {_which(cells[cell])}")


def choose_ensemble(tables: Tables, count: int, name: str | None = None) -> Choice:
    """Return all finished runs of the *count* best cells by validation, or of the cell *name*.

    Raises StoreError if there are fewer cells, or the sweep has several comparisons.
    """
    if name is not None:
        cell, runs = one_cell(tables, name)
        if count != 1:
            raise StoreError(
                f"--ensemble {count}: with --cell only 1 is allowed, which takes all runs of that "
                "cell; leave --cell out for the best cells"
            )
        found = {cell: runs}
    else:
        cells = _of_one_question(tables)
        if not 1 <= count <= len(cells):
            raise StoreError(
                f"--ensemble {count}: allowed are 1 to {len(cells)}, the cells with finished runs"
            )
        found = {cell: cells[cell] for cell in list(cells)[:count]}
    members = tuple(RunPaths(run.path) for runs in found.values() for run in runs)
    words = f"the mean of {len(members)} networks: all runs of {', '.join(found)}"
    return Choice(members, words, tuple(found))


def finished_cells(tables: Tables) -> Cells:
    """Return the cells with finished runs, the highest mean validation IoU first.

    Trials and runs at values that a search no longer chooses are left out.
    """
    cells: dict[str, list[RunRecord]] = {}
    for run in tables.runs:
        if run.status == Status.FINISHED and run.kind == "run":
            cells.setdefault(run.cell, []).append(run)
    ordered = {cell: sorted(runs, key=_val_iou, reverse=True) for cell, runs in cells.items()}
    return dict(sorted(ordered.items(), key=lambda item: -mean_val_iou(item[1])))


def mean_val_iou(runs: Sequence[RunRecord]) -> float:
    """Return the mean validation IoU of some runs."""
    return sum(map(_val_iou, runs)) / len(runs)


def _of_one_question(tables: Tables) -> Cells:
    """Return the finished cells of a sweep with one data set and target, else StoreError."""
    cells = finished_cells(tables)
    name = tables.sweep.root.name
    if not cells:
        raise StoreError(f"{name}: no run is finished yet, so there is no network to use")
    if len(tables.comparisons()) > 1:
        raise StoreError(
            f"{name}: has several data sets or targets, so no cell is the best of all; name one "
            f"with --cell; cells are {', '.join(sorted(cells))}"
        )
    return cells


def one_cell(tables: Tables, name: str) -> tuple[str, Sequence[RunRecord]]:
    """Return a cell's name and finished runs; StoreError if there are none."""
    cell, cells = as_cell_name(name), finished_cells(tables)
    if cell in cells:
        return cell, cells[cell]
    if any(run.cell == cell for run in tables.runs):
        raise StoreError(
            f"--cell {name}: none of its runs is finished; `segsweep runs "
            f"{tables.sweep.root} {cell}` shows them"
        )
    known = sorted(cells) or ["none"]
    raise StoreError(
        f"--cell {name}: no such cell{nearest(name, known)}; cells are {', '.join(known)}"
    )


def _which(runs: Sequence[RunRecord]) -> str:
    """Return which of a cell's *runs*, the best first, is used."""
    first = runs[0]
    fold = first.columns.get("fold")
    where = f"seed {first.seed}" + (f" fold {fold}" if fold is not None else "")
    of = f", the highest of {len(runs)} runs" if len(runs) > 1 else ""
    return f"{where} (validation IoU {_val_iou(first):.4f}{of})"


def _val_iou(run: RunRecord) -> float:
    value = run.columns.get("val_iou")
    return float(value) if isinstance(value, int | float) else -math.inf
