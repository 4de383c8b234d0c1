"""The search of one cell in one fold: its trials, the values they lead to, and its final runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from segsweep.config.cells import title_of
from segsweep.errors import StoredFileError
from segsweep.store.chosen import Chosen
from segsweep.store.json_files import Result, known_failure, known_result
from segsweep.store.outcome import Outcome, failed_outcome, finished_outcome
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_rows
from segsweep.store.retention import keep_checkpoints
from segsweep.store.states import AttemptStatus, Cause
from segsweep.sweep.planning.plan import PlannedRun, cell_by_run
from segsweep.sweep.search.space import Value
from segsweep.sweep.search.study import DIVERGED, Study, best_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from segsweep.config.run_config import Values


@dataclass(frozen=True)
class Running:
    """A trial whose run was asked for and has not ended."""

    k: int
    trial: "FrozenTrial"
    run: PlannedRun
    twins: "dict[int, FrozenTrial]" = field(default_factory=dict)
    """k -> further trials at the same values, which were asked for while it was running."""


@dataclass
class CellSearch:
    """The state of one cell's search under one command."""

    cell: str
    fold: int | None
    bases: list[PlannedRun]
    """The cell's runs as the command asks for them, at the config's own values."""
    study: Study
    n_trials: int
    retry_failed: bool
    running: dict[str, Running] = field(default_factory=dict)
    """Run name -> the trial that it is the run of."""
    runs: dict[int, RunPaths] = field(default_factory=dict)
    """k -> the run of the trial."""
    given_up: set[int] = field(default_factory=set)
    """Trials that failed under this command."""
    finals: list[PlannedRun] | None = None
    """The runs at the chosen values; None until these are known."""
    waiting: list[PlannedRun] = field(default_factory=list)
    """Those of `finals` that are to do and have not been started."""

    @property
    def title(self) -> str:
        """The cell, and the fold if there is one, as they are shown."""
        return title_of(self.cell, self.fold)

    def asked(self) -> "dict[int, FrozenTrial]":
        """Return k -> latest trial, of the trials that the command asks for."""
        return {k: one for k, one in self.study.by_k().items() if k < self.n_trials}

    def next_k(self) -> int | None:
        """Return the next trial to ask for; None if all are running or over."""
        from optuna.trial import TrialState

        known = self.asked()
        running = {k for one in self.running.values() for k in (one.k, *one.twins)}
        for k in range(self.n_trials):
            if k in self.given_up or k in running:
                continue
            if k not in known or (known[k].state is TrialState.FAIL and self.retry_failed):
                return k
        return None

    def left(self) -> int:
        """Return how many trials are still to end."""
        from optuna.trial import TrialState

        known, again = self.asked(), TrialState.FAIL if self.retry_failed else None
        over = {k for k, one in known.items() if one.state.is_finished() and one.state is not again}
        return self.n_trials - len(over | self.given_up)

    def end(self, name: str, outcome: Outcome) -> Outcome:
        """Tell the study how a trial's run ended; return the outcome as it counts."""
        one = self.running.pop(name)
        for k, trial in {one.k: one.trial, **one.twins}.items():
            counted = self._tell(k, trial, one.run, outcome)
        return counted

    def _tell(self, k: int, trial: "FrozenTrial", run: PlannedRun, outcome: Outcome) -> Outcome:
        from optuna.trial import TrialState

        for epoch, value in _curve(run.paths):
            self.study.report(trial, epoch, value)
        if outcome.status == AttemptStatus.FINISHED:
            result = known_result(run.paths.result)
            pruned = result is not None and result.pruned
            state = TrialState.PRUNED if pruned else TrialState.COMPLETE
            self.study.tell(trial, state, outcome.value)
        elif outcome.cause == Cause.NON_FINITE:  # these values are bad: that is a result
            self.study.mark(trial, DIVERGED, True)
            self.study.tell(trial, TrialState.PRUNED)
            return Outcome(outcome.run, AttemptStatus.FINISHED, outcome.value, outcome.error)
        else:
            self.given_up.add(k)
            self.study.tell(trial, TrialState.FAIL)
        return outcome

    def outcome_before(self, run: PlannedRun) -> Outcome | None:
        """Return the outcome of a trial's run that has ended before, if it counts."""
        if (done := finished_outcome(run.paths)) is not None:
            run.paths.failure.unlink(missing_ok=True)  # a kill may have come before this was done
            keep_checkpoints(run.paths, run.config.keep)
            return done
        failure = known_failure(run.paths.failure)
        diverged = failure is not None and failure.known_cause == Cause.NON_FINITE
        return failed_outcome(run.paths) if diverged else None

    def best(self) -> "FrozenTrial | None":
        """Return the best complete trial; None without any."""
        return best_of(self.asked())

    def chosen(self, params: Mapping[str, str], cell_id: str) -> Chosen | None:
        """Return the values found and what finding them took; None without a complete trial."""
        from optuna.trial import TrialState

        best, trials = self.best(), self.asked()
        if best is None:
            return None
        first = self.bases[0].config
        states = [one.state for one in trials.values()]
        diverged = sum(bool(one.user_attrs.get(DIVERGED)) for one in trials.values())
        own = next((one for one in trials.values() if one.params == self.study.own), None)
        k = next(k for k, one in trials.items() if one is best)
        runs = {self.runs[k].root: self.runs[k] for k in trials if k in self.runs}
        spent = [_spent(run) for run in runs.values()]  # equal values are trained once
        return Chosen(
            cell=self.cell,
            model=first.choices["model"],
            loss=first.choices["loss"],
            fold=self.fold,
            cell_id=cell_id,
            values=dict(best.params),
            params=dict(params),
            trial=_run_id(self.runs[k]) if k in self.runs else "",
            val_iou=best.value,
            own_val_iou=own.value if own is not None and own.value is not None else None,
            n_trials=self.n_trials,
            complete=states.count(TrialState.COMPLETE),
            pruned=states.count(TrialState.PRUNED) - diverged,
            diverged=diverged,
            failed=states.count(TrialState.FAIL),
            epochs=sum(epochs for epochs, _ in spent),
            seconds=round(sum(seconds for _, seconds in spent), 1),
            study=self.study.name,
            sampler=self.study.sampler,
            own=self.study.own or {},
            trials=tuple(_run_id(self.runs[k]) for k in sorted(trials) if k in self.runs),
        )


