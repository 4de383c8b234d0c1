"""Hydra's Optuna sweeper: a study for each question, resumed to the same total."""

import optuna
import pytest
import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from command import TINY, refusal, rows_of, train_here
from segsweep.plugins.register import register_plugins, register_schema
from segsweep.sweep import session
from segsweep.sweep.planning.compose import compose
from segsweep.sweep.search.one_study import prepare_study
from segsweep.training import dataset

LR = "optimizer.lr"
SHORT = ("-m", *TINY, "trainer.epochs=1", "preflight=false", "experiment=optuna_lr")
DIVERGES = f"{LR}=1e25,1e-3"
"""A learning rate with which the loss becomes NaN, and one that trains."""


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Return a function: words -> exit code, standard output, standard error."""

    def run(*words):
        code = train_here([*SHORT, *words], monkeypatch, tmp_path)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def address(folder, sweep="optuna_lr"):
    """Return where a sweep's studies are."""
    return f"sqlite:///{folder}/outputs/{sweep}/search.db"


def ask(study):
    """Return a new trial that has drawn its value."""
    trial = study.ask()
    trial.suggest_float(LR, 1e-4, 3e-2, log=True)
    return trial


def states(folder, sweep="optuna_lr"):
    """Return name of a study -> the states of its trials."""
    storage = address(folder, sweep)
    return {
        name: [one.state.name for one in optuna.load_study(study_name=name, storage=storage).trials]
        for name in optuna.get_all_study_names(storage)
    }


def trained(folder, sweep="optuna_lr"):
    """Return run -> when it finished."""
    runs = (folder / "outputs" / sweep / "runs").iterdir()
    return {run.name: (run / "result.json").stat().st_mtime_ns for run in runs}


@pytest.fixture
def prepared(monkeypatch, tmp_path):
    """Return a function: words -> the sweeper's config as a new command would use it."""
    register_schema()
    register_plugins()
    monkeypatch.chdir(tmp_path)

    def prepare(*words):
        monkeypatch.setattr(session, "current", session.Session())
        dataset._prepared.cache_clear()  # read once per process, and this is a new command
        hydra = [word for word in words if word.startswith("hydra")]
        task = [word for word in (*SHORT[1:], *words) if word not in hydra]
        if "data=folder" in words:  # which has no number and side of its own
            task = [word for word in task if not word.startswith(("data.count", "data.side"))]
        parsed = OverridesParser.create().parse_overrides(task)
        fixed = [str(one.input_line) for one in parsed if not one.is_sweep_override()]
        config = compose([*fixed, *hydra])
        try:
            prepare_study(config, task)
        finally:
            session.current.unlock_sweep()
        return config.hydra.sweeper

    return prepare


SAME = (
    ("hydra.sweeper.n_trials=3", "hydra.sweeper.n_jobs=2", "hydra.sweeper.max_failure_rate=0"),
    ("threads=2", "preflight=true", "retry_failed=false", "keep=none"),
    (f"{LR}=tag(log,interval(1e-4,3e-2))",),  # spaces are no other range
    (f"{LR}=tag(log, interval(1e-4, 3e-2))", "sweep=other"),
)
OTHER = (
    *(("loss=dice",), ("model=unet",), ("data.seed=7",), ("seed=1",), ("trainer.epochs=2",)),
    *(("hydra/sweeper/sampler=random",), (f"{LR}=interval(1e-4,3e-2)",)),
    *((f"{LR}=tag(log,interval(1e-4,1e-2))",), ("optimizer.weight_decay=0.5",)),
    *(("trainer.clip_norm=1,2",), ("hydra.sweeper.study_name=mine",)),
)


@pytest.mark.slow
def test_another_question_is_another_study(prepared):
    """What cannot change numbers, and the number of trials, are no part of the name."""
    first = prepared().study_name
    same = {prepared(*words).study_name for words in SAME}
    others = [prepared(*words).study_name for words in OTHER]

    assert first.startswith("lr unet2/bce ")
    assert same == {first}
    assert len({first, *others}) == len(OTHER) + 1


