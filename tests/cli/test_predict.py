"""`segsweep predict`: what it prints, its exit codes, and what it refuses in one line."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from PIL import Image

from command import ROOT, wait_for
from fake_data import blob
from trained_sweeps import write_photos

ON_CPU = ("--device", "cpu")
STOPPED = "stopped; run the same command again to go on"


@pytest.fixture
def predict(segsweep, here):
    """Return a function that predicts the images of the sweep: (exit code, stdout, stderr)."""

    def call(*words, images="photos/images", out="out"):
        return segsweep("predict", "main", "--images", images, "--out", out, *ON_CPU, *words)

    return call


def used(folder):
    """Return model and seed of the runs that predicted."""
    said = json.loads((folder / "predictions.json").read_text())
    return [tuple(name.split("-")[::2]) for name in said["runs"]]


def test_it_says_what_is_used_and_what_was_done(predict, here):
    """Masks for all images; the same command again has nothing to do."""
    code, out, error = predict()
    assert (code, out) == (0, "24 images predicted: out/predictions.csv\n")
    assert error.startswith("using ")
    assert "validation IoU" in error
    assert len(list((here.folder / "out/masks").iterdir())) == 24
    assert predict()[:2] == (0, "0 images predicted, 24 were there before: out/predictions.csv\n")


def test_cell_run_and_ensemble(predict, here):
    """Each chooses its runs."""
    run = next(
        path.name for path in (here.sweep / "runs").iterdir() if "segnet-bce-s1" in path.name
    )
    choices = {
        ("--run", run.rpartition("-")[2]): {("segnet", "s1")},
        ("--cell", "unet2/bce", "--ensemble", "1"): {("unet2", "s0"), ("unet2", "s1")},
        ("--ensemble", "2"): {(m, s) for m in ("unet2", "segnet") for s in ("s0", "s1")},
    }
    for number, (words, expected) in enumerate(choices.items()):
        assert predict(*words, out=f"out{number}")[0] == 0
        assert {*used(here.folder / f"out{number}")} == expected
    assert predict("--cell", "segnet/bce", out="cell")[0] == 0
    ((model, _),) = used(here.folder / "cell")
    assert model == "segnet"


def test_bad_images_are_named_and_the_exit_code_is_1(predict, here):
    """The rest is predicted."""
    write_photos(here.folder / "mixed", 3)
    (here.folder / "mixed/images/photo01.png").write_bytes(b"no picture")
    code, out, error = predict(images="mixed/images")

    assert code == 1
    assert out == "2 images predicted: out/predictions.csv\n"
    assert "photo01.png: not an image" in error
    assert "1 image not readable; see the column error" in error
    assert pd.read_csv(here.folder / "out/predictions.csv")["error"].notna().sum() == 1


REFUSED = {
    "two choices": (("--best", "--cell", "unet2/bce"), "--cell and --best: give only one of them"),
    "no cell": (("--cell", "unet2/bcd"), "no such cell; did you mean 'unet2/bce'?"),
    "no run": (("--run", "unet2-bce-s9"), "no run of that id or name"),
    "too many": (("--ensemble", "3"), "--ensemble 3: allowed are 1 to 2"),
    "no number": (("--ensemble", "0"), "Invalid value for '--ensemble'"),
    "no device": (("--device", "gpu"), "--device gpu: this machine has "),
    "no driver": (("--device", "cuda:77"), "--device cuda:77: this machine has "),
    "no such ensemble": (("--cell", "unet2/bce", "--ensemble", "9"), "with --cell only 1 is"),
    "too many threads": (("--threads", "99999"), "1024"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(predict, here, name):
    """Nothing is written."""
    words, said = REFUSED[name]
    code, out, error = predict(*words)
    lines = [line for line in error.splitlines() if not line.startswith("using ")]

    assert (code, out, len(lines)) == (2, "", 1)
    assert said in lines[0]
    assert not (here.folder / "out").exists()


@pytest.mark.parametrize(
    ("images", "said"), [("none", "no such folder"), ("empty", "no image in it")]
)
def test_folders_without_images(predict, here, images, said):
    """One line, exit code 2."""
    (here.folder / "empty").mkdir()
    code, _, error = predict(images=images)

    assert code == 2
    assert said in error.splitlines()[-1]
    assert not (here.folder / "out").exists()


def test_out_that_is_a_file(predict, here):
    """Named."""
    (here.folder / "out").write_text("mine")
    code, _, error = predict()

    assert (code, error) == (2, "--out out: not a folder\n")


@pytest.mark.parametrize("out", ["outputs/main", "outputs/main/runs/new", "outputs"])
def test_out_in_a_sweep(predict, here, out):
    """Masks are no files of a sweep."""
    code, _, error = predict(out=out)

    assert code == 2
    assert "name another folder" in error
    assert not (here.sweep / "masks").exists()


@pytest.mark.slow
def test_removed_weights_come_with_the_command_that_makes_them_again(
    segsweep, resized, tmp_path, monkeypatch
):
    """And that command does."""
    shutil.copytree(resized.folder, tmp_path, dirs_exist_ok=True)
    for file in tmp_path.glob("outputs/main/runs/unet2-*/checkpoints/*.pt"):
        file.unlink()
    words = ("--images", "photos/images", "--out", "out", "--cell", "unet2/bce", *ON_CPU)
    code, _, error = segsweep("predict", "main", *words)
    command = error.splitlines()[-1].partition("to train the run again: ")[2]

    assert code == 2
    assert "its weights were removed" in error
    assert command.startswith("python -m segsweep.train -m rerun=all ")
    again = command.replace("python ", f"{sys.executable} ", 1)
    done = subprocess.run(
        ["bash", "-c", again],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert segsweep("predict", "main", *words)[0] == 0


def test_damaged_weights_come_with_that_command_too(segsweep, resized, tmp_path, monkeypatch):
    """One line, without a word of torch's own."""
    shutil.copytree(resized.folder, tmp_path, dirs_exist_ok=True)
    for file in tmp_path.glob("outputs/main/runs/*/checkpoints/best-*.pt"):
        file.write_bytes(pickle.dumps({"weight": 1.0}, protocol=4))
    code, _, error = segsweep(
        *("predict", "main", "--images", "photos/images", "--out", "out", *ON_CPU)
    )
    using, line = error.splitlines()

    assert (code, using[:6]) == (2, "using ")
    assert ".pt: cannot be read" in line
    assert "; to train the run again: python -m segsweep.train -m rerun=all " in line


