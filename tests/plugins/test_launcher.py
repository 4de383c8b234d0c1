"""Where runs execute follows from Hydra's launcher; each of another sweeper's jobs gets its run."""

import optuna
import pytest
from hydra._internal.core_plugins.basic_launcher import BasicLauncher

from command import APPS, TINY, rows_of, train_here
from segsweep.plugins.launcher import SegsweepLauncher, place_of
from segsweep.plugins.register import register_schema
from segsweep.sweep.places.hydra_launchers import HydraPlace
from segsweep.sweep.places.launchers.basic import LAUNCHER
from segsweep.sweep.places.local import Local
from segsweep.sweep.planning.compose import compose


def test_own_launcher_executes_in_slots_of_this_machine():
    """The config does not matter."""
    register_schema()

    assert isinstance(place_of(SegsweepLauncher(), compose([])), Local)


def test_other_launchers_execute_their_own_jobs():
    """The place gets the launcher, its config, and its description by name."""
    register_schema()
    launcher = BasicLauncher()
    place = place_of(launcher, compose(["hydra/launcher=basic"]))

    assert isinstance(place, HydraPlace)
    assert (place.launcher, place.known) == (launcher, LAUNCHER)


SHORT = ("-m", *TINY, "trainer.epochs=1", "preflight=false")
BASIC = (*SHORT, "hydra/sweeper=basic")
LAUNCHERS = (SegsweepLauncher, BasicLauncher)
BY_HYDRA = ("hydra/launcher=basic",)
CHOICES = [(), pytest.param(BY_HYDRA, marks=pytest.mark.slow)]


@pytest.fixture
def returned(monkeypatch):
    """Return what the jobs of a command's launcher return, in order, as the command runs."""
    values = []
    for launcher in LAUNCHERS:

        def launch(self, words, initial_job_idx, launch=launcher.launch):
            jobs = launch(self, words, initial_job_idx=initial_job_idx)
            values.extend(job.return_value for job in jobs)
            return jobs

        monkeypatch.setattr(launcher, "launch", launch)
    return values


@pytest.mark.parametrize("words", CHOICES)
def test_jobs_of_the_same_run_get_its_value(words, returned, monkeypatch, tmp_path, capsys):
    """Hydra's basic sweeper makes a job for each word; a run is trained once."""
    code = train_here([*BASIC, *words, "seed=0,0,1"], monkeypatch, tmp_path)
    said = capsys.readouterr().err
    rows = rows_of(tmp_path / "outputs/main/results.csv")
    values = {row["seed"]: float(row["val_iou"]) for row in rows}

    assert code == 0, said
    assert "seed=0 is given 2 times: 2 runs, not 3" in said.splitlines()
    assert [row["status"] for row in rows] == ["finished"] * 2
    assert returned == pytest.approx([values["0"], values["0"], values["1"]])


def test_plan_of_the_same_runs(monkeypatch, tmp_path, capsys):
    """It counts each once and says which are given more often."""
    code = train_here([*BASIC, "seed=0,0,1", "plan=true"], monkeypatch, tmp_path)
    captured = capsys.readouterr()

    assert code == 0, captured.err
    assert "2 runs in 1 cell: 2 new" in captured.out
    assert "seed=0 is given 2 times: 2 runs, not 3" in captured.err.splitlines()


@pytest.mark.parametrize("words", CHOICES)
def test_failed_run_of_several_jobs_is_trained_once(words, returned, monkeypatch, tmp_path, capsys):
    """Both jobs are told; the run counts once."""
    lr = "optimizer.lr=1e25,1.0e25"
    code = train_here([*BASIC, *words, "optimizer=sgd", lr], monkeypatch, tmp_path)

    assert code == 1
    assert [str(value) for value in returned] == ["nan", "nan"]
    assert "1 of 1 run failed:" in capsys.readouterr().err


@pytest.mark.parametrize("words", CHOICES)
def test_jobs_after_one_that_cannot_start(words, returned, monkeypatch, tmp_path, capsys):
    """A class that ends Python when it is built: its job trains no other's run."""
    monkeypatch.syspath_prepend(APPS)
    own = (f"--config-dir={APPS / 'conf'}", "allow=[hostile]", "model=hostile")
    tiny = [word for word in BASIC if not word.startswith("model.")]
    code = train_here([*tiny, *words, *own, "model.built=os-exit,ok"], monkeypatch, tmp_path)
    (row,) = rows_of(tmp_path / "outputs/main/results.csv")

    assert code == 1
    assert row["status"] == "finished"
    assert [str(value) for value in returned] == ["nan", str(float(row["val_iou"]))]
    assert "1 of 2 runs failed:" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("words", CHOICES)
def test_trials_with_the_same_values_are_one_run(words, monkeypatch, tmp_path, capsys):
    """Three trials of a batch draw from two values."""
    search = ("experiment=optuna_lr", "optimizer.lr=choice(0.01,0.02)")
    counts = ("hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=3")
    sampler = "hydra/sweeper/sampler=random"
    code = train_here([*SHORT, *search, *counts, sampler, *words], monkeypatch, tmp_path)
    storage = f"sqlite:///{tmp_path}/outputs/optuna_lr/search.db"
    (study,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=study.study_name, storage=storage).trials
    rows = rows_of(tmp_path / "outputs/optuna_lr/trials.csv")
    values = {float(row["lr"]): float(row["val_iou"]) for row in rows}

    assert code == 0, capsys.readouterr().err
    assert len(rows) <= 2
    assert len(trials) == 3
    for trial in trials:
        assert trial.value == pytest.approx(values[float(trial.params["optimizer.lr"])])