@pytest.mark.slow
def test_other_images_in_the_same_folder_are_another_study(prepared, tmp_path):
    """Only the bytes of the data set differ; every word of the command is the same."""
    names = []
    for shift in (0, 3, 0):
        for folder in ("photos", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
            for index in range(8):
                picture = Image.new("L", (32, 32))
                picture.paste(255, (index + shift, 4, index + shift + 12, 20))
                picture.save(tmp_path / folder / f"{index}.png")
        words = ("data=folder", "data.images=photos", "data.masks=masks")
        names.append(prepared(*words).study_name)

    assert names[0] == names[2] != names[1]


@pytest.mark.slow
def test_an_edited_option_that_is_searched_is_another_study(prepared, tmp_path):
    """The values below a searched option are fixed, wherever they are written."""
    words = ("optimizer=adam,sgd", f"{LR}=interval(1e-4,1e-3)")
    plain = prepared(*words).study_name
    named = {prepared(*words, f"optimizer.weight_decay={one}").study_name for one in (0, 0.1)}

    assert len({plain, *named}) == 3


@pytest.mark.slow
def test_a_seed_is_not_replayed_by_the_next_command(prepared, tmp_path):
    """The sampler starts anew in each command: the same draws again would add nothing."""
    words = ("hydra.sweeper.sampler.seed=1", "hydra.sweeper.n_trials=4")
    sweeper = prepared(*words)
    assert (sweeper.sampler.seed, sweeper.n_trials) == (1, 4)
    study = optuna.create_study(study_name=sweeper.study_name, storage=address(tmp_path))
    seeds = []
    for _ in range(2):
        study.tell(ask(study), 0.5)
        sweeper = prepared(*words)
        seeds.append(sweeper.sampler.seed)

    assert len({1, *seeds}) == 3
    assert sweeper.n_trials == 2


def test_a_study_of_the_old_name_is_not_continued(prepared, tmp_path, capsys):
    """It may hold trials of any loss and data; it stays as it is, and one line says so, once."""
    (tmp_path / "outputs/optuna_lr").mkdir(parents=True)
    study = optuna.create_study(study_name="lr", storage=address(tmp_path))
    ask(study)
    capsys.readouterr()
    sweeper = prepared("hydra.sweeper.n_trials=2")
    (line,) = capsys.readouterr().err.splitlines()

    assert line.startswith("the study 'lr' of an earlier version of segsweep is not continued")
    assert sweeper.n_trials == 2
    optuna.create_study(study_name=sweeper.study_name, storage=address(tmp_path))
    capsys.readouterr()
    prepared("hydra.sweeper.n_trials=2")
    assert capsys.readouterr().err == ""
    assert states(tmp_path)["lr"] == ["RUNNING"]


def test_a_shared_storage_has_a_study_for_each_sweep(prepared, tmp_path):
    """So the lock of a sweep keeps other commands from its study, wherever it is."""
    words = (f"hydra.sweeper.storage=sqlite:///{tmp_path}/shared.db", "hydra.sweeper.n_trials=3")
    sweeper, other = prepared(*words), prepared(*words, "sweep=other")
    assert sweeper.study_name.startswith("optuna_lr ")
    assert other.study_name.startswith("other ")
    study = optuna.create_study(study_name=sweeper.study_name, storage=sweeper.storage)
    study.tell(ask(study), 0.5)
    ask(study)

    assert prepared(*words, "sweep=other").n_trials == 3
    assert [one.state.name for one in study.get_trials()] == ["COMPLETE", "RUNNING"]
    assert prepared(*words).n_trials == 2
    assert [one.state.name for one in study.get_trials()] == ["COMPLETE", "FAIL", "WAITING"]


@pytest.mark.slow
def test_the_total_is_reached_and_not_exceeded(command, tmp_path):
    """The same command again trains nothing; a higher total adds the difference."""
    assert command("hydra.sweeper.n_trials=2")[0] == 0
    before = trained(tmp_path)
    code, _, error = command("hydra.sweeper.n_trials=2")
    assert code == 0
    assert "all 2 trials of this search have ended" in error
    assert trained(tmp_path) == before
    assert command("hydra.sweeper.n_trials=3")[0] == 0

    after = trained(tmp_path)
    assert before.items() <= after.items()
    (found,) = states(tmp_path).values()
    assert found == ["COMPLETE"] * 3
    result = tmp_path / "outputs/optuna_lr/optimization_results.yaml"
    stored = yaml.safe_load(result.read_text())
    rows = rows_of(tmp_path / "outputs/optuna_lr/trials.csv")
    best = max(float(row["val_iou"]) for row in rows)
    assert stored["best_value"] == pytest.approx(best)


@pytest.mark.slow
def test_failed_trials_are_tried_again_unless_told_not_to(command, tmp_path):
    """A diverging learning rate fails each time; the grid has two trials whatever happens."""
    words = (DIVERGES, "hydra/sweeper/sampler=grid")
    code, _, error = command(*words)
    assert code == 1
    assert "1 of 2 runs failed" in error
    assert "Traceback" not in error
    code, _, error = command(*words, "retry_failed=false")
    assert code == 0
    assert "all 2 trials of this search have ended" in error
    code, _, error = command(*words)
    assert code == 1
    assert "1 failed trial of this search will be tried again" in error

    (found,) = states(tmp_path).values()
    assert sorted(found) == ["COMPLETE", "FAIL", "FAIL"]
    assert found[-1] == "FAIL"


def test_max_failure_rate_ends_a_search(command, tmp_path):
    """With exit code 1, the reason, and the trials that were done."""
    words = (f"{LR}=interval(1e25,1e26)", "hydra.sweeper.n_trials=3")
    code, _, error = command(*words, "hydra.sweeper.max_failure_rate=0.5")

    assert code == 1
    assert "max_failure_rate=0.5: the search ends, because 1 of 1 trial failed" in error
    assert "Traceback" not in error
    assert [*states(tmp_path).values()] == [["FAIL"]]
    line = refusal(command(*words, "retry_failed=false", "hydra.sweeper.n_trials=1"))
    assert line == "no trial of this search has finished; leave out retry_failed=false"


def test_the_sweeper_without_the_experiment(monkeypatch, tmp_path):
    """Its study and its result are in the folder of the sweep, although Hydra has no place."""
    words = [word for word in SHORT if not word.startswith("experiment")]
    words += ["hydra/sweeper=optuna", "kind=trial", "hydra.sweeper.direction=maximize"]
    words += [f"{LR}=interval(1e-4,1e-3)", "hydra.sweeper.n_trials=1"]
    assert train_here(words, monkeypatch, tmp_path) == 0

    (name,) = states(tmp_path, "main")
    assert name.startswith("unet2/bce ")
    assert (tmp_path / "outputs/main/optimization_results.yaml").exists()
    assert [*tmp_path.rglob("optimization_results.yaml")] == [
        tmp_path / "outputs/main/optimization_results.yaml"
    ]


@pytest.mark.slow
def test_an_unfinished_trial_is_resumed_with_its_values(command, tmp_path):
    """The same values are the same run; nothing is left running."""
    assert command("hydra.sweeper.n_trials=1")[0] == 0
    (name,) = states(tmp_path)
    study = optuna.load_study(study_name=name, storage=address(tmp_path))
    rate = ask(study).params[LR]
    code, _, error = command("hydra.sweeper.n_trials=2")

    assert code == 0
    assert "1 unfinished trial of this search will be resumed first" in error
    assert states(tmp_path) == {name: ["COMPLETE", "FAIL", "COMPLETE"]}
    rates = [float(row["lr"]) for row in rows_of(tmp_path / "outputs/optuna_lr/trials.csv")]
    assert len(rates) == 2
    assert any(abs(found - rate) < 1e-12 for found in rates)