def _run_id(paths: RunPaths) -> str:
    return paths.root.name.rpartition("-")[2]


def _curve(paths: RunPaths) -> list[tuple[int, float]]:
    """Return epoch and validation IoU of each epoch; none if history.csv is missing or damaged."""
    try:
        return [(int(row["epoch"]), float(row["val_iou"])) for row in read_rows(paths.history)]
    except (StoredFileError, KeyError, ValueError, TypeError):
        return []


def _spent(paths: RunPaths) -> tuple[int, float]:
    """Return the epochs and seconds of a trial; without a readable history.csv, of its result."""
    try:
        found = [float(row["seconds"]) for row in read_rows(paths.history)]
    except (StoredFileError, KeyError, ValueError, TypeError):
        found = []
    if found:
        return len(found), sum(found)
    result = known_result(paths.result) or Result()
    return result.epochs or 0, result.seconds or 0.0


def group_runs(planned: Sequence[PlannedRun]) -> dict[tuple[str, int | None], list[PlannedRun]]:
    """Return (cell, fold) -> its runs."""
    cells = cell_by_run(planned)
    found: dict[tuple[str, int | None], list[PlannedRun]] = {}
    for run in planned:
        found.setdefault((cells[run.name], run.config.data.split.fold), []).append(run)
    return found


def own_values(config: "Values", keys: Sequence[str]) -> dict[str, Value]:
    """Return the values that a run's config has at *keys*, an option's name for a group."""
    found: dict[str, Value] = {}
    for key in keys:
        value: object = config
        for name in key.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, Mapping):
            value = cast("Mapping[str, object]", config["choices"]).get(key)
        found[key] = cast(Value, value)
    return found
