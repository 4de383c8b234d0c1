"""The same sweep through other launchers of Hydra; SLURM and Ray for real, on this machine."""

import csv
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from clusters import RAY, SLURM, needs
from command import APPS, TINY, TROUBLE, finish, start, wait_for

pytestmark = pytest.mark.slow
WORDS = (
    *("-m", f"--config-dir={APPS / 'conf'}", "allow=[trouble,patience]", *TINY),
    *("trainer.epochs=20", "preflight=false"),
)
LOSSES = "loss=kills,slow,dies_once,bce"
"""The first always dies, the second runs while others die, the third dies once."""
FOUR = ("model=unet2,segnet", "loss=patient,bce")
"""Four cells; the first and the third wait for minutes until the file `go on` exists."""
LAUNCHERS = {
    "joblib": ("hydra.launcher.n_jobs=2",),
    "submitit_local": ("hydra.launcher.timeout_min=5",),
    "ray": RAY,
}
MEASURED = {"seconds", "peak_memory_mb", "started", "finished", "git_commit"}
"""What differs between any two sweeps."""


def runs(folder: Path, names: str = "*") -> list[Path]:
    """Return the run folders of the sweep in *folder* whose names fit a pattern."""
    return sorted((folder / "outputs/main/runs").glob(names))


def facts(run: Path) -> dict[str, Any]:
    """Return everything that a finished run has: numbers, history, counts, split."""
    result = json.loads((run / "result.json").read_text())
    with (run / "history.csv").open() as file:
        history = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    return {
        "result": {key: value for key, value in result.items() if key not in MEASURED},
        "history": history,
        **{name: (run / name).read_text() for name in ("per_image.csv", "split.csv")},
    }


def finished(folder: Path, names: str = "*") -> dict[str, dict[str, Any]]:
    """Return the facts of each finished run, by the name of its folder."""
    return {run.name: facts(run) for run in runs(folder, names) if (run / "result.json").exists()}


def log(folder: Path, names: str) -> str:
    """Return the log of the one run whose name fits a pattern."""
    (run,) = runs(folder, names)
    return (run / "train.log").read_text()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Return a folder in which the default launcher trained all cells undisturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for marker in ("died", "go on"):
        (folder / marker).touch()
    finish((*WORDS, "loss=slow,dies_once"), folder)
    finish((*WORDS, *FOUR), folder)
    return folder


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_killed_run_affects_no_other(launcher, undisturbed, ray, tmp_path) -> None:
    """One run always dies, one dies once: all others equal those of the default launcher.

    The run that always dies is started twice; once it is fixed, the default launcher
    finishes it.
    """
    needs(launcher)
    words = (*WORDS, LOSSES, f"hydra/launcher={launcher}", *LAUNCHERS[launcher])
    said = finish(words, tmp_path, code=1, **ray)
    names = ("unet2-slow-*", "unet2-dies_once-*", "unet2-bce-*")
    expected = {key: value for name in names for key, value in finished(undisturbed, name).items()}

    assert len(expected) == 3
    assert expected == finished(tmp_path)
    assert "1 of 4 runs failed" in said
    assert "Traceback" not in said
    assert log(tmp_path, "*-kills-*").count("images unused") == 2
    assert "resuming after epoch" in log(tmp_path, "*-dies_once-*")
    (failure,) = (tmp_path / "outputs/main/runs").glob("*/failure.json")
    assert json.loads(failure.read_text())["cause"] == "killed"

    finish((*WORDS, LOSSES), tmp_path, MENDED="1")

    assert expected.items() < finished(tmp_path).items()
    assert len(finished(tmp_path)) == 4


def test_jobs_that_outlive_their_command_are_waited_for(undisturbed, tmp_path) -> None:
    """The command is killed, its jobs continue: the same command again trains nothing twice."""
    needs("submitit_local")
    words = (*WORDS, "model=unet2,segnet", "loss=patient", "hydra/launcher=submitit_local")
    first = start(words, tmp_path)
    wait_for(lambda: len(runs(tmp_path, "*/history.csv")) == 2, 300)
    first.kill()
    first.wait()  # its jobs hold its pipes
    second = start(words, tmp_path)
    left_at_once = "outputs/.cache/hydra/.submitit/*/*_result.pkl"
    wait_for(lambda: len(list(tmp_path.glob(left_at_once))) == 2, 300)
    time.sleep(3)  # it must keep waiting
    (tmp_path / "go on").touch()
    _, error = second.communicate(timeout=300)

    assert second.returncode == 0, error
    assert "retrying" not in error
    assert finished(undisturbed, "*-patient-*") == finished(tmp_path)
    for run in runs(tmp_path):
        assert (run / "train.log").read_text().count("images unused") == 1


def asked(environment: dict[str, str], *command: str) -> list[str]:
    """Return the words that a SLURM command printed."""
    path = shutil.which(command[0], path=environment["PATH"])
    full = [str(path), *command[1:]]
    done = subprocess.run(full, env=os.environ | environment, capture_output=True, check=True)
    return done.stdout.decode().split()


def test_slurm_job_cancelled_and_job_cut_by_its_time_limit(slurm, undisturbed, tmp_path) -> None:
    """Four cells, one cut by its time limit and requeued, one cancelled with scancel: all finish.

    Both resume from their checkpoints; the files equal those of the default launcher's sweep.
    """
    needs("submitit_slurm")
    command = start((*WORDS, *FOUR, *SLURM), tmp_path, **slurm)
    wait_for(lambda: runs(tmp_path, "segnet-patient-*/history.csv"), 300)
    array = asked(slurm, "squeue", "--noheader", "--format=%F")[0]
    asked(slurm, "scancel", f"{array}_2")
    wait_for(lambda: "resuming after epoch" in log(tmp_path, "unet2-patient-*"), 300)
    (tmp_path / "go on").touch()
    _, error = command.communicate(timeout=300)
    expected = finished(undisturbed, "*-bce-*") | finished(undisturbed, "*-patient-*")

    assert command.returncode == 0, error
    assert len(expected) == 4
    assert expected == finished(tmp_path)
    assert "resuming after epoch" in log(tmp_path, "segnet-patient-*")
    assert [line.split("-")[:2] for line in error.splitlines() if "retrying" in line] == [
        ["segnet", "patient"]
    ]
    assert "Traceback" not in error
    shown = asked(slurm, "scontrol", "--oneliner", "show", "job", f"{array}_0")
    assert "Restarts=0" not in shown


def test_basic_sweeper_by_joblib_ends_as_its_runs_did(tmp_path) -> None:
    """Exit code 0 if all finished, 1 and the reason if one failed, whoever executed them."""
    words = (
        "-m",
        *TINY,
        *TROUBLE,
        "model=unet2",
        "trainer.epochs=12",
        "preflight=false",
        "hydra/sweeper=basic",
    )
    words = (*words, "hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    finish((*words, "loss=bce,dice"), tmp_path)
    done = finish((*words, "loss=bce,raises"), tmp_path, code=1)

    assert "1 of 2 runs failed:" in done
    assert "the loss has a fault" in done
