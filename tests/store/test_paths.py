"""Paths of runs and sweeps, and the status that a run's files show."""

import subprocess
import sys

import pytest

from segsweep.store.paths import RunPaths, SweepPaths, folder_name, run_order

HOLD = """
import sys
from pathlib import Path
from segsweep.system.files import claimed
with claimed(Path(sys.argv[1])) as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def held_elsewhere():
    """Return a function that starts a process holding a run's claim; killed after the test."""
    holders = []

    def hold(path):
        command = [sys.executable, "-c", HOLD, str(path)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout.readline() == "True\n"
        return holder

    yield hold
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_status_without_a_claim(tmp_path):
    """No file: planned; environment or history: interrupted; failure: failed; result: finished."""
    run = RunPaths(tmp_path)
    found = [run.status()]
    for path in (run.environment, run.failure, run.result):
        path.write_text("{}")
        found.append(run.status())
    for path in (run.result, run.failure, run.environment):
        path.unlink()
        found.append(run.status())
    run.history.touch()

    assert found[:4] == ["planned", "interrupted", "failed", "finished"]
    assert found[4:] == ["failed", "interrupted", "planned"]
    assert run.status() == "interrupted"


def test_status_while_another_process_holds_the_claim(tmp_path, held_elsewhere):
    """Running, also after a failed attempt; killing the process releases the claim."""
    run = RunPaths(tmp_path)
    holder = held_elsewhere(run.claim)
    found = [run.status()]
    run.failure.write_text("{}")
    run.environment.write_text("{}")
    found.append(run.status())
    run.result.write_text("{}")
    found.append(run.status())
    run.result.unlink()
    holder.kill()
    holder.wait()
    found.append(run.status())
    run.failure.unlink()

    assert found == ["running", "running", "finished", "failed"]
    assert run.claim.exists()
    assert run.status() == "interrupted"


def test_status_writes_nothing(tmp_path):
    """Not even a lock file."""
    RunPaths(tmp_path).status()

    assert list(tmp_path.iterdir()) == []


def test_folder_name_starts_with_the_readable_parts():
    """Model, loss and seed first, then the unique id."""
    assert folder_name("unet2", "bce_ss", 3, "0123456789ab") == "unet2-bce_ss-s3-0123456789ab"


def test_runs_are_in_the_order_of_their_seeds(tmp_path):
    """Seed 10 after seed 2; other folders by their names."""
    names = [f"unet-bce-s{seed}-{seed:012x}" for seed in (0, 1, 2, 10, 11, 100)]
    names = [*names, "unet-dice-s0-00000000000a", "unet2-bce-s0-00000000000b"]
    for name in reversed(names):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "config.yaml").touch()

    assert [paths.root.name for paths in SweepPaths(tmp_path).run_folders()] == names
    assert sorted(["b", "a-s1", "a"], key=run_order) == ["a", "a-s1", "b"]
