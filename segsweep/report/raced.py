"""A race in a report: the set of the best comes from race.csv, all else from balanced seeds.

Seeds were given by results. A comparison of all runs would take the luck of those cells that got
further seeds for quality, so pairs, averages and chances use the seeds of the first look, which all
cells have. Means over all seeds used are shown and labelled as such.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from segsweep.errors import StoredFileError
from segsweep.report.searched import or_nan
from segsweep.store.paths import RunPaths
from segsweep.store.race import RaceRow, read_race
from segsweep.store.records import is_look, known_reads
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from segsweep.stats.best import Best
    from segsweep.stats.engine import Analysis


@dataclass(frozen=True)
class Raced:
    """A race over the cells of one comparison."""

    rows: tuple[RaceRow, ...]
    """As race.csv, each `cell` as the tables name it now."""

    @property
    def last(self) -> dict[str, RaceRow]:
        """Cell -> its row of the last look that it took part in."""
        return {row.cell: row for row in self.rows}

    @property
    def left(self) -> list[str]:
        """The cells that are not ruled out."""
        return [cell for cell, row in self.last.items() if row.decision != "out"]

    @property
    def first_runs(self) -> set[str]:
        """The run ids of the first look."""
        return {run for row in self.rows if row.look == 1 for run in row.runs}

    @property
    def used_runs(self) -> set[str]:
        """The run ids that any look used."""
        return {run for row in self.rows for run in row.runs}

    @property
    def by_mean(self) -> list[RaceRow]:
        """The last row of each cell, those of later looks first, then the best mean first."""
        return sorted(self.last.values(), key=lambda row: (-row.look, -or_nan(row.mean)))

    @property
    def further(self) -> list[str]:
        """The cells that got further seeds after the first look."""
        return [cell for cell, row in self.last.items() if row.look > 1]

    @property
    def look(self) -> tuple[int, int]:
        """The number of the last look, and the seeds at it."""
        return self.rows[-1].look, self.rows[-1].seeds

    @property
    def end(self) -> str:
        """Why the race has ended; empty while it goes on."""
        return self.rows[-1].end

    def asked_of(self, tables: Tables) -> set[str]:
        """Return the ids of the runs in *tables* that the race asked for."""
        seeds = self.rows[0].order
        return self.used_runs | {
            run.run_id
            for run in tables.runs
            if run.kind == "run" and run.cell in self.last and run.seed in seeds
        }

    def unused_of(self, tables: Tables) -> set[str]:
        """Return the ids of those that no look used: they were trained in slots that were idle."""
        return self.asked_of(tables) - self.used_runs

    def counts_of(self, tables: Tables) -> tuple[int, int, int]:
        """Return the number of runs asked for, of those that no look used, and of a full grid."""
        return len(self.asked_of(tables)), len(self.unused_of(tables)), self.full

    @property
    def full(self) -> int:
        """The runs that the same cells would take with all seeds."""
        first = self.rows[0]
        folds = len(first.runs) // max(first.seeds, 1) or 1
        return first.looks[-1] * folds * len(self.last)


def race_of(tables: Tables) -> Raced | None:
    """Return the race that gave the runs of *tables* their seeds; None without one.

    Raises:
        StoredFileError: race.csv is damaged, or missing although looks were taken.

    """
    rows = read_race(tables.sweep)
    if not rows and _were_looked_at(tables):
        raise StoredFileError(
            tables.sweep.race,
            "missing; the race's own command writes it again from the stored runs",
        )
    cells = {run.run_id: run.cell for run in tables.runs}
    known = [row for row in rows if row.runs and all(run in cells for run in row.runs)]
    if not known or len(known) < len(rows):
        return None
    return Raced(tuple(replace(row, cell=cells[row.runs[0]]) for row in known))


def _were_looked_at(tables: Tables) -> bool:
    """Whether looks of a race are logged; asked only where seeds differ, as they do after one."""
    seeds: dict[str, set[int]] = {}
    for run in tables.runs:
        if run.kind == "run":
            seeds.setdefault(run.cell, set()).add(run.seed)
    if len({frozenset(of_cell) for of_cell in seeds.values()}) < 2:
        return False
    reads = (known_reads(RunPaths(run.path).test_reads) for run in tables.runs)
    return any(is_look(row.get("reason") or "") for rows in reads for row in rows)


def common_seeds(tables: Tables) -> set[str]:
    """Return the ids of the finished runs of the seeds that all cells have.

    Where the record of a race is damaged, nothing else is free of what its looks decided.
    """
    from segsweep.store.states import Status

    done = [run for run in tables.runs if run.status == Status.FINISHED and run.kind == "run"]
    cells = {run.cell for run in done}
    seeds: dict[int, set[str]] = {}
    for run in done:
        seeds.setdefault(run.seed, set()).add(run.cell)
    return {run.run_id for run in done if seeds[run.seed] == cells}


def only(tables: Tables, runs: set[str]) -> Tables:
    """Return the tables of some runs, and of those that failed: these are counted."""
    from segsweep.store.states import Status

    kept = [run for run in tables.runs if run.run_id in runs or run.status == Status.FAILED]
    return replace(tables, runs=kept)


def with_race(analysis: "Analysis", raced: Raced) -> "Analysis":
    """Return the analysis of the first look's seeds with the race's set of the best."""
    from segsweep.stats.contrasts import CELLS

    tested = analysis.tested.get(CELLS)
    if tested is None or tested.best is None:
        return analysis
    best = _best(analysis, tested.best.names, raced)
    may = np.array([name in {*raced.left} for name in analysis.values.cells])
    found = replace(tested, best=best, ruling_out={})
    return replace(analysis, tested={**analysis.tested, CELLS: found}, may_be_best=may)


def cells_analysis(whole: "Analysis", judged: "Analysis") -> "Analysis":
    """Return what the table of cells shows: means over all seeds used, and the race's set.

    *whole* is the analysis of all seeds used, *judged* that of the first look with the set.
    """
    from segsweep.stats.contrasts import CELLS

    if CELLS not in judged.tested or whole.values.cells != judged.values.cells:
        return judged
    own = {CELLS: judged.tested[CELLS]}
    return replace(whole, tested=own, may_be_best=judged.may_be_best, p_best=judged.p_best)


def _best(analysis: "Analysis", names: Sequence[str], raced: Raced) -> "Best":
    """Return the race's findings about some cells, as a comparison with the best."""
    from segsweep.stats.best import Best

    rows, sign = [raced.last[name] for name in names], analysis.values.sign
    means = sign * np.array([or_nan(row.mean) for row in rows])
    ahead = means - np.array([np.nanmax(np.delete(means, at)) for at in range(len(means))])
    ends = np.array([[or_nan(row.low), or_nan(row.high)] for row in rows]).T
    low, high = ends if sign > 0 else -ends[::-1]
    return Best(
        names=tuple(names),
        p=np.array([or_nan(row.p) for row in rows]),
        may=np.array([row.decision != "out" for row in rows]),
        low=low,
        high=high,
        difference=ahead,
        statistic=np.array([or_nan(row.statistic) for row in rows]),
    )
