"""A run that is killed, interrupted or out of disk loses nothing and ends as if undisturbed."""

import csv
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from command import TINY, fill, start, wait_for

pytestmark = pytest.mark.slow
LONGER = (*TINY, "trainer.epochs=30", "trainer.averaging=0.9", "evaluate.at=train", "keep=both")
TIMES = {"seconds", "peak_memory_mb", "started", "finished", "git_commit"}


def run_folder(folder: Path) -> Path:
    """Return the only run."""
    (run,) = (folder / "outputs/main/runs").iterdir()
    return run


def facts(run: Path) -> tuple[object, ...]:
    """Return everything that must be identical: result, history, counts, weights."""
    result = json.loads((run / "result.json").read_text())
    with (run / "history.csv").open() as file:
        history = [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]
    best = torch.load(run / f"checkpoints/best-{result['best_epoch']}.pt", weights_only=True)
    last = torch.load(run / "checkpoints/last.pt", weights_only=True)["model"]
    weights = [(key, value.numpy().tobytes()) for key, value in (*best.items(), *last.items())]
    kept = {key: value for key, value in result.items() if key not in TIMES}
    return kept, history, (run / "per_image.csv").read_text(), weights


def finish(folder: Path, words: tuple[str, ...] = LONGER) -> str:
    """Run the command to its end; return its error output."""
    process = start(words, folder)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return error


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[object, ...]:
    """Return the facts of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(folder)
    return facts(run_folder(folder))


def test_killed_at_random_moments_ends_bit_identical(undisturbed, tmp_path) -> None:
    """SIGKILL at four random moments of start-up or training, then a run to the end."""
    generator = random.Random(0)
    for _ in range(4):
        process = start(LONGER, tmp_path)
        if generator.random() < 0.7:  # in training, else wherever it is
            wait_for(lambda: list((tmp_path / "outputs/main/runs").glob("*/history.csv")))
        time.sleep(generator.random())
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    finish(tmp_path)

    assert undisturbed == facts(run_folder(tmp_path))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_sweep_saves_and_resumes(number, undisturbed, tmp_path) -> None:
    """Exit code 130, one line, no traceback, the rest of the sweep not started; then resumed."""
    process = start(("-m", *LONGER, "slots=1", "seed=0,1"), tmp_path)
    runs = tmp_path / "outputs/main/runs"
    wait_for(lambda: list(runs.glob("*/history.csv")))
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Traceback" not in error
    assert "run the same command again to resume" in error
    assert len(list(runs.glob("*/history.csv"))) == 1
    assert not list(runs.glob("*/result.json"))
    (first,) = runs.glob("*-s0-*")
    finish(tmp_path)
    assert "resuming after epoch" in (first / "train.log").read_text()
    assert undisturbed == facts(first)


def test_second_ctrl_c_leaves_at_once_and_loses_nothing(undisturbed, tmp_path) -> None:
    """Two signals in a row: exit code 130, then the run ends as if undisturbed."""
    process = start(LONGER, tmp_path)
    wait_for(lambda: list((tmp_path / "outputs/main/runs").glob("*/history.csv")))
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)
    finish(tmp_path)

    assert process.returncode == 130
    assert "Traceback" not in error
    assert undisturbed == facts(run_folder(tmp_path))


def test_ctrl_c_before_training_leaves_quietly(tmp_path) -> None:
    """A signal during start-up ends it with exit code 130 and no traceback."""
    process = start(("data.count=3000", "data.side=64"), tmp_path)
    wait_for(lambda: list((tmp_path / "outputs/.cache").glob("*.tmp*")))
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "Traceback" not in error
    assert not list((tmp_path / "outputs/.cache").glob("data-*.tmp*"))


def test_two_processes_on_one_run(tmp_path) -> None:
    """The second one is refused because the run is being trained; the first is not affected."""
    words = (*LONGER, "trainer.epochs=400")
    first = start(words, tmp_path)
    wait_for(lambda: list((tmp_path / "outputs/main/runs").glob("*/history.csv")))
    second = start(words, tmp_path)
    _, error = second.communicate(timeout=120)
    _, first_error = first.communicate(timeout=120)

    assert first.returncode == 0, first_error
    assert second.returncode == 2
    assert "is being trained by another process" in error.splitlines()[-1]


def test_disk_that_fills_up_ends_the_sweep_and_is_resumed(
    undisturbed, small_disk, tmp_path
) -> None:
    """One line, exit code 1; once disk is free, the same command finishes the run."""
    words = (*LONGER, f"outputs='{small_disk}/outputs'")
    (small_disk / "outputs/.cache").mkdir(parents=True)
    process = start(words, tmp_path)
    runs = small_disk / "outputs/main/runs"
    wait_for(lambda: list(runs.glob("*/history.csv")))
    filler = small_disk / "filler"
    fill(filler)
    _, error = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "no space left" in error
    assert "Traceback" not in error
    filler.unlink()
    finish(tmp_path, words)
    (run,) = runs.iterdir()
    assert undisturbed == facts(run)


def test_full_and_read_only_outputs_are_refused(small_disk, tmp_path) -> None:
    """Nothing starts; one line; exit code 2."""
    errors = []
    fill(small_disk / "filler")
    for _ in range(2):
        process = start((*TINY, f"outputs='{small_disk}/outputs'"), tmp_path)
        errors.append((process.communicate(timeout=60)[1], process.returncode))
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    assert [code for _, code in errors] == [2, 2]
    assert "not enough disk" in errors[0][0]
    assert "Read-only" in errors[1][0]
    assert all(len(text.splitlines()) == 1 for text, _ in errors)


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal of its own."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("seconds", [0, 0.1, 0.3, 0.7, 1.4])
def test_signal_while_it_starts(number, seconds, tmp_path) -> None:
    """Whatever is being imported, from the moment when our code runs: exit code 130."""
    process = start(TINY, tmp_path)
    wait_for(lambda: catches(process.pid, signal.SIGTERM))  # Python's own are there before ours
    time.sleep(seconds)
    os.kill(process.pid, number)
    _, error = process.communicate(timeout=60)

    assert process.returncode in (130, 0)
    assert "Traceback" not in error


@pytest.mark.parametrize("draw", range(2))
def test_signal_while_the_last_report_is_written(draw, tmp_path) -> None:
    """SIGTERM at a random moment after the result, while pandas is imported: no crash."""
    process = start(TINY, tmp_path)
    wait_for(lambda: list((tmp_path / "outputs/main/runs").glob("*/result.json")))
    time.sleep(random.Random(draw).uniform(0, 1))
    os.kill(process.pid, signal.SIGTERM)
    _, error = process.communicate(timeout=60)

    assert process.returncode in (130, 0)
    assert "Traceback" not in error
