"""One study: the trials of one cell, in Optuna's storage.

Trials are numbered k = 0, 1, ... by their place in the search. A trial that failed is tried again
with the same k and the same values; Optuna then has two trials with this k.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, cast

from segsweep.system.files import text_digest
from segsweep.system.optuna_log import quietly

if TYPE_CHECKING:
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, TrialState

from segsweep.sweep.search.space import Space, Value
from segsweep.sweep.search.suggest import suggestion

K, DIVERGED, DROPPED = "k", "diverged", "dropped"
"""User attributes of a trial: its place in the search; whether its loss became non-finite; whether
a later command asked for fewer trials while it was running."""


def study_name(cell: str, fixed: object) -> str:
    """Return the name of a cell's study: it holds a hash of everything that is *fixed* in it."""
    text = json.dumps(fixed, sort_keys=True, ensure_ascii=False, default=str)
    return f"{cell} {text_digest(text)[:12]}"


@dataclass
class Study:
    """The trials of one cell."""

    storage: "BaseStorage"
    name: str
    space: Space
    sampler: str
    own: dict[str, Value] | None
    """The config's own values; None if they are outside *space*."""
    stored_as: str = ""
    """Its name in the storage; empty: `name`."""
    _id: int = field(init=False)
    _known: "list[FrozenTrial] | None" = field(init=False, default=None)
    """The trials as they were last read; None after a change, which only this command makes."""

    def __post_init__(self) -> None:
        """Create the study, or open the one that an earlier command created."""
        from optuna.exceptions import DuplicatedStudyError
        from optuna.study import StudyDirection

        name = self.stored_as or self.name
        with quietly():
            try:
                self._id = self.storage.create_new_study([StudyDirection.MAXIMIZE], name)
            except DuplicatedStudyError:
                self._id = self.storage.get_study_id_from_name(name)

    def trials(self) -> list["FrozenTrial"]:
        """Return all trials in the order in which they were asked for."""
        if self._known is None:  # the cells ask many times, and each reading is several queries
            self._known = list(self.storage.get_all_trials(self._id, deepcopy=False))
        return self._known

    def by_k(self) -> dict[int, "FrozenTrial"]:
        """Return k -> its latest trial, but for those that a command dropped."""
        return {k: one for k, one in self._latest().items() if DROPPED not in one.user_attrs}

    def _latest(self) -> dict[int, "FrozenTrial"]:
        return {cast(int, one.user_attrs[K]): one for one in self.trials() if K in one.user_attrs}

    def ask(self, k: int) -> "FrozenTrial":
        """Start trial *k*; it has the values of its failed or dropped attempt if there is one."""
        from optuna.trial import FrozenTrial, TrialState

        before = self._latest().get(k)
        if before is not None:
            values, notes = dict(before.params), dict(before.system_attrs)
        else:
            values, notes = self._suggested(k)
        template = FrozenTrial(
            number=-1,  # the storage numbers it
            trial_id=-1,
            state=TrialState.RUNNING,
            value=None,
            datetime_start=datetime.now(),
            datetime_complete=None,
            params=values,
            distributions=dict(self.space),
            user_attrs={K: k},
            system_attrs=notes,
            intermediate_values={},
        )
        self._known = None
        number = self.storage.create_new_trial(self._id, template_trial=template)
        return self.storage.get_trial(number)

    def _suggested(self, k: int) -> tuple[dict[str, Value], dict[str, object]]:
        from optuna.trial import TrialState

        there = [one for one in self.trials() if one.state is not TrialState.FAIL]
        return suggestion(self.name, k, self.space, self.sampler, self.own, there)

    def report(self, trial: "FrozenTrial", epoch: int, value: float) -> None:
        """Store the validation IoU of an epoch, 1 for the first."""
        self._known = None
        self.storage.set_trial_intermediate_value(trial._trial_id, epoch, value)

    def tell(self, trial: "FrozenTrial", state: "TrialState", value: float | None = None) -> None:
        """Store how a trial ended, unless that is stored already."""
        if not self.storage.get_trial(trial._trial_id).state.is_finished():
            values = None if value is None else [value]
            self._known = None
            self.storage.set_trial_state_values(trial._trial_id, state, values)

    def mark(self, trial: "FrozenTrial", key: str, value: object) -> None:
        """Store a fact about a trial."""
        self._known = None
        self.storage.set_trial_user_attr(trial._trial_id, key, value)

    def close_others(self, n_trials: int) -> None:
        """Close running trials that this command does not go on with.

        They were started with other tools, or by a killed command that asked for more than
        *n_trials*; the latter start anew when a command asks for them again.
        """
        from optuna.trial import TrialState

        for trial in self.trials():
            k = trial.user_attrs.get(K)
            if trial.state.is_finished() or (k is not None and k < n_trials):
                continue
            self.mark(trial, DROPPED, True)
            self.tell(trial, TrialState.FAIL)


def best_of(trials: Mapping[int, "FrozenTrial"]) -> "FrozenTrial | None":
    """Return the best of the complete trials by k, the first of equal ones.

    Without a complete one, the best of those that were ended early; None if no trial has a value.
    """
    from optuna.trial import TrialState

    ended = [one for _, one in sorted(trials.items()) if one.state.is_finished()]
    valued = [one for one in ended if one.value is not None]
    complete = [one for one in valued if one.state is TrialState.COMPLETE]
    return max(complete or valued, key=lambda one: cast(float, one.value), default=None)
