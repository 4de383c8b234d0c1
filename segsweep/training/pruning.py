"""Whether a trial of a search should end early, because the others of its study do better.

The trial asks Optuna's pruner itself, after each of its epochs, about a copy of the study that it
makes of the others' files. So it needs no database, works wherever runs are launched, and decides
the same when a killed trial resumes and no other one runs meanwhile.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from segsweep.errors import StoredFileError
from segsweep.store.json_files import known_failure, known_result
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import read_rows
from segsweep.store.states import Cause
from segsweep.store.studies import read_study
from segsweep.system.optuna_log import quietly
from segsweep.training.state import Row

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.trial import Trial

STARTUP_TRIALS = 2
"""Complete trials that the median needs."""
WARM_UP = 3
"""The median waits for this fraction of the epochs, here a third: with a learning rate that rises
first, earlier epochs hardly tell good trials from bad ones."""
REDUCTION = 3
"""Of the trials that Hyperband compares at a moment, one of this many goes on."""
FIRST_LOOK = 9
"""Hyperband first compares trials after this fraction of the epochs, here a ninth."""


@dataclass(frozen=True)
class Curve:
    """How a trial has done so far."""

    values: tuple[float, ...]
    """Validation IoU of each epoch."""
    complete: bool = False
    """Whether it ended, and was not ended early by a pruner."""


@dataclass
class Pruning:
    """Decides for one trial, after each epoch, whether it should end."""

    pruner: str
    """median | hyperband."""
    study: str
    """The study's name."""
    sweep: SweepPaths
    run: str
    """Name of the trial's run."""
    epochs: int
    """Of a trial."""
    pruned: bool = False
    """Whether the trial was ended."""
    _ended: dict[str, Curve] = field(default_factory=dict)
    """Run name -> curve, of runs that do not change any more."""

    def __call__(self, history: Sequence[Row]) -> bool:
        """Whether the trial with this *history* should end now."""
        values = tuple(row["val_iou"] for row in history)
        if not can_end(self.pruner, self.epochs, len(values)):
            return False
        runs = read_study(self.sweep, self.study)
        own = next((k for k, run in runs.items() if run.root.name == self.run), None)
        if own is None:  # somebody trains the trial outside its search
            return False
        others = {k: self._curve(run) for k, run in runs.items() if k != own}
        curves = {k: curve for k, curve in others.items() if curve is not None}
        curves[own] = Curve(values)
        self.pruned = should_end(self.pruner, self.study, self.epochs, curves, own)
        return self.pruned

    def _curve(self, run: RunPaths) -> Curve | None:
        if run.root.name in self._ended:
            return self._ended[run.root.name]
        ended = known_result(run.result) is not None  # read first: the trial may end meanwhile
        curve = read_curve(run)
        if curve is not None and ended:
            self._ended[run.root.name] = curve
        return curve


def read_curve(run: RunPaths) -> Curve | None:
    """Return how a trial has done; None if it failed, diverged included, or cannot be read."""
    result = known_result(run.result)
    failure = known_failure(run.failure) if result is None else None
    if failure is not None and failure.cause != Cause.RETRIED:
        return None
    try:
        values = tuple(float(row["val_iou"]) for row in read_rows(run.history))
    except (StoredFileError, KeyError, ValueError, TypeError):
        return None
    return Curve(values, complete=result is not None and not result.pruned)


def can_end(pruner: str, epochs: int, epoch: int) -> bool:
    """Whether *pruner* may end a trial of *epochs* after this *epoch*, the first being 1."""
    return epoch < epochs and epoch in _compared(pruner, epochs, epoch)


def should_end(pruner: str, study: str, epochs: int, curves: Mapping[int, Curve], own: int) -> bool:
    """Whether *pruner* ends the trial *own* after the last epoch of its curve.

    Args:
        pruner: median | hyperband.
        study: the study's name; Hyperband draws its groups of trials by name and k.
        epochs: of a trial.
        curves: k -> how that trial has done so far.
        own: the k to decide about.

    """
    values = curves[own].values
    if not can_end(pruner, epochs, len(values)) or math.isnan(values[-1]):
        return False
    import optuna

    looks = _compared(pruner, epochs, len(values))
    with quietly():
        copy = optuna.create_study(
            study_name=study,
            direction="maximize",
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=pruner_of(pruner, epochs),
        )
        trials = [copy.ask() for _ in range(max(curves) + 1)]
        for k, curve in curves.items():
            if k != own:
                _replay(trials[k], curve.values, looks, looks)
                if curve.complete and curve.values:
                    copy.tell(trials[k], max(curve.values))
        return _replay(trials[own], values, range(1, len(values) + 1), looks)


def _replay(
    trial: "Trial", values: Sequence[float], reported: Sequence[int], looks: Sequence[int]
) -> bool:
    """Report *values* at the epochs *reported*, ask at *looks*; return the last answer.

    Hyperband remembers what a trial had when it was asked about it.
    """
    answer = False
    for epoch in reported:
        if epoch <= len(values) and not math.isnan(values[epoch - 1]):
            trial.report(values[epoch - 1], epoch)
            answer = epoch in looks and trial.should_prune()
    return answer


def pruner_of(name: str, epochs: int) -> "BasePruner":
    """Return Optuna's pruner, median or hyperband, for trials of *epochs*."""
    from optuna import pruners

    if name == "median":
        return pruners.MedianPruner(
            n_startup_trials=STARTUP_TRIALS, n_warmup_steps=_warm_up(epochs)
        )
    return pruners.HyperbandPruner(
        min_resource=_first_look(epochs), max_resource=epochs, reduction_factor=REDUCTION
    )


def _compared(pruner: str, epochs: int, now: int) -> Sequence[int]:
    """Return the epochs whose values count when a trial is judged after epoch *now*.

    The median of the others is that of the same epoch; Hyperband compares at fixed epochs only.
    """
    if pruner == "median":
        return [now] if now >= _warm_up(epochs) else []
    looks, look = [], _first_look(epochs)
    while look <= now:
        looks.append(look)
        look *= REDUCTION
    return looks


def _warm_up(epochs: int) -> int:
    return max(1, epochs // WARM_UP)


def _first_look(epochs: int) -> int:
    return max(1, epochs // FIRST_LOOK)
