"""A search while it runs: which trial or final run comes next, and what each result leads to.

There is no barrier: a cell whose trials have ended trains its final runs while other cells are
still searched. Free slots take the next trial of the cell with the most work left. Only when no
cell has a trial that could start after its last result, a cell gets a second trial at a time.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan
from typing import TYPE_CHECKING

from segsweep.store.chosen import add_chosen
from segsweep.store.outcome import Outcome, failed_outcome
from segsweep.store.states import AttemptStatus, Cause
from segsweep.store.studies import write_study
from segsweep.sweep.feed import Expected, Next
from segsweep.sweep.planning.plan import PlannedRun, sweep_of
from segsweep.sweep.planning.work import NOT_RETRIED
from segsweep.sweep.search.cell import CellSearch, Running
from segsweep.sweep.search.planner import Planner

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

NO_TRIAL = "not trained: no trial of its search finished"
Freeze = Callable[[Sequence[PlannedRun], Mapping[str, str]], list[PlannedRun]]
"""Writes the configs of runs, given run name -> cell; returns those that are to do."""


@dataclass
class Search:
    """The search of all cells: a feed of runs."""

    cells: list[CellSearch]
    planner: Planner
    freeze: Freeze
    cell_ids: Mapping[str, str]
    """Title of a cell's search -> what chosen.csv calls the cell."""
    seconds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Title -> expected seconds of a trial and of a final run, where they are known."""
    outcomes: list[Outcome] = field(default_factory=list)
    """Of runs that need no start: they finished before, or cannot be trained."""
    planned: list[PlannedRun] = field(default_factory=list)
    """All runs asked for so far."""
    whole_rounds: bool = False
    """A cell's next trial can learn from each that ended, so rounds are short."""
    _skipped: list[str] = field(default_factory=list)
    _resumed: list[tuple[CellSearch, Running]] = field(default_factory=list)

    def start(self) -> None:
        """Take over the trials that a killed command left running; choose where all are over."""
        for cell in self.cells:
            cell.study.close_others(cell.n_trials)
            for k, trial in sorted(cell.asked().items()):
                run = self.planner.trial(cell.bases[0], trial.params, cell.study.name)
                cell.runs[k] = run.paths
                if not trial.state.is_finished():
                    self._adopt(cell, Running(k, trial, run))
                elif not self._is_again(cell, k):
                    self.planned.append(run)
                    self.outcomes.append(_before(run, trial))
            self._choose_if_over(cell)

    def _adopt(self, cell: CellSearch, one: Running) -> None:
        cell.running[one.run.name] = one
        if (before := cell.outcome_before(one.run)) is not None:
            self.planned.append(one.run)
            self._end(cell, before)
        else:
            self._resumed.append((cell, one))

    def expected(self) -> dict[str, Expected]:
        """Return every run that is still to do, by a name of its own."""
        found: dict[str, Expected] = {}
        for cell in self.cells:
            trial, final = self._seconds(cell)
            known = cell.asked()
            for k in range(cell.n_trials):
                if k not in known or not known[k].state.is_finished() or self._is_again(cell, k):
                    found[trial_place(cell, k)] = Expected(cell.title, trial)
            names = {run.config.seed for run in cell.waiting}
            for base in cell.bases:
                if cell.finals is None or base.config.seed in names:
                    found[final_place(cell, base)] = Expected(cell.title, final)
        return found

    def left(self) -> dict[str, tuple[int, int]]:
        """Return title of a cell's search -> its trials and final runs that are to do."""
        return {
            cell.title: (
                cell.left(),
                len(cell.bases if cell.finals is None else cell.waiting),
            )
            for cell in self.cells
        }

    def _seconds(self, cell: CellSearch) -> tuple[float, float]:
        return self.seconds.get(cell.title, (0.0, 0.0))

    def _is_again(self, cell: CellSearch, k: int) -> bool:
        return cell.asked()[k].state.name == "FAIL" and cell.retry_failed

    def next_runs(self, free: int | None) -> list[Next]:
        """Return up to *free* runs that can start now, most urgent first.

        None: every run that no result could change, so one trial of each cell.
        """
        found: list[Next] = []
        while free is None or len(found) < free:
            if (one := self._next(together=free is not None)) is None:
                break
            found.append(one)
        return found

    def _next(self, together: bool) -> Next | None:
        if self._resumed:
            return self._trial(*self._resumed.pop(0))
        while (cell := self._most_urgent(together)) is not None:
            if cell.waiting:
                return self._final(cell, cell.waiting.pop(0))
            if (asked := self._ask(cell)) is not None:
                return self._trial(cell, asked)
        return None

    def _most_urgent(self, together: bool) -> CellSearch | None:
        """Return the cell whose next run starts next; None if no cell can go on now.

        *together*: a cell may have several trials at a time.
        """
        ready = [cell for cell in self.cells if cell.waiting or cell.next_k() is not None]
        idle = [cell for cell in ready if cell.waiting or not cell.running]
        if idle:
            return max(idle, key=self._work_left)
        if not together:
            return None
        return min(ready, key=lambda cell: len(cell.running), default=None)

    def _work_left(self, cell: CellSearch) -> float:
        """Return the seconds that the cell needs at least, one run after the other."""
        trial, final = self._seconds(cell)
        if cell.waiting:
            return final or 1.0
        return cell.left() * (trial or 1.0) + (final or 1.0)

    def _ask(self, cell: CellSearch) -> Running | None:
        """Ask for a trial; None if its run has ended before, so that it is over already."""
        k = cell.next_k()
        assert k is not None, "the cell has a trial to ask for"
        trial = cell.study.ask(k)
        run = self.planner.trial(cell.bases[0], trial.params, cell.study.name)
        one = Running(k, trial, run)
        cell.runs[k] = run.paths
        twin = cell.running.get(run.name)
        if twin is not None:
            twin.twins[k] = trial
            self._skipped.append(trial_place(cell, k))
            return None
        cell.running[run.name] = one
        if (before := cell.outcome_before(run)) is not None:
            self.planned.append(run)
            self._skipped.append(trial_place(cell, k))
            self._end(cell, before)
            return None
        return one

    def _trial(self, cell: CellSearch, one: Running) -> Next:
        if self.planner.settings.config.pruner != "none":  # it compares itself with the others
            write_study(sweep_of(one.run.config), cell.study.name, cell.runs)
        self.freeze([one.run], {one.run.name: cell.cell})
        self.planned.append(one.run)
        best = cell.best()
        so_far = f", best so far {best.value:.4f}" if best is not None and best.value else ""
        label = f"{cell.title} trial {one.k + 1}/{cell.n_trials}{so_far}"
        seconds = self._seconds(cell)[0]
        return Next(one.run, trial_place(cell, one.k), label, seconds)

    def _final(self, cell: CellSearch, run: PlannedRun) -> Next:
        seconds = self._seconds(cell)[1]
        return Next(run, final_place(cell, run), f"{cell.title} seed {run.config.seed}", seconds)

    def epoch_done(self, run: str, epoch: int, val_iou: float) -> None:
        """Store the validation IoU of an epoch of a trial."""
        if (found := self._of(run)) is not None:
            cell, one = found
            cell.study.report(one.trial, epoch, val_iou)

    def ended(self, outcome: Outcome) -> Outcome:
        """Tell the study how a trial ended; return the outcome as it counts for the command."""
        found = self._of(outcome.run)
        over = outcome.status in (AttemptStatus.FINISHED, AttemptStatus.FAILED)
        if found is None or not over:
            return outcome
        return self._end(found[0], outcome, new=True)

    def _end(self, cell: CellSearch, outcome: Outcome, new: bool = False) -> Outcome:
        counted = cell.end(outcome.run, outcome)
        if not new:
            self.outcomes.append(counted)
        self._choose_if_over(cell)
        return counted

    def _of(self, run: str) -> tuple[CellSearch, Running] | None:
        for cell in self.cells:
            if run in cell.running:
                return cell, cell.running[run]
        return None

    def _choose_if_over(self, cell: CellSearch) -> None:
        """Plan the cell's final runs once its trials are over."""
        if cell.finals is not None or cell.running or cell.next_k() is not None:
            return
        chosen = cell.chosen(self.planner.settings.params, self.cell_ids[cell.title])
        if chosen is None:
            self._give_up(cell)
            return
        add_chosen(sweep_of(cell.bases[0].config), [chosen])
        best = cell.best()
        assert best is not None, "a chosen value has a trial"
        cell.finals = [self.planner.final(base, best.params) for base in cell.bases]
        self.planned += cell.finals
        cell.waiting = self.freeze(cell.finals, {run.name: cell.cell for run in cell.finals})
        waiting = {run.config.seed for run in cell.waiting}
        self._skipped += [
            final_place(cell, base) for base in cell.bases if base.config.seed not in waiting
        ]

    def _give_up(self, cell: CellSearch) -> None:
        cell.finals = []
        self.planned += cell.bases
        for base in cell.bases:
            failed = Outcome(base.name, AttemptStatus.FAILED, nan, NO_TRIAL, cause=Cause.REFUSED)
            self.outcomes.append(failed)
            self._skipped.append(final_place(cell, base))

    def take_skipped(self) -> list[str]:
        """Return the names of expected runs that need no start, since the last call."""
        taken, self._skipped = self._skipped, []
        return taken

    def take_dropped(self) -> list[str]:
        """Return no names: a search asks for everything that it expects."""
        return []


def _before(run: PlannedRun, trial: "FrozenTrial") -> Outcome:
    """Return the outcome of a trial that was over before the command."""
    if trial.state.name == "FAIL":
        failed = failed_outcome(run.paths)
        return replace(failed, error=f"{failed.error} {NOT_RETRIED}")
    value = nan if trial.value is None else trial.value
    return Outcome(run.name, AttemptStatus.FINISHED, value, trained=False)


def trial_place(cell: CellSearch, k: int) -> str:
    """Return the name of a trial among the expected runs."""
    return f"{cell.title} trial {k}"


def final_place(cell: CellSearch, run: PlannedRun) -> str:
    """Return the name of a run at the chosen values among the expected runs."""
    return f"{cell.title} seed {run.config.seed}"
