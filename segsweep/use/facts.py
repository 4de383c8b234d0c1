"""What the files of a sweep say about one of its runs, for texts about it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from segsweep.config.cells import flat_key
from segsweep.config.run_config import FrozenConfig
from segsweep.metrics import Size
from segsweep.report.analysis import Compared, with_names
from segsweep.report.comparisons import compare_all
from segsweep.report.placement import placement_notes
from segsweep.report.question import comparable
from segsweep.report.raced import Raced
from segsweep.report.searched import searched_cells
from segsweep.stats.search import SearchedCell
from segsweep.store.json_files import Environment, Result, known_environment, known_result
from segsweep.store.paths import RunPaths
from segsweep.store.race import RaceRow
from segsweep.store.records import is_later, known_reads, read_config, read_split
from segsweep.store.run_cache import RunRecord
from segsweep.store.states import Status
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from segsweep.stats.engine import Analysis

TRIAL_EPOCHS = "trainer.epochs"


@dataclass(frozen=True)
class Method:
    """What the comparison says of a cell over its runs: its mean test IoU."""

    mean: float
    low: float
    high: float
    """Ends of the 95 % interval; NaN if there is none."""
    claimed: bool
    """Whether the interval is for other seeds too; else it is of these networks alone."""
    seeds: int
    folds: tuple[int, ...]
    """The folds of its runs, counted from 0; () without folds."""
    images: int
    at: Size
    """The size at which masks were compared."""


@dataclass(frozen=True)
class Others:
    """The cells that a cell was compared with."""

    count: int
    seeds: tuple[int, int]
    """The fewest and the most of all compared cells, its own included."""
    differ: Mapping[str, Sequence[str]]
    """The keys in which the cells differ, and their values; none of values that were searched."""
    searches: tuple[SearchedCell, ...]
    """The searches that led to the values of all compared cells."""
    notes: tuple[str, ...]
    """How the runs differ in precision and kernels, in sentences."""


@dataclass(frozen=True)
class Race:
    """A race that gave runs their seeds."""

    known: Raced | None
    """None if its record does not fit these runs, or cannot be read."""
    runs: tuple[int, int, int]
    """Those that it asked for, those of them that no look used, and those of a full grid."""
    row: RaceRow | None
    """What the last look of the run's cell found about it; None if that is not known."""
    margin: float
    """Two means closer than this are as good as each other."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run, for texts about it."""

    config: FrozenConfig
    record: RunRecord
    counts: Mapping[str, int]
    """Part of the split -> its images; `unused` are in none."""
    result: Result
    environment: Environment
    reads: tuple[str, ...]
    """Why its test images were read, each time."""
    method: Method | None
    """None if its cell has no mean test IoU, or the run is none of those that are compared."""
    others: Others | None
    """None if its cell is compared with no other."""
    search: SearchedCell | None
    """The search that led to its values; None without one, or without a record of it."""
    trial_epochs: tuple[int, ...]
    """The epochs that trials of that search had, ascending, as far as they are still there."""
    race: Race | None

    @property
    def cell(self) -> str:
        """Its cell."""
        return self.record.cell


def gather(tables: Tables, run: RunPaths) -> Facts:
    """Return what the files of a sweep say about a finished *run* of it."""
    parts = [row["split"] for row in read_split(run.split)]
    record = next(one for one in tables.runs if one.path == run.root)
    there = record.kind == "run" and record.status == Status.FINISHED
    compared = _comparison(tables, record) if there else None
    search = next((one for one in searched_cells(tables) if _is_of(one, record)), None)
    reasons = [row.get("reason") or "" for row in known_reads(run.test_reads)]
    ids = () if record.chosen is None else record.chosen.trials
    epochs = {one.settings.get(TRIAL_EPOCHS) for one in tables.runs if one.run_id in {*ids}}
    return Facts(
        config=read_config(run.config),
        record=record,
        counts={part: parts.count(part) for part in ("train", "val", "test", "unused")},
        result=known_result(run.result) or Result(),
        environment=known_environment(run.environment),
        reads=tuple(why for why in reasons if not is_later(why)),
        method=None if compared is None else _method(*compared, record),
        others=None if compared is None else _others(*compared),
        search=search,
        trial_epochs=tuple(sorted(one for one in epochs if isinstance(one, int))),
        race=_race(tables, compared, record) if there else None,
    )


def _comparison(tables: Tables, record: RunRecord) -> tuple[Tables, Compared] | None:
    """Return the comparison that a run's cell takes part in, and its tables."""
    every = zip(tables.comparisons().values(), compare_all(tables, advise=False), strict=True)
    for own, compared in every:
        mine = next((one for one in own.runs if one.path == record.path), None)
        if mine is not None and compared.analysis is not None:
            return (own, compared) if mine.cell in compared.analysis.values.cells else None
    return None


def _is_of(one: SearchedCell, record: RunRecord) -> bool:
    row = record.chosen
    return row is not None and (one.cell, one.fold) == (record.cell, row.fold)


def _method(tables: Tables, compared: Compared, record: RunRecord) -> Method:
    """Return the means of comparison.csv: after a race, those over all seeds used."""
    analysis, runs = _analysis_of(compared), comparable(tables)
    cell = _cell_in(tables, record)
    rows = with_names(compared.cells, compared.swept).to_dict("records")
    (row,) = [row for row in rows if row["cell"] == cell]
    folds = {one.columns.get("fold") for one in runs.counted_runs if one.cell == cell}
    at = analysis.values.cells.index(cell)
    return Method(
        mean=float(row[compared.value]),
        low=float(row["ci_low"]),
        high=float(row["ci_high"]),
        claimed=compared.claims and at in analysis.claimed,
        seeds=int(row["seeds"]),
        folds=tuple(sorted(fold for fold in folds if isinstance(fold, int))),
        images=len(analysis.values.images),
        at=runs.at,
    )


def _others(tables: Tables, compared: Compared) -> Others | None:
    names = _analysis_of(compared).values.cells
    if len(names) < 2:
        return None
    runs = [one for one in comparable(tables).counted_runs if one.cell in names]
    rows = with_names(compared.cells, compared.swept).to_dict("records")
    seeds = [int(row["seeds"]) for row in rows if row["cell"] in names]
    found = {
        key: {str(one.columns.get(flat_key(key))) for one in runs}
        for key in ("model", "loss", *compared.swept)
    }
    return Others(
        count=len(names) - 1,
        seeds=(min(seeds), max(seeds)),
        differ={key: sorted(texts, key=_order) for key, texts in found.items() if len(texts) > 1},
        searches=tuple(one for one in compared.searched if one.values and one.cell in names),
        notes=placement_notes(runs),
    )


def _order(text: str) -> tuple[float, str]:
    """Return by what values are sorted: numbers by size, then words."""
    try:
        return float(text), text
    except ValueError:
        return math.inf, text


def _race(
    tables: Tables, compared: tuple[Tables, Compared] | None, record: RunRecord
) -> Race | None:
    if not tables.sweep.race.exists() or compared is None:
        return None
    own, found = compared
    raced, cell = found.raced, _cell_in(own, record)
    if raced is None:
        return Race(None, (0, 0, 0), None, found.margin)
    return Race(raced, raced.counts_of(tables), raced.last.get(cell), found.margin)


def _cell_in(tables: Tables, record: RunRecord) -> str:
    """Return the run's cell as its comparison names it."""
    return next(one.cell for one in tables.runs if one.path == record.path)


def _analysis_of(compared: Compared) -> "Analysis":
    assert compared.analysis is not None, "its cells were compared"
    return compared.analysis
