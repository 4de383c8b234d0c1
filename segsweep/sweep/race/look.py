"""What a look finds, from the stored counts of exactly the runs that count at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from math import nan

from segsweep.stats.looks import End, Judged, Look
from segsweep.store.json_files import known_result
from segsweep.store.paths import SweepPaths
from segsweep.store.records import add_look
from segsweep.store.run_cache import RunCache, RunRecord
from segsweep.store.tables import Tables
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.system.clock import time_text

EMPTY = "evaluate.empty"
"""The one setting, besides those that name a run, by which its values are computed."""


@dataclass(frozen=True)
class StoredCounts:
    """Judges cells by the counts in the folders of their runs.

    The generator's seed is fixed: the same counts lead to the same decisions.
    """

    sweep: SweepPaths
    cache: RunCache = field(default_factory=RunCache)

    def judge(
        self,
        used: Mapping[str, Sequence[PlannedRun]],
        error: float,
        final: float | None,
        look: int,
    ) -> Look:
        """Return what a look finds about the cells in *used*: name -> the runs that count.

        A cell without any may be missing in it. *look* counts from 1; the runs' logs of test-set
        reads name it before anything is read. Other arguments as in `take_look`.
        """
        from segsweep.report.question import Asked, comparable, values_of_sweep
        from segsweep.stats.race import take_look

        for run in chain.from_iterable(used.values()):
            result = known_result(run.paths.result)
            add_look(run.paths, time_text(), look, (result and result.n_test) or 0)
        runs = [self._record(run, cell) for cell, runs in used.items() for run in runs]
        tables = Tables(self.sweep, runs, [EMPTY], self.cache)
        if not runs:
            return _nothing((), final)
        values = values_of_sweep(comparable(tables), Asked())
        if len(values.cells) < 2:
            return _nothing(values.cells, final)
        return take_look(values, error, final, look > 1)

    def _record(self, run: PlannedRun, cell: str) -> RunRecord:
        record = self.cache.run(run.paths).record
        columns = {**record.columns, EMPTY: record.settings.get(EMPTY)}
        return replace(record, cell=cell, columns=columns)


def _nothing(cells: Sequence[str], final: float | None) -> Look:
    """Return a look at which nothing can be said about any cell."""
    judged = [Judged(cell, 0, nan, nan, nan, nan, nan, False) for cell in cells]
    return Look(judged, End.SEEDS if final is None else None)
