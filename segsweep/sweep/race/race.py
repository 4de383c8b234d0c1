"""A race while it runs: which run comes next, when a look is taken, who is ruled out.

At a look, the cells that are left need their first seeds. Slots that would be idle until the look
is taken train the next seeds of the best cells; these never enter the look.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import pairwise
from math import isnan

from segsweep.config.cells import title_of
from segsweep.stats.looks import End, Judged, Look, spending
from segsweep.store.json_files import known_result
from segsweep.store.outcome import Outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.race import Decision, RaceRow, end_of, write_race
from segsweep.store.states import AttemptStatus
from segsweep.sweep.feed import Expected, Next
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.race.settings import RaceCell, RaceSettings

Judge = Callable[[Mapping[str, Sequence[PlannedRun]], float, float | None, int], Look]
"""Finds out about cells: name -> the runs that count; then errors as in `take_look`, the look."""


class State(Enum):
    """How far a run is in this command."""

    WAITING = auto()
    RUNNING = auto()
    FINISHED = auto()
    FAILED = auto()
    """After its retries, or before and not retried."""


OVER = (State.FINISHED, State.FAILED)


@dataclass
class Race:
    """A race: a feed of runs."""

    sweep: SweepPaths
    settings: RaceSettings
    cells: list[RaceCell]
    states: dict[str, State]
    """Run name -> how far it is, of all runs of all cells."""
    judge: Judge
    freeze: Callable[[PlannedRun], None] = lambda run: None
    """Writes a run's config and its row of the plan, before it starts."""
    say: Callable[[Sequence[RaceRow]], None] = lambda rows: None
    """Tells the user what a look found."""
    rows: list[RaceRow] = field(default_factory=list)
    """Of race.csv: the looks that were taken."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Run name -> its expected seconds, where they are known."""
    slots: int = 1
    whole_rounds: bool = True
    """All runs of a look are known when it begins."""
    _dropped: list[str] = field(default_factory=list)
    _untold: list[list[RaceRow]] = field(default_factory=list)
    """Looks that the user was not told of yet."""

    def __post_init__(self) -> None:
        """Take over the decisions of earlier commands."""
        self._follow(self.rows)

    @property
    def end(self) -> str:
        """Why the race has ended, as in race.csv; empty if it goes on."""
        return end_of(self.rows)

    @property
    def looks_taken(self) -> int:
        """How many looks were taken."""
        return self.rows[-1].look if self.rows else 0

    @property
    def left(self) -> list[RaceCell]:
        """The cells that are not ruled out."""
        return [cell for cell in self.cells if not cell.out]

    def start(self) -> None:
        """Take the looks whose runs an earlier command finished."""
        self._take_looks()

    def waiting(self) -> list[PlannedRun]:
        """Return the runs that the next look needs and that have not started."""
        return [run for run in self._needed() if self.states[run.name] is State.WAITING]

    def possible(self) -> list[PlannedRun]:
        """Return the runs that may still be asked for, the most urgent first."""
        further = (
            [] if self.end else [run for cell in self.left for run in cell.runs([*cell.units])]
        )
        named = {run.name: run for run in (*self._needed(), *further)}
        return [run for name, run in named.items() if self.states[name] is State.WAITING]

    def asked(self) -> list[PlannedRun]:
        """Return the runs that were asked for or finished so far."""
        every = [run for cell in self.cells for run in cell.runs([*cell.units])]
        return [run for run in every if self.states[run.name] is not State.WAITING]

    def cell_names(self) -> dict[str, str]:
        """Return run name -> its cell, of all runs."""
        return {run.name: cell.name for cell in self.cells for run in cell.runs([*cell.units])}

    def replace_runs(self, runs: Sequence[PlannedRun]) -> None:
        """Take *runs* in place of those of the same names."""
        known = {run.name: run for run in runs}
        for cell in self.cells:
            for seed, own in cell.units.items():
                cell.units[seed] = [known.get(run.name, run) for run in own]

    def expected(self) -> dict[str, Expected]:
        """Return every run that may still be asked for, by its name."""
        cells = self.cell_names()
        return {
            run.name: Expected(cells[run.name], self.seconds.get(run.name, 0.0))
            for run in self.possible()
        }

    def next_runs(self, free: int | None) -> list[Next]:
        """Return up to *free* runs that can start now, those that the next look needs first.

        None: every run that the next look needs, and none that it does not.
        """
        self.tell()
        waiting = self.waiting()
        if free is not None and len(waiting) < free:
            waiting += self._ahead()
        return [self._next(run) for run in waiting[:free]]

    def _next(self, run: PlannedRun) -> Next:
        self.freeze(run)
        self.states[run.name] = State.RUNNING
        cell = self.cell_names()[run.name]
        label = f"{cell} seed {run.config.seed}"
        fold = run.config.data.split.fold
        return Next(run, run.name, title_of(label, fold), self.seconds.get(run.name, 0.0))

    def tell(self) -> None:
        """Tell the user what looks found, after the lines about the runs that led to them."""
        while self._untold:
            self.say(self._untold.pop(0))

    def epoch_done(self, run: str, epoch: int, val_iou: float) -> None:
        """Learn nothing: a race looks at finished runs."""

    def ended(self, outcome: Outcome) -> Outcome:
        """Learn how a run ended; take the look that needed it."""
        states = {AttemptStatus.FINISHED: State.FINISHED, AttemptStatus.FAILED: State.FAILED}
        if outcome.status in states:
            self.states[outcome.run] = states[outcome.status]
            self._take_looks()
        return outcome

    def take_skipped(self) -> list[str]:
        """Return no names: what had finished before was never expected."""
        return []

    def take_dropped(self) -> list[str]:
        """Return the names of runs that are not needed any more, since the last call."""
        taken, self._dropped = self._dropped, []
        return taken

    def _needed(self) -> list[PlannedRun]:
        """Return the runs of the next look, a seed of every cell after the other.

        The runs of earlier looks are among them, also those of cells that are ruled out: what was
        lost is trained again.
        """
        used = {name for row in self.rows for name in row.runs}
        every = [run for cell in self.cells for run in cell.runs([*cell.units])]
        found = [run for run in every if run.config.run_id in used]
        if not self.end:
            seeds = self.settings.seeds[: self.settings.looks[self.looks_taken]]
            found += [run for seed in seeds for cell in self.left for run in cell.units[seed]]
        return list({run.name: run for run in found}.values())

    def _ahead(self) -> Iterator[PlannedRun]:
        """Yield the runs of later seeds, those of the cells with the smallest statistic first.

        The best cells are the ones that most probably need them.
        """
        if self.end:
            return
        looks = self.settings.looks[self.looks_taken :]
        for begin, end in pairwise(looks):
            seeds = self.settings.seeds[begin:end]
            if self.looks_taken:
                order = sorted(self.left, key=lambda cell: cell.statistic)
                runs = [run for cell in order for run in cell.runs(seeds)]
            else:
                runs = [run for seed in seeds for cell in self.left for run in cell.units[seed]]
            yield from (run for run in runs if self.states[run.name] is State.WAITING)

    def _take_looks(self) -> None:
        while not self.end and all(self.states[run.name] in OVER for run in self._needed()):
            before = {run.name for run in self.possible()}
            new = self._look()
            write_race(self.sweep, [*self.rows, *new])
            self.rows += new
            self._follow(new)
            after = {run.name for run in self.possible()}
            self._dropped += sorted(before - after)
            self._untold.append(new)

    def _follow(self, rows: Sequence[RaceRow]) -> None:
        """Take over what the *rows* of looks say about the cells."""
        found = {row.cell_id: row for row in rows}
        for cell in self.cells:
            if (row := found.get(cell.id)) is not None:
                cell.out = row.decision is Decision.OUT
                cell.statistic = 0.0 if row.statistic is None else row.statistic

    def _look(self) -> list[RaceRow]:
        """Take the next look; return its rows."""
        place, looks = self.looks_taken, self.settings.looks
        errors = spending(len(looks))
        seeds = self.settings.seeds[: looks[place]]
        used = {cell.name: self._finished(cell, seeds) for cell in self.left}
        last = place == len(looks) - 1
        final = None if last else errors[-1]
        counted = {name: runs for name, runs in used.items() if runs}
        look = self.judge(counted, errors[place], final, place + 1)
        judged = {one.cell: one for one in look.cells}
        decided = {cell.name: _decision(judged.get(cell.name), len(seeds)) for cell in self.left}
        spent = self._hours()
        end = self._end(look, [*decided.values()], last, spent)
        return [
            RaceRow(
                look=place + 1,
                looks=looks,
                seeds=one.seeds if (one := judged.get(cell.name)) else 0,
                error=errors[place],
                cell=cell.name,
                cell_id=cell.id,
                mean=_known(one.mean) if one else None,
                statistic=_known(one.statistic) if one else None,
                p=_known(one.p) if one else None,
                low=_known(one.low) if one else None,
                high=_known(one.high) if one else None,
                decision=decided[cell.name],
                end=end,
                runs=tuple(run.config.run_id for run in used[cell.name]),
                spent=spent,
                order=self.settings.seeds,
            )
            for cell in self.left
        ]

    def _finished(self, cell: RaceCell, seeds: Sequence[int]) -> list[PlannedRun]:
        """Return the runs of the seeds of which all folds are finished."""
        whole = [
            seed
            for seed in seeds
            if all(self.states[run.name] is State.FINISHED for run in cell.units[seed])
        ]
        return cell.runs(whole)

    def _end(self, look: Look, decisions: Sequence[Decision], last: bool, spent: float) -> str:
        """Return why the race ends with a look; empty if it goes on.

        While a cell is short of seeds, it ends only because there is nothing more to spend.
        """
        if last:
            whole = Decision.SHORT not in decisions
            return str(look.end if whole and look.end is not None else End.SEEDS)
        if look.end is not None and Decision.SHORT not in decisions:
            return str(look.end)
        hours, further = self.settings.hours, bool(self.possible())
        return str(End.HOURS) if further and hours is not None and spent >= hours else ""

    def _hours(self) -> float:
        """Return the hours that the finished runs of the race took, over the slots."""
        done = [run for run in self.asked() if self.states[run.name] is State.FINISHED]
        results = [known_result(run.paths.result) for run in done]
        seconds = sum(one.seconds or 0.0 for one in results if one is not None)
        return seconds / self.slots / 3600


def _decision(judged: Judged | None, seeds: int) -> Decision:
    if judged is None or judged.seeds < seeds:
        return Decision.SHORT
    return Decision.OUT if judged.out else Decision.IN


def _known(number: float) -> float | None:
    return None if isnan(number) else number
