"""A sweep of encoders with weights from files: killed, resumed, planned, refused."""

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import segsweep
from command import ROOT, TINY, finish, start, train_here, wait_for
from segsweep.models.smp import smp

pytestmark = pytest.mark.slow
ENCODERS = ("resnet18", "mit_b0")
QUICK = [word for word in TINY if not word.startswith("model.")]
SAME = ["run_id", "cell", "model.encoder", "model.weights_file", "test_iou", "val_iou"]


@pytest.fixture
def documented(tmp_path) -> list[str]:
    """Return the words of the command in docs/extending.md; the files that it names are there."""
    text = (ROOT / "docs/extending.md").read_text()
    (command,) = re.findall(r"segsweep-train (-m model=smp [^`]*)```", text)
    (tmp_path / "weights").mkdir()
    for seed, name in enumerate(ENCODERS):
        torch.manual_seed(seed)
        encoder = smp(encoder=name).get_submodule("encoder")
        torch.save(encoder.state_dict(), tmp_path / f"weights/{name}.pth")
    words = [word.strip("'") for word in command.replace("\\\n", " ").split()]
    return [*words, *QUICK, "seed=0", "trainer.epochs=6", "preflight=false"]


def results(folder: Path) -> "pd.DataFrame":
    """Return what must be the same in results.csv, in the order of the runs' ids."""
    frame = pd.read_csv(folder / "outputs/main/results.csv")
    return frame[[key for key in SAME if key in frame]].sort_values("run_id", ignore_index=True)


def kill_when(condition: Callable[[], object], words: list[str], folder: Path) -> None:
    """Start a command and kill it with all its processes when *condition* holds."""
    process = start(words, folder)
    wait_for(condition)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_sweep_of_encoders_that_is_killed_ends_as_if_undisturbed(documented, tmp_path) -> None:
    """The command of the documentation: a cell each, the same numbers, nothing said but results."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for folder in (killed, whole):
        folder.mkdir()
        (folder / "weights").symlink_to(tmp_path / "weights")
    runs = killed / "outputs/main/runs"
    kill_when(lambda: list(runs.glob("*/history.csv")), documented, killed)
    finish(documented, killed)
    said = finish(documented, whole)
    (whole / "weights").unlink()
    image = np.zeros((40, 56, 3), np.uint8)
    (predicted,) = segsweep.open(whole / "outputs/main").best().predict(image, device="cpu")
    cells = pd.read_csv(whole / "outputs/main/plan.csv")["cell"]

    assert predicted.mask.shape == (40, 56)  # without the files that the encoders started from
    assert "arning" not in said
    pd.testing.assert_frame_equal(results(killed), results(whole))
    assert [re.sub("[0-9a-f]{8}$", "", cell) for cell in cells] == [
        f"smp/bce@model.encoder={name}@model.weights_file=" for name in ENCODERS
    ]


def test_plan_refuses_in_one_line(tmp_path, monkeypatch, capsys) -> None:
    """What is wrong with a network is known before anything starts."""
    torch.save(smp(encoder="resnet18").get_submodule("encoder").state_dict(), tmp_path / "18.pth")
    lines = []
    for words in (
        "model.encoder=resnet18,resnet19",
        "model.architecture=unett",
        "model.encoder=mit_b0 model.weights_file=18.pth",
        "model.architecture=fpn data.size=48",
        "model.weights_file=nowhere.pth",
    ):
        words = ("-m", *QUICK, "model=smp", *words.split())
        assert train_here(words, monkeypatch, tmp_path) == 2
        lines.append(capsys.readouterr().err.strip().splitlines()[-1])

    assert "got 'resnet19'; did you mean 'resnet18'?" in lines[0]
    assert "got 'unett'; did you mean 'unet'?" in lines[1]
    assert "18.pth: does not fit the encoder mit_b0: " in lines[2]
    assert "data.size=48: model=smp needs a multiple of 32; the nearest are 64" in lines[3]
    assert "weights_file=nowhere.pth: cannot be read (No such file" in lines[4]
    assert not (tmp_path / "outputs/main/runs").exists()


def test_without_the_library_the_plan_says_what_to_install(tmp_path) -> None:
    """Exit code 2, one line; other options need nothing of it."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked/segmentation_models_pytorch.py").write_text("raise ImportError('blocked')")
    path = os.pathsep.join([str(tmp_path / "blocked"), str(ROOT)])
    said = finish(["-m", *QUICK, "model=smp,unet2"], tmp_path, code=2, PYTHONPATH=path)

    assert "pip install 'segsweep[smp]'" in said.strip().splitlines()[-1]
    assert not (tmp_path / "outputs/main/runs").exists()
