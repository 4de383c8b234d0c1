"""Searches by Hydra's Optuna sweeper: what a killed command left is taken up again."""

import sys
from pathlib import Path

from omegaconf import DictConfig


def requeue_unfinished(sweeper: DictConfig, sweep: Path) -> int:
    """Let a study ask first for the trials that nobody finished; return how many.

    A killed command leaves them running for good, beside runs that are half done. The same
    values are the same runs, which then go on. For whoever holds the sweep's lock: that says
    that nobody works on a study in the folder *sweep*. Others are left alone.
    """
    storage, name = sweeper.get("storage"), sweeper.get("study_name")
    if not name or not str(storage).startswith(f"sqlite:///{sweep}/"):
        return 0
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
        count = f"{len(left)} trial{'s' if len(left) > 1 else ''}"
        print(f"{count} of this search not finished: first to go on", file=sys.stderr)
    return len(left)
