"""Replay a pruner on the stored trials of a search: the epochs that are left, and the choice."""

import math
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from segsweep.cli.reproduce import value_text
from segsweep.config.run_config import FrozenConfig
from segsweep.store.chosen import Chosen, read_chosen
from segsweep.store.paths import SweepPaths
from segsweep.store.records import readable_configs
from segsweep.sweep.search.cell import own_values
from segsweep.sweep.search.storage import open_storage
from segsweep.sweep.search.study import K
from segsweep.training.pruning import Curve, can_end, should_end

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


@dataclass
class Row:
    """What a pruner does to the search of one cell; numbers of final runs may be unknown."""

    cell: str
    pruner: str
    trials: int
    epochs: int
    kept: float
    """Epochs that are trained with the pruner."""
    saved: float
    same: float
    choice: str
    val_iou: float
    milliseconds: float
    test_iou: float | None = None
    less: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int = 0


@dataclass(frozen=True)
class Search:
    """The trials of one cell."""

    chosen: Chosen
    trials: Mapping[int, "FrozenTrial"]
    """k -> a trial that has ended, failed ones left out."""
    epochs: int
    """Of a trial."""
    finals: Sequence[FrozenConfig]
    """The cell's runs at the chosen values."""

    @property
    def best(self) -> int:
        """The trial that the search chose."""
        return next(k for k, one in self.trials.items() if one.value == self.chosen.val_iou)

    @property
    def title(self) -> str:
        """The cell, and the fold if there is one."""
        fold = self.chosen.fold
        return self.chosen.cell if fold is None else f"{self.chosen.cell} fold {fold}"


def searches_of(sweep: SweepPaths, storage: str | None = None) -> list[Search]:
    """Return the searches of a sweep; exit with a message if it has none without a pruner."""
    rows = [row for row in read_chosen(sweep) if row.trial]
    if not rows:
        sys.exit(f"{sweep.root}: no finished search: chosen.csv is missing or empty")
    if any(row.pruned for row in rows):
        sys.exit(f"{sweep.root}: its trials were pruned; a replay needs all their epochs")
    opened = open_storage(storage, sweep)
    configs = list(readable_configs(sweep.run_folders()))
    found = []
    for chosen in rows:
        stored = opened.get_all_trials(opened.get_study_id_from_name(chosen.study))
        ended = [one for one in stored if one.state.name in ("COMPLETE", "PRUNED")]
        trials = {one.user_attrs[K]: one for one in ended if K in one.user_attrs}
        trials = {k: one for k, one in sorted(trials.items()) if k < chosen.n_trials}
        best = next(config for config in configs if config.run_id == chosen.trial)
        finals = [one for one in configs if is_final(one, best, chosen.values)]
        found.append(Search(chosen, trials, best.trainer.epochs, finals))
    return found


def is_final(run: FrozenConfig, trial: FrozenConfig, values: Mapping[str, object]) -> bool:
    """Whether *run* is a final run of the cell of *trial* at the searched *values*."""
    cells = [
        (one.choices["model"], one.choices["loss"], one.data.split.fold) for one in (run, trial)
    ]
    same = own_values(run.values, list(values)) == dict(values)
    return run.kind == "run" and cells[0] == cells[1] and same


def replay(search: Search, pruner: str, name: str) -> tuple[dict[int, Curve], list[float]]:
    """Return k -> what the pruner leaves of each trial, and the seconds of its decisions.

    A trial that diverged is left out of the comparison of the others once it has ended.
    """
    curves: dict[int, Curve] = {}
    left: dict[int, Curve] = {}
    seconds = []
    for k, trial in search.trials.items():
        values = [value for _, value in sorted(trial.intermediate_values.items())]
        complete = trial.state.name == "COMPLETE"
        for epoch in range(1, len(values) + 1):
            curves[k] = Curve(tuple(values[:epoch]))
            if not can_end(pruner, search.epochs, epoch) or epoch == len(values):
                continue
            started = time.perf_counter()
            ends = should_end(pruner, name, search.epochs, curves, k)
            seconds.append(time.perf_counter() - started)
            if ends:
                complete = False
                break
        curves[k] = left[k] = Curve(curves[k].values, complete)
        if trial.state.name != "COMPLETE" and len(left[k].values) == len(values):
            del curves[k]
    return left, seconds


def choice_of(search: Search, left: Mapping[int, Curve]) -> int:
    """Return the k that is chosen: the best complete trial, else the best that was pruned."""
    complete = [k for k, curve in left.items() if curve.complete]
    if complete:
        return max(complete, key=lambda k: search.trials[k].value or 0.0)
    return max(left, key=lambda k: max(left[k].values))


def replayed(search: Search, pruner: str, draws: int) -> tuple[Row, int]:
    """Return what *pruner* does on average over *draws* names, and the k chosen most often."""
    kept, chosen, seconds = [], [], list[float]()
    for draw in range(draws):
        name = search.chosen.study if not draw else f"{search.chosen.study} {draw}"
        left, taken = replay(search, pruner, name)
        kept.append(sum(len(curve.values) for curve in left.values()))
        chosen.append(choice_of(search, left))
        seconds += taken
    epochs = sum(len(one.intermediate_values) for one in search.trials.values())
    k = Counter(chosen).most_common(1)[0][0]
    params = ", ".join(f"{key}={value_text(item)}" for key, item in values_of(search, k).items())
    row = Row(
        cell=search.title,
        pruner=pruner,
        trials=len(search.trials),
        epochs=epochs,
        kept=float(np.mean(kept)),
        saved=1 - float(np.mean(kept)) / epochs,
        same=chosen.count(search.best) / draws,
        choice=params,
        val_iou=search.trials[k].value or math.nan,
        milliseconds=1000 * float(np.mean(seconds)) if seconds else 0.0,
    )
    return row, k


def values_of(search: Search, k: int) -> dict[str, object]:
    """Return dotted key -> the value in trial *k*."""
    return dict(search.trials[k].params)
