"""Searches by Hydra's Optuna sweeper: unfinished trials of a killed command are resumed."""

import sys
from pathlib import Path

from omegaconf import DictConfig


def requeue_unfinished(sweeper: DictConfig, sweep: Path) -> int:
    """Queue the study's unfinished trials so that it asks for them first; return their number.

    A killed command leaves trials in the state RUNNING forever, with half-finished runs. The
    same values are the same runs, which then resume. The caller holds the lock of *sweep*, so
    no other command uses a study in that folder; studies stored elsewhere are left alone.
    """
    storage, name = sweeper.get("storage"), sweeper.get("study_name")
    if not name or not str(storage).startswith(f"sqlite:///{sweep}/"):
        return 0
    import optuna
    from optuna.trial import TrialState

    try:
        study = optuna.load_study(study_name=name, storage=storage)
    except KeyError:  # the study does not exist yet
        return 0
    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in left:
        study.tell(trial.number, state=TrialState.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)
    if left:
        count = f"{len(left)} unfinished trial{'s' if len(left) > 1 else ''}"
        print(f"{count} of this search will be resumed first", file=sys.stderr)
    return len(left)
