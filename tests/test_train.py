"""The entry point: one run and many, bad input, failures, exit codes."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from command import APPS, TINY, TROUBLE, rows_of, train_here

GRID = ("model=segnet,unet,unet2,unet3", "loss=bce,dice,focal,ss,bce_ss")


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Return a function that runs a command line in tmp_path and returns its exit code."""
    return lambda *words: train_here(words, monkeypatch, tmp_path)


BAD = {
    "unknown option": (["model=unet5"], ["unet5", "unet2", "did you mean"]),
    "no option": (["loss="], ["loss=", "bce_ss"]),
    "misspelt group": (["modle=unet"], ["modle", "did you mean 'model'"]),
    "misspelt key": (["trainer.epoch=3"], ["trainer.epoch", "did you mean 'trainer.epochs'"]),
    "misspelt argument": (["optimizer.lrr=1"], ["optimizer.lrr", "lr"]),
    "text for a number": (["optimizer.lr=abc"], ["optimizer.lr", "abc", "number"]),
    "negative rate": (["optimizer.lr=-1"], ["optimizer.lr=-1.0", "> 0"]),
    "no epochs": (["trainer.epochs=0"], ["trainer.epochs=0", ">= 1"]),
    "threshold of 2": (["threshold=2"], ["threshold=2.0", "< 1"]),
    "half an epoch": (["trainer.epochs=1.5"], ["trainer.epochs=1.5", "whole number"]),
    "size": (["data.size=100"], ["data.size=100", "96 and 112"]),
    "sweep name": (["sweep=../elsewhere"], ["sweep=../elsewhere", "letters"]),
    "grid without -m": (["model=unet,unet2"], ["model", "-m"]),
    "nonsense": (["what is this"], ["what is this", "key=value"]),
    "no root": (["data=ph2"], ["data.root", "not set"]),
    "no such folder": (["data=ph2", "data.root=nowhere"], ["nowhere", "no such folder"]),
    "large batch": (
        [*TINY, "trainer.batch=13"],
        ["trainer.batch=13", "12 training images"],
    ),
    "huge images": (
        ["data.size=100000"],
        ["data.size=100000 x 100000", "at least", "TB", "smaller data.size"],
    ),
    "wide network": (
        [*TINY, "model.channels=[200000,8]"],
        ["model=unet2", "at least", "TB", "smaller"],
    ),
    "fold": ([*TINY, "data.split.fold=5"], ["data.split.fold=5", "below"]),
    "another class": (["loss._target_=os.system"], ["loss._target_=os.system", "conf/loss/"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_starts_nothing(name, train, tmp_path, capsys) -> None:
    """The line says what, where and what is allowed; exit code 2; no run folder, no traceback."""
    words, expected = BAD[name]
    code = train(*words)
    lines = [line for line in capsys.readouterr().err.splitlines() if "reading images" not in line]

    assert code == 2
    assert len(lines) == 1
    assert all(text in lines[0] for text in expected), lines[0]
    assert not list(tmp_path.glob("outputs/*/runs"))


@pytest.mark.slow
def test_folders_without_images(train, tmp_path, capsys) -> None:
    """The error names a data folder that is empty or contains only text."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "readme.txt").write_text("no image")
    codes, errors = [], []
    for folder in ("empty", "texts"):
        for words in (
            ["data=ph2", f"data.root={folder}"],
            ["data=folder", f"data.images={folder}"],
        ):
            codes.append(train(*words))
            errors.append(capsys.readouterr().err)

    assert codes == [2] * 4
    assert all(Path(text.split(":")[0]).name in ("empty", "texts") for text in errors), errors


@pytest.mark.parametrize("more", [(), ("search=lr",)])
def test_seed_given_three_times_is_told(train, tmp_path, capsys, more) -> None:
    """Three equal seeds are one run; the plan says so, that of a search too."""
    code = train("-m", *TINY, "seed=0,0,0", "plan=true", "preflight=false", *more)

    assert code == 0
    assert "seed=0 is given 3 times: 1 run, not 3" in capsys.readouterr().err.splitlines()
    assert not (tmp_path / "outputs/main").exists()


def test_value_that_fits_only_some_options_names_the_cells(train, tmp_path, capsys) -> None:
    """loss=bce has no gamma, loss=focal has one: nothing starts, the cell is named."""
    code = train("-m", *TINY, "loss=bce,focal", "loss.gamma=3")
    error = capsys.readouterr().err

    assert code == 2
    assert "loss.gamma" in error
    assert "loss=bce" in error
    assert error.endswith("[in loss=bce]\n")
    assert "conf/loss/" in error
    assert not list(tmp_path.glob("outputs/*/runs"))


@pytest.mark.slow
def test_value_that_fits_all_options_of_a_swept_group(train, tmp_path) -> None:
    """Both losses have a gamma, only the default loss has none: the sweep runs."""
    code = train("-m", *TINY, "trainer.epochs=1", "loss=focal,focal_lin", "loss.gamma=3")
    rows = rows_of(tmp_path / "outputs/main/results.csv")

    assert code == 0
    assert {"focal", "focal_lin"} == {row["loss"] for row in rows}


def test_bad_value_in_the_last_cell_stops_the_first(train, tmp_path, capsys) -> None:
    """All runs of a sweep are checked before any is trained."""
    code = train("-m", *TINY, "optimizer.lr=1e-3,1e-2,-1")

    assert code == 2
    assert "optimizer.lr=-1" in capsys.readouterr().err
    assert not list(tmp_path.glob("outputs/*/runs"))


def test_outputs_that_cannot_be_written(train, tmp_path, capsys) -> None:
    """There is a file in place of the folder: one line, exit code 2."""
    (tmp_path / "taken").write_text("")
    code = train(*TINY, "outputs=taken/inside")

    assert code == 2
    assert "outputs=taken/inside: cannot be written" in capsys.readouterr().err


def test_full_outputs_folder(train, tmp_path, capsys, small_disk) -> None:
    """2 MB for images that need 5: one line, no temporary file is left."""
    code = train("data.count=24", "data.size=128", "data.side=32", f"outputs='{small_disk}/o'")
    error = capsys.readouterr().err

    assert code == 2
    assert "not enough disk" in error.splitlines()[-1]
    assert not list(small_disk.glob("o/.cache/*.tmp*"))


@pytest.mark.slow
def test_typos_are_reported_before_images_are_decoded(train, tmp_path, capsys) -> None:
    """In a group, a size, or the file of weights."""
    (tmp_path / "w.pt").write_text("no weights")
    codes, errors = [], []
    for words in (
        ("-m", "model=unet,unet5"),
        ("-m", "model=unet,unet2", "data.size=100"),
        ("model=lraspp", "model.weights_file=w.pt"),
        ("model=lraspp", "model.weights_file=nowhere.pt"),
    ):
        codes.append(train("data.count=24", "data.side=32", *words))
        errors.append(capsys.readouterr().err)

    assert codes == [2] * 4
    assert "unet5" in errors[0]
    assert "multiple of 16" in errors[1]
    assert "weights_file must be what torch.save wrote" in errors[2]
    assert "weights_file=nowhere.pt: cannot be read" in errors[3]
    assert not list(tmp_path.glob("outputs/.cache/data-*"))


def test_literal_grid_trains_every_cell_and_prints_the_table(train, tmp_path, capsys) -> None:
    """The command of the README: 20 cells, a row each, best first; a rerun trains nothing.

    `make demo` is the same command with a preflight, which measures 20 kinds of runs.
    """
    words = ("-m", *GRID, *TINY, "trainer.epochs=1", "evaluate.at=train", "preflight=false")
    code = train(*words)
    output = capsys.readouterr()
    rows = rows_of(tmp_path / "outputs/main/results.csv")
    cells = rows_of(tmp_path / "outputs/main/comparison.csv")
    ious = [float(row["test_iou"]) for row in cells]

    assert code == 0
    assert len({(row["model"], row["loss"]) for row in rows}) == 20
    assert {"finished"} == {row["status"] for row in rows}
    assert len(cells) == 20
    assert ious == sorted(ious, reverse=True)
    assert "bce_ss" in output.out
    assert "20 to do" in output.err
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "outputs/main/runs").rglob("*")}
    assert train(*words) == 0
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "outputs/main/runs").rglob("*")}
    assert "20 finished, 0 to do" in capsys.readouterr().err


def test_files_of_a_finished_run(train, tmp_path) -> None:
    """Its folder has every file; the test set was read once; test IoU equals that of the counts."""
    assert train(*TINY) == 0
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    names = {path.name for path in run.iterdir() if not path.name.startswith(".")}
    result = json.loads((run / "result.json").read_text())
    images = rows_of(run / "per_image.csv")
    counted = [row for row in images if (row["split"], row["at"]) == ("test", "train")]
    ious = [
        int(row["tp"]) / max(int(row["tp"]) + int(row["fp"]) + int(row["fn"]), 1) for row in counted
    ]

    assert names == {
        *("config.yaml", "split.csv", "environment.json", "history.csv", "per_image.csv"),
        *("test_reads.csv", "outlines.json", "result.json", "train.log", "preview", "checkpoints"),
    }
    assert len(rows_of(run / "test_reads.csv")) == 1
    assert len(rows_of(run / "history.csv")) == 2
    assert len(counted) == result["n_test"] == 6
    assert result["test_iou"] == pytest.approx(sum(ious) / len(ious), abs=1e-12)
    assert {"train", "native"} == {row["at"] for row in images}
    assert (run / "checkpoints" / f"best-{result['best_epoch']}.pt").exists()
    assert (run / "preview" / "best.png").stat().st_size > 0


def test_failing_run_stops_no_other(train, tmp_path, capsys, monkeypatch) -> None:
    """One loss raises, one returns NaN: the third trains; exit code 1 and both reasons."""
    package = tmp_path / "mylosses.py"
    package.write_text(
        "from torch import nn\n"
        "class Raises(nn.Module):\n"
        "    def forward(self, logits, target):\n"
        "        raise RuntimeError('the loss fell over')\n"
        "class NotANumber(nn.Module):\n"
        "    def forward(self, logits, target):\n"
        "        return (logits * float('nan')).mean()\n"
    )
    groups = tmp_path / "myconf" / "loss"
    groups.mkdir(parents=True)
    for name in ("Raises", "NotANumber"):
        (groups / f"{name.lower()}.yaml").write_text(f"_target_: mylosses.{name}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    words = ["-m", *TINY, "--config-dir", str(tmp_path / "myconf"), "allow=[mylosses]"]
    code = train(*words, "loss=raises,notanumber,bce")
    error = capsys.readouterr().err
    status = {row["loss"]: row["status"] for row in rows_of(tmp_path / "outputs/main/results.csv")}

    assert code == 1
    assert status == {"raises": "failed", "notanumber": "failed", "bce": "finished"}
    assert "2 of 3 runs failed" in error
    assert "the loss fell over" in error
    assert "training loss is nan in epoch 1, step 1" in error
    assert "mylosses" not in sys.modules


@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "cause", "error"),
    [
        ("exits", "exited", "its code called sys.exit: exit code 3"),
        ("interrupts", "raised", "KeyboardInterrupt"),
        ("leaves", "exited", "the process ended with exit code 0"),
    ],
)
def test_run_that_leaves_python_has_failed(
    loss, cause, error, train, tmp_path, capsys, monkeypatch
) -> None:
    """Not stopped by the user: exit code 1, the true cause, in a single run as well."""
    monkeypatch.syspath_prepend(str(APPS))
    code = train(*TROUBLE, *TINY, f"loss={loss}", "+loss.after=1")
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    failure = json.loads((run / "failure.json").read_text())

    assert code == 1
    assert (failure["cause"], failure["error"]) == (cause, error)
    assert "trouble.py" in failure["traceback"] or loss == "leaves"
    assert error in capsys.readouterr().err


@pytest.mark.slow
def test_failed_run_is_retried(train, tmp_path, monkeypatch) -> None:
    """Once the cause is fixed, the same command finishes the run and deletes failure.json."""
    import segsweep.training.loop

    def broken(*arguments, **named):
        raise RuntimeError("disk on fire")

    with monkeypatch.context() as patch:
        patch.setattr(segsweep.training.loop, "train_step", broken)
        assert train(*TINY) == 1
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    failure = json.loads((run / "failure.json").read_text())

    assert failure["cause"] == "raised"
    assert failure["error"] == "RuntimeError: disk on fire"
    assert train(*TINY) == 0
    assert not (run / "failure.json").exists()
    assert (run / "result.json").exists()


@pytest.mark.slow
def test_folds_and_seeds_are_repetitions_of_one_cell(train, tmp_path) -> None:
    """Each image is in the test set of exactly one fold; the comparison has one row."""
    code = train("-m", *TINY, "trainer.epochs=1", "data.split.fold=0,1,2,3,4", "seed=0,1")
    results = rows_of(tmp_path / "outputs/main/results.csv")
    images = rows_of(tmp_path / "outputs/main/per_image.csv")
    first = {row["run_id"] for row in results if row["seed"] == "0"}
    tested = [
        row["image"]
        for row in images
        if row["run_id"] in first and (row["split"], row["at"]) == ("test", "train")
    ]

    assert code == 0
    assert len(results) == 10
    assert len(rows_of(tmp_path / "outputs/main/comparison.csv")) == 1
    assert sorted(tested) == sorted(set(tested))
    assert len(tested) == 24


@pytest.mark.slow
def test_protocols_in_one_folder_are_separate_cells(train, tmp_path) -> None:
    """A changed default makes a second cell, with the changed key as a column."""
    assert train(*TINY) == 0
    assert train(*TINY, "trainer.epochs=1") == 0
    cells = rows_of(tmp_path / "outputs/main/comparison.csv")

    assert len(cells) == 2
    assert {"1", "2"} == {row["trainer.epochs"] for row in cells}


def test_optuna_maximizes_validation_iou_and_never_reads_the_test_set(train, tmp_path) -> None:
    """With Hydra's Optuna sweeper: the study is in the sweep folder, its values are the IoUs."""
    import optuna

    words = ["-m", *TINY, "trainer.epochs=1", "experiment=optuna_lr", "hydra/sweeper=optuna"]
    code = train(*words, "hydra.sweeper.n_trials=3")
    folder = tmp_path / "outputs/optuna_lr"
    trials = rows_of(folder / "trials.csv")
    storage = f"sqlite:///{folder}/search.db"
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)

    assert code == 0
    assert name.startswith("lr unet2/bce ")
    assert (folder / "optimization_results.yaml").exists()
    assert len(trials) == len(study.trials) == 3
    assert study.direction.name == "MAXIMIZE"
    assert study.best_value == pytest.approx(max(float(row["val_iou"]) for row in trials))
    assert all(row["test_iou"] == "" for row in trials)
    assert not list(folder.glob("runs/*/test_reads.csv"))
    assert len({row["lr"] for row in trials}) == 3


@pytest.mark.slow
def test_picture_of_the_best_epoch_survives_a_kill(train, tmp_path) -> None:
    """A kill between checkpoint and picture leaves the picture of another epoch, or none."""
    words = [*TINY, "trainer.preview_every=10", "keep=both"]
    assert train(*words) == 0
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    picture = run / "preview/best.png"
    right = picture.read_bytes()
    for left in (b"another epoch's", None):
        (run / "result.json").unlink()
        picture.unlink()
        if left:
            picture.write_bytes(left)
        (run / ".result.json.1-1.tmp").write_text("half")
        assert train(*words) == 0
        assert picture.read_bytes() == right
        assert not list(run.glob(".*.tmp"))


@pytest.mark.slow
def test_config_lost_to_a_power_failure_is_written_again(train, tmp_path, capsys) -> None:
    """The run is finished but its config is empty: the same command writes it again."""
    assert train("-m", *TINY, "seed=0,1") == 0
    config = sorted(tmp_path.glob("outputs/main/runs/*/config.yaml"))[0]
    right = config.read_text()
    config.write_text("")
    capsys.readouterr()

    assert train("-m", *TINY, "seed=0,1") == 0
    assert "ignored" not in capsys.readouterr().err
    assert config.read_text() == right


def test_whole_numbers_stay_whole_next_to_a_failed_run(train, tmp_path, monkeypatch) -> None:
    """Epochs and parameters of a finished run, in a table where another run has none."""
    assert train("-m", *TINY, "optimizer.lr=1e-3,1e30") == 1
    rows = rows_of(tmp_path / "outputs/main/results.csv")
    finished = [row for row in rows if row["status"] == "finished"]

    assert len(rows) == 2
    assert len(finished) == 1
    assert finished[0]["epochs"] == "2"
    assert finished[0]["parameters"].isdecimal()
    assert finished[0]["multiply_adds"].isdecimal()


def test_optuna_takes_an_interval_from_the_command_line(train, tmp_path) -> None:
    """The learning rate's range can be given in the command."""
    words = ["-m", *TINY, "trainer.epochs=1", "experiment=optuna_lr", "hydra.sweeper.n_trials=2"]
    code = train(*words, "optimizer.lr=interval(0.01,0.02)")
    rates = [float(row["lr"]) for row in rows_of(tmp_path / "outputs/optuna_lr/trials.csv")]

    assert code == 0
    assert all(0.01 <= rate <= 0.02 for rate in rates)


def test_bad_input_under_optuna_is_one_line(train, tmp_path, capsys) -> None:
    """Exit code 2, before the study exists."""
    code = train("-m", "experiment=optuna_lr", "optimizer=sgd", "optimizer.momentum=2")
    error = capsys.readouterr().err

    assert code == 2
    assert error.splitlines() == ["optimizer.momentum=2.0: must be >= 0 and < 1"]
    assert not (tmp_path / "outputs/optuna_lr/search.db").exists()


def test_notebook_split_warns_about_a_divided_lesion(train, tmp_path, capsys) -> None:
    """IMD199 and IMD200 show one lesion; the original split has them in train and validation."""
    from PIL import Image

    order = np.random.RandomState(42).permutation(200).tolist()
    train_part, val_part = order[:100], order[100:150]
    first = next(i for i in train_part if i < 199 and i + 1 in val_part)
    numbers = [*range(199 - first, 200), *range(200, 400)][:200]  # IMD199 stands at *first*
    for number in numbers:
        name = f"IMD{number:03d}"
        for kind, mode in (("Dermoscopic_Image", "RGB"), ("lesion", "1")):
            folder = tmp_path / "PH2 Dataset images" / name / f"{name}_{kind}"
            folder.mkdir(parents=True)
            file = folder / (f"{name}.bmp" if mode == "RGB" else f"{name}_lesion.bmp")
            image = Image.new(mode, (32, 32), 0)
            image.paste(1 if mode == "1" else (number % 256, number // 256, 60), (8, 8, 20, 20))
            image.save(file)
    words = ["experiment=notebook", f"data.root={tmp_path}", "data.size=32", "trainer.epochs=1"]
    code = train(*words, "model.channels=[4,4]", "threads=1")
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    sides = {row["id"]: row["split"] for row in rows_of(run / "split.csv")}

    assert code == 0
    assert (sides["IMD199"], sides["IMD200"]) == ("train", "val")
    assert "IMD199 in train, IMD200 in val" in capsys.readouterr().err


def test_edited_conf_changes_no_planned_run(train, tmp_path, monkeypatch) -> None:
    """A yaml file is edited while run 1 trains: run 2 still uses the planned value."""
    import segsweep.training.run

    groups = tmp_path / "mine" / "experiment"
    groups.mkdir(parents=True)
    file = groups / "ex.yaml"
    file.write_text("# @package _global_\noptimizer: {lr: 0.001}\n")
    finish = segsweep.training.run.write_result

    def edit_then_finish(*arguments):
        file.write_text("# @package _global_\noptimizer: {lr: 0.02}\n")
        return finish(*arguments)

    monkeypatch.setattr(segsweep.training.run, "write_result", edit_then_finish)
    words = ["-m", *TINY, "--config-dir", str(tmp_path / "mine"), "experiment=ex"]
    code = train(*words, "model=unet2,unet,segnet")
    rows = rows_of(tmp_path / "outputs/main/results.csv")

    assert code == 0
    assert {"0.001"} == {row["lr"] for row in rows}
    assert len(rows) == 3


def test_missing_gpu_is_refused_before_anything_starts(train, tmp_path, capsys) -> None:
    """One line with what is allowed; no run is recorded as failed."""
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    code = train(*TINY, "device=cuda")
    lines = capsys.readouterr().err.splitlines()

    assert code == 2
    assert len(lines) == 1
    assert "device=cuda" in lines[0]
    assert "allowed are auto, cpu" in lines[0]
    assert not list(tmp_path.glob("outputs/*/runs"))


def test_search_without_its_experiment_is_refused(train, capsys) -> None:
    """Hydra's sweeper would minimize the IoU, and each run would read the test set."""
    code = train("-m", *TINY, "hydra/sweeper=optuna", "optimizer.lr=interval(0.001,0.01)")

    assert code == 2
    assert "experiment=optuna_lr" in capsys.readouterr().err


def test_search_whose_trials_all_fail_prints_the_reasons(train, capsys) -> None:
    """Exit code 1 and a reason for each trial instead of Optuna's own error."""
    words = ["-m", *TINY, "experiment=optuna_lr", "hydra.sweeper.n_trials=2"]
    code = train(*words, "optimizer.lr=interval(1e20,1e22)")
    error = capsys.readouterr().err

    assert code == 1
    assert "2 of 2 runs failed" in error
    assert "epoch" in error
    assert "Record does not exist" not in error


def test_one_command_fills_one_sweep(train, capsys) -> None:
    """Sweeping over sweep folders is refused."""
    assert train("-m", *TINY, "sweep=a,b") == 2
    assert "only one folder is allowed per command" in capsys.readouterr().err


@pytest.mark.slow
def test_retried_run_that_is_interrupted_resumes(train, tmp_path, monkeypatch) -> None:
    """Only the first attempt after a failure starts from scratch."""
    import segsweep.training.loop
    from segsweep.store.paths import RunPaths

    words = [*TINY, "trainer.epochs=4"]
    step, calls = segsweep.training.loop.train_step, []

    def at(number, action):
        def counted(*arguments, **named):
            calls.append(1)
            if len(calls) == number:
                action()
            return step(*arguments, **named)

        calls.clear()
        monkeypatch.setattr(segsweep.training.loop, "train_step", counted)

    def broken():
        raise RuntimeError("once")

    def interrupt():
        from segsweep.sweep import session

        session.current.stop.requested = True

    at(8, broken)
    assert train(*words) == 1
    at(7, interrupt)
    assert train(*words) == 130
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    assert RunPaths(run).status() == "interrupted"
    at(10**6, broken)
    assert train(*words) == 0

    assert len(calls) == 12 - 7


@pytest.mark.slow
def test_history_is_rebuilt_from_the_checkpoint(train, tmp_path) -> None:
    """A kill between the last checkpoint and history.csv loses no row."""
    assert train(*TINY, "keep=both") == 0
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    before = (run / "history.csv").read_text()
    (run / "history.csv").unlink()
    (run / "result.json").unlink()

    assert train(*TINY, "keep=both") == 0
    assert before == (run / "history.csv").read_text()


def test_rerun_of_a_finished_sweep_touches_no_file(train, tmp_path) -> None:
    """Every file of outputs/ keeps its time, except what Hydra writes into the cache."""
    words = ["-m", *TINY, "trainer.epochs=1", "model=unet,unet2"]
    assert train(*words) == 0

    def times():
        found = (tmp_path / "outputs").rglob("*")
        return {p: p.stat().st_mtime_ns for p in found if ".cache" not in p.parts}

    before = times()
    assert train(*words) == 0
    assert before == times()


def test_command_after_a_sweep_reads_no_run(train, monkeypatch, capsys) -> None:
    """The one that trained them has examined them; it prints the same report."""
    monkeypatch.setattr("segsweep.system.files._FRESH_NS", -1)  # files count as old at once
    words = ["-m", *TINY, "trainer.epochs=1", "model=unet,unet2"]
    assert train(*words) == 0
    report = capsys.readouterr().out
    monkeypatch.setattr("segsweep.sweep.planning.damage.image_rows", None)
    monkeypatch.setattr("segsweep.report.write.read_all", None)

    assert train(*words) == 0
    assert capsys.readouterr().out == report


@pytest.mark.slow
def test_truncated_files_are_written_again(train, tmp_path) -> None:
    """The same command repairs a damaged result and a damaged plan."""
    words = ["-m", *TINY, "seed=0,1"]
    assert train(*words) == 0
    first, second = sorted((tmp_path / "outputs/main/runs").iterdir())
    plan = tmp_path / "outputs/main/plan.csv"
    rows = [{**row, "requested_at": ""} for row in rows_of(plan)]
    before = json.loads((first / "result.json").read_text())
    untouched = (second / "result.json").stat().st_mtime_ns
    for path in (first / "result.json", plan):
        path.write_text(path.read_text()[: path.stat().st_size // 2])

    assert train(*words) == 0
    after = json.loads((first / "result.json").read_text())
    assert after["val_loss"] == before["val_loss"]
    assert (second / "result.json").stat().st_mtime_ns == untouched
    assert sorted(map(str, rows)) == sorted(
        str({**row, "requested_at": ""}) for row in rows_of(plan)
    )


def test_interrupt_that_python_wraps_is_recognized(train, capsys, monkeypatch) -> None:
    """An interrupt while a class is created is raised as the cause of a RuntimeError."""

    class Interrupting:
        def __set_name__(self, owner: type, name: str) -> None:
            raise KeyboardInterrupt

    def interrupted(*_: object) -> None:
        type("Made", (), {"part": Interrupting()})

    monkeypatch.setattr("segsweep.training.dataset.prepared_data", interrupted)
    code = train(*TINY)
    error = capsys.readouterr().err

    assert code == 130
    assert "run the same command again to resume" in error
    assert "RuntimeError" not in error


@pytest.mark.parametrize(
    "word", ["plan=true", "rerun=all", "retry_failed=false", "time_limit=5", "keep_gb=0"]
)
def test_settings_of_sweeps_are_refused_without_m(word, train, tmp_path, capsys) -> None:
    """`plan=true` would train and read the test set."""
    code = train(*TINY, word)
    error = capsys.readouterr().err

    assert code == 2
    assert error.startswith(word.split("=")[0])
    assert error.rstrip().endswith("only with -m; add -m")
    assert not list(tmp_path.glob("outputs/*/runs"))


@pytest.mark.slow
def test_a_sweep_without_a_test_part(train, tmp_path, capsys):
    """Trained, validated and reported; nothing is tested, and what is lost is repaired."""
    words = ("-m", *TINY, "trainer.epochs=2", "data.split.test=0", "seed=0,1", "loss=bce,dice")
    code, error = train(*words), capsys.readouterr().err
    runs = sorted((tmp_path / "outputs/main/runs").iterdir())

    assert code == 0
    assert "validation only" in error
    assert len(runs) == 4
    for run in runs:
        result = json.loads((run / "result.json").read_text())
        assert not (run / "test_reads.csv").exists()
        assert not (run / "outlines.json").exists()
        assert {row["split"] for row in rows_of(run / "per_image.csv")} == {"val"}
        assert {row["split"] for row in rows_of(run / "split.csv")} == {"train", "val", "unused"}
        assert result["n_test"] == 0
        assert not [key for key in result if key.startswith("test_")]
    cells = rows_of(tmp_path / "outputs/main/comparison.csv")
    assert [row["val_iou"] != "" for row in cells] == [True, True]
    (runs[0] / "per_image.csv").unlink()
    assert train(*words) == 0
    assert "per_image.csv: missing; written again" in capsys.readouterr().err
    assert train(*words) == 0
    assert "written again" not in capsys.readouterr().err
