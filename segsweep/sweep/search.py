"""Searches by Hydra's Optuna sweeper: what a killed command left is taken up again."""

import sys

from omegaconf import DictConfig


def take_up(sweeper: DictConfig) -> int:
    """Let a study ask first for the trials that nobody finished; return how many.

    A killed command leaves them running for good, beside runs that are half done. The same
    values are the same runs, which then go on. For whoever holds the sweep's lock.
    """
    storage, name = sweeper.get("storage"), sweeper.get("study_name")
    if not isinstance(storage, str) or not name:
        return 0  # in memory, or a storage that is still to be built: nothing stays, or who knows
    import optuna
    from optuna.trial import TrialState

    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:  # there is no such study yet
        return 0
    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in left:
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)
    if left:
        print(
            f"{len(left)} trials of this search were not finished: first they go on",
            file=sys.stderr,
        )
    return len(left)
