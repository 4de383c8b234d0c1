"""A study of Hydra's Optuna sweeper that is continued: which trials it asks for again.

The sweeper asks for new trials whenever it is started, and never again for one that failed or
whose command was killed. Optuna asks first for those that are queued here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

AGAIN = "again"
"""User attribute of a trial that repeats another: the number of the first one."""


def close_running(study: "Study") -> int:
    """Queue the trials again that a killed command left running; return how many.

    The same values are the same run, which then resumes. No other command may use the study.
    """
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        study.tell(trial.number, state=TrialState.FAIL)
    return sum(_queue(study, trial) for trial in running)


def queue_failed(study: "Study") -> int:
    """Queue the failed trials again; return how many. Each counts once, whatever its attempts."""
    from optuna.trial import TrialState

    attempts: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        attempts.setdefault(trial.user_attrs.get(AGAIN, trial.number), []).append(trial)
    failed = [
        trials[-1]
        for trials in attempts.values()
        if all(one.state is TrialState.FAIL for one in trials)
    ]
    return sum(_queue(study, trial) for trial in failed)


def trials_left(study: "Study", total: int) -> int:
    """Return how many trials to ask for so that the study has *total*, those queued included."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    waiting = sum(one.state is TrialState.WAITING for one in trials)
    ended = sum(one.state in (TrialState.COMPLETE, TrialState.PRUNED) for one in trials)
    known = sum(
        AGAIN not in one.user_attrs and one.state is not TrialState.RUNNING and bool(_values(one))
        for one in trials
    )
    return 0 if ended >= total else max(0, total - known) + waiting


def _queue(study: "Study", trial: "FrozenTrial") -> bool:
    """Queue a trial's values; False if it ended before it had any."""
    values = _values(trial)
    if values:
        study.enqueue_trial(values, {AGAIN: trial.user_attrs.get(AGAIN, trial.number)})
    return bool(values)


def _values(trial: "FrozenTrial") -> dict[str, object]:
    """Return the values of a trial, also of one that is queued and not asked for yet."""
    return {**trial.system_attrs.get("fixed_params", {}), **trial.params}