@pytest.mark.parametrize("keep", ["none", "last"])
def test_weights_that_were_not_kept_are_kept_by_that_command(segsweep, resized, tmp_path, keep):
    """With the sweep's own keep=none it would remove them again."""
    shutil.copytree(resized.folder, tmp_path, dirs_exist_ok=True)
    for folder in tmp_path.glob("outputs/main/runs/*"):
        text = (folder / "config.yaml").read_text()
        assert "\nkeep: best\n" in text
        (folder / "config.yaml").write_text(text.replace("keep: best", f"keep: {keep}"))
        for file in folder.glob("checkpoints/best-*.pt"):
            file.unlink()
    _, _, error = segsweep("predict", "main", "--images", "photos/images", "--out", "out", *ON_CPU)

    assert "to train the run again: python -m segsweep.train -m rerun=all " in error
    assert "keep=" not in error


def test_ctrl_c_ends_any_command_with_one_line(segsweep, here, monkeypatch):
    """Also one that has nothing to say about it itself."""

    def stop(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("segsweep.store.tables.read_all", stop)
    for words in (("export", "main", "--out", "out"), ("evaluate", "main", "--ensemble", "1")):
        assert segsweep(*words) == (130, "", f"{STOPPED}\n")


@pytest.mark.slow
def test_stopped_and_killed(here):
    """Each goes on where it was; nothing half-written is left."""
    photos = here.folder / "many/images"
    write_photos(here.folder / "many", 300)
    words = [sys.executable, "-m", "segsweep", "predict", "main", "--images", str(photos)]
    words += ["--out", "out", "--cell", "unet2/bce", "--prob", *ON_CPU]
    masks = here.folder / "out/masks"
    for number, code, last in (
        (signal.SIGTERM, 130, [STOPPED]),
        (signal.SIGKILL, -signal.SIGKILL, []),
    ):
        before = len(list(masks.glob("*.png"))) if masks.exists() else 0
        process = subprocess.Popen(
            words,
            cwd=here.folder,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(lambda n=before: masks.exists() and len(list(masks.glob("*.png"))) > n + 20)
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
        assert process.returncode == code, error
        assert [line for line in error.splitlines() if "image" not in line][1:] == last
    done = len(pd.read_csv(here.folder / "out/predictions.csv"))
    assert 20 < done < 300
    time.sleep(0.1)
    subprocess.run(
        words, cwd=here.folder, env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}, check=True
    )
    assert len(pd.read_csv(here.folder / "out/predictions.csv")) == 300
    assert not list((here.folder / "out").rglob("*.tmp"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "wait4"), reason="no memory of a child's peak")
def test_memory_does_not_grow_with_the_number_of_images(here):
    """Thirty times as many, which decoded would take 360 MB: less than 40 MB more at the peak."""
    image, _ = blob(0, 400, 500)
    peak = {}
    for count in (20, 600):
        folder = here.folder / f"photos{count}"
        folder.mkdir()
        for number in range(count):
            Image.fromarray(image).save(folder / f"{number:03d}.jpg")
        words = ("main", "--images", folder, "--out", here.folder / f"out{count}", *ON_CPU)
        command = [sys.executable, "-m", "segsweep", "predict", *map(str, words), "--threads", "1"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command, cwd=here.folder, env=environment, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        peak[count] = usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)

    assert peak[600] < peak[20] + 40
