"""A study that is continued asks first for what is unfinished, then for what failed."""

import optuna
import pytest
from optuna.trial import TrialState

from segsweep.sweep.search.resume_study import close_running, queue_failed, trials_left

LR = "optimizer.lr"
DONE, FAILED, WAITING = TrialState.COMPLETE, TrialState.FAIL, TrialState.WAITING


@pytest.fixture
def study(tmp_path):
    """Return an empty study in a file."""
    storage = f"sqlite:///{tmp_path}/search.db"
    return optuna.create_study(study_name="lr", storage=storage, direction="maximize")


def ask(study):
    """Return a new trial that has drawn its value."""
    trial = study.ask()
    trial.suggest_float(LR, 1e-4, 1e-2)
    return trial


def states(study):
    """Return the state of each trial."""
    return [trial.state for trial in study.get_trials()]


def test_running_trials_are_asked_for_again_with_their_values(study):
    """A trial without values is only closed: nothing of it could be resumed."""
    study.tell(ask(study), 0.5)
    value = ask(study).params[LR]
    study.ask()

    assert close_running(study) == 1
    assert states(study) == [DONE, FAILED, FAILED, WAITING]
    assert trials_left(study, 4) == 3  # of four with values two are known, one of them waits
    assert ask(study).params[LR] == value


def test_a_trial_that_is_killed_again_and_again_counts_once(study):
    """Also if the command is killed after it asked for the values, before it drew any."""
    value = ask(study).params[LR]
    for _ in range(3):
        assert close_running(study) == 1
        assert trials_left(study, 2) == 2
        study.ask()  # killed before it suggests
    assert close_running(study) == 1
    again = ask(study)
    assert again.params[LR] == value
    study.tell(again, 0.5)

    assert close_running(study) == 0
    assert queue_failed(study) == 0  # its failed attempts are over
    assert trials_left(study, 2) == 1


def test_failed_trials_are_tried_again_once_each(study):
    """Until one attempt ends well; a queued attempt is not queued twice."""
    study.tell(ask(study), 0.5)
    failed = ask(study)
    study.tell(failed, state=FAILED)

    assert trials_left(study, 2) == 0  # both are known
    assert queue_failed(study) == 1
    assert queue_failed(study) == 0
    assert trials_left(study, 2) == 1
    second = ask(study)
    assert second.params == failed.params
    study.tell(second, state=FAILED)
    assert queue_failed(study) == 1
    third = ask(study)
    study.tell(third, 0.7)
    assert queue_failed(study) == 0
    assert trials_left(study, 2) == 0
    assert trials_left(study, 5) == 3


def test_a_lower_total_asks_for_nothing(study):
    """Finished trials above the total stay; what waits is kept for a higher one."""
    for _ in range(3):
        study.tell(ask(study), 0.5)
    ask(study)
    close_running(study)

    assert trials_left(study, 2) == 0
    assert trials_left(study, 3) == 0
    assert trials_left(study, 4) == 1
    assert trials_left(study, 6) == 3


def test_trials_that_another_command_runs_do_not_count(study):
    """In a shared storage nobody knows whether they will end."""
    study.tell(ask(study), 0.5)
    ask(study)

    assert trials_left(study, 4) == 3
