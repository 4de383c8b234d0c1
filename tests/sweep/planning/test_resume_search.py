"""Unfinished trials of a killed search are queued again."""

import optuna
import pytest
from omegaconf import OmegaConf
from optuna.trial import TrialState

from segsweep.sweep.planning.resume_search import requeue_unfinished


@pytest.fixture
def study(tmp_path):
    """Return a study with a finished and two running trials, one of them without values."""
    storage = f"sqlite:///{tmp_path}/search.db"
    study = optuna.create_study(study_name="lr", storage=storage, direction="maximize")
    study.tell(study.ask(), 0.5)
    study.ask().suggest_float("optimizer.lr", 1e-4, 1e-2)
    study.ask()
    return study


def sweeper(folder, name="lr"):
    """Return the config of Hydra's Optuna sweeper."""
    return OmegaConf.create({"storage": f"sqlite:///{folder}/search.db", "study_name": name})


def test_running_trials_fail_and_their_values_are_asked_for_first(study, tmp_path, capsys):
    """A trial without values only fails."""
    value = study.trials[1].params["optimizer.lr"]
    count = requeue_unfinished(sweeper(tmp_path), tmp_path)
    states = [trial.state for trial in study.get_trials()]

    assert count == 2
    assert states == [
        *(TrialState.COMPLETE, TrialState.FAIL, TrialState.FAIL, TrialState.WAITING),
    ]
    assert study.ask().suggest_float("optimizer.lr", 1e-4, 1e-2) == value
    assert capsys.readouterr().err == ("2 unfinished trials of this search will be resumed first\n")


def test_other_studies_are_left_alone(study, tmp_path):
    """A study elsewhere, one without a name, one that does not exist."""
    assert requeue_unfinished(sweeper(tmp_path), tmp_path / "other") == 0
    assert requeue_unfinished(sweeper(tmp_path, name=None), tmp_path) == 0
    assert requeue_unfinished(sweeper(tmp_path, name="new"), tmp_path) == 0
    assert len(study.get_trials(states=(TrialState.RUNNING,))) == 2
