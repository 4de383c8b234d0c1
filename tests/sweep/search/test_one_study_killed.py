"""Hydra's Optuna sweeper, killed in the middle, or started twice at once."""

import os
import signal

import optuna
import pytest

from command import TINY, finish, start, wait_for

SHORT = ("-m", *TINY, "preflight=false", "experiment=optuna_lr")


def states(folder):
    """Return the states of the trials of each study."""
    storage = f"sqlite:///{folder}/outputs/optuna_lr/search.db"
    studies = [
        optuna.load_study(study_name=name, storage=storage)
        for name in optuna.get_all_study_names(storage)
    ]
    return [[one.state.name for one in study.trials] for study in studies]


def trained(folder):
    """Return run -> when it finished."""
    runs = (folder / "outputs/optuna_lr/runs").iterdir()
    return {run.name: (run / "result.json").stat().st_mtime_ns for run in runs}


@pytest.mark.slow
def test_killed_again_and_again_the_study_reaches_its_total(tmp_path):
    """Twice kill -9 in the middle; then four finished trials, none left, none twice."""
    words = [*SHORT, "trainer.epochs=6", "hydra.sweeper.n_trials=4"]
    runs = tmp_path / "outputs/optuna_lr/runs"
    for count in (1, 3):
        killed = start(words, tmp_path)
        wait_for(lambda count=count: len([*runs.glob("*/history.csv")]) >= count)
        os.killpg(killed.pid, signal.SIGKILL)
        killed.communicate(timeout=60)
    finish(words, tmp_path)

    (found,) = states(tmp_path)
    assert found.count("COMPLETE") == 4
    assert {*found} <= {"COMPLETE", "FAIL"}
    assert len(trained(tmp_path)) == 4
    before = trained(tmp_path)
    assert "all 4 trials of this search have ended" in finish(words, tmp_path)
    assert trained(tmp_path) == before


@pytest.mark.slow
def test_two_commands_at_once(tmp_path):
    """The second is refused while the first uses the sweep; its study is left alone."""
    words = [*SHORT, "trainer.epochs=40", "hydra.sweeper.n_trials=2"]
    first = start(words, tmp_path)
    wait_for(lambda: [*tmp_path.glob("outputs/optuna_lr/runs/*/history.csv")])
    error = finish([*words, "loss=dice"], tmp_path, code=2)
    first.communicate(timeout=120)

    assert len(error.splitlines()) == 1
    assert first.returncode == 0
    assert states(tmp_path) == [["COMPLETE", "COMPLETE"]]
