"""Whole races: decided the same however often they are killed, nothing lost or trained twice."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from clusters import RAY, SLURM, needs
from command import TINY, finish, of_session, rows_of, snapshot, start, wait_for

pytestmark = pytest.mark.slow
THRESHOLDS = ("0.5", "0.4", "0.45", "0.9995", "0.9999", "0.99999")
CELLS = tuple(f"unet2/bce@threshold={value}" for value in THRESHOLDS)
"""Three that are alike, and three that see almost no foreground."""
TRAINED = ("data.count=48", "trainer.epochs=12", "preflight=false", "model=unet2", "loss=bce")
WORDS = (
    *("-m", *TINY, *TRAINED, "optimizer.lr=0.02", f"threshold={','.join(THRESHOLDS)}"),
    *("seed=range(0,8)", "race=best", "race.looks=[2,4]", "slots=1"),
)


def sweep_of(folder: Path) -> Path:
    """Return the sweep in *folder*."""
    return folder / "outputs/main"


def finished(sweep: Path) -> list[Path]:
    """Return the folders of the finished runs."""
    return [file.parent for file in sweep.glob("runs/*/result.json")]


def decided(sweep: Path) -> list[dict[str, str]]:
    """Return race.csv without the hours that were spent."""
    return [{**row, "spent": ""} for row in rows_of(sweep / "race.csv")]


def counts(sweep: Path) -> dict[str, str]:
    """Return the counts of each finished run, by the name of its folder."""
    return {run.name: (run / "per_image.csv").read_text() for run in finished(sweep)}


def looks_read(sweep: Path) -> dict[str, list[str]]:
    """Return which looks the log of test-set reads of each run names, by the name of its folder."""
    logs = {run.name: rows_of(run / "test_reads.csv") for run in finished(sweep)}
    return {
        name: [row["reason"] for row in rows if row["reason"].startswith("look ")]
        for name, rows in logs.items()
    }


def times_begun(sweep: Path) -> int:
    """Return how often runs were started or resumed."""
    logs = sweep.glob("runs/*/train.log")
    return sum(log.read_text().count("images unused") for log in logs)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Return the sweep of a race that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    said = finish(WORDS, folder)
    assert "race: looks at 2, 4, 8 seeds of 6 cells; at least 12 runs, at most 48" in said
    assert "look 2, 4 seeds: 3 of 6 cells may still be the best; out: " in said
    assert "36 of 48 runs, 12 saved" in said
    return sweep_of(folder)


def test_clearly_worse_cells_get_no_further_seeds(undisturbed) -> None:
    """They are out at the second look; the others get all seeds, and the runs that count stand."""
    rows, plan = rows_of(undisturbed / "race.csv"), rows_of(undisturbed / "plan.csv")
    ids = {json.loads((run / "result.json").read_text())["run_id"] for run in finished(undisturbed)}

    assert {(row["look"], row["cell"]) for row in rows if row["decision"] == "out"} == {
        ("2", cell) for cell in CELLS[3:]
    }
    assert [row["look"] for row in rows] == ["1"] * 6 + ["2"] * 6 + ["3"] * 3
    planned = [row["cell"] for row in plan]
    assert [planned.count(cell) for cell in CELLS] == [8] * 3 + [4] * 3
    assert {row["run_id"] for row in plan} == ids
    assert {name for row in rows for name in row["runs"].split()} == ids
    assert {tuple(looks) for looks in looks_read(undisturbed).values()} == {
        tuple(f"look {look} of the race" for look in range(first, last + 1))
        for first, last in ((1, 2), (1, 3), (2, 2), (2, 3), (3, 3))
    }
    for row in rows:
        assert len(row["runs"].split()) == int(row["seeds"]) == (2, 4, 8)[int(row["look"]) - 1]


def test_killed_three_times_it_decides_as_if_undisturbed(undisturbed, tmp_path) -> None:
    """SIGKILL before each look, of the command alone or of all of its processes."""
    generator, sweep, untouched = random.Random(0), sweep_of(tmp_path), {}
    for done, group in ((7, True), (18, False), (30, True)):
        process = start(WORDS, tmp_path)
        wait_for(lambda n=done: len(finished(sweep)) >= n, 400)
        time.sleep(0.4 * generator.random())
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.communicate(timeout=60)
        wait_for(lambda pid=process.pid: not of_session(pid), 60)
        untouched |= snapshot(*finished(sweep))
    finish(WORDS, tmp_path)

    looked = ("test_reads.csv",)  # each look of the race is added
    whole = [path for path in untouched if path.is_file() and path.name not in looked]
    assert [untouched[path] for path in whole] == [snapshot(path)[path] for path in whole]
    assert looks_read(sweep) == looks_read(undisturbed)
    assert decided(sweep) == decided(undisturbed)
    assert counts(sweep) == counts(undisturbed)
    assert len(finished(sweep)) <= times_begun(sweep) <= len(finished(sweep)) + 3
    before = snapshot(sweep)
    assert "race ended: all seeds are used up" in finish(WORDS, tmp_path)
    assert snapshot(sweep) == before


LAUNCHERS = {
    "joblib": ("hydra.launcher.n_jobs=2",),
    "submitit_local": ("hydra.launcher.timeout_min=5",),
    "ray": RAY,
    "submitit_slurm": SLURM,
}
CLUSTERS = {"ray": "ray", "submitit_slurm": "slurm"}


FEWER = ("threshold=0.5,0.9999", "seed=range(0,3)", "race.looks=[2]")
"""Two cells, looks at two and three seeds."""


def fewer(*others: str) -> tuple[str, ...]:
    """Return the words of a race of two cells, and *others*."""
    left_out = ("threshold=", "seed=", "race.looks=", "slots=")
    return (*(word for word in WORDS if not word.startswith(left_out)), *FEWER, *others)


@pytest.fixture(scope="module")
def fewer_undisturbed(tmp_path_factory) -> Path:
    """Return the sweep of the race of two cells in slots, which nobody disturbed."""
    folder = tmp_path_factory.mktemp("fewer")
    finish(fewer("slots=1"), folder)
    return sweep_of(folder)


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a command with SIGKILL, and wait for it; its jobs may go on."""
    process.kill()
    process.wait()  # its jobs hold its pipes


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_killed_race_in_rounds_of_a_launcher(
    launcher, request, fewer_undisturbed, tmp_path
) -> None:
    """The runs of a look in one round: the same decisions as in slots, from the same counts.

    The command is killed in each of its two rounds, while jobs of a cluster go on.
    """
    needs(launcher)
    cluster = CLUSTERS.get(launcher)
    environment = request.getfixturevalue(cluster) if cluster else {}
    words, sweep = fewer(f"hydra/launcher={launcher}", *LAUNCHERS[launcher]), sweep_of(tmp_path)
    for done in (1, 5):
        process = start(words, tmp_path, **environment)
        wait_for(lambda n=done: len(finished(sweep)) >= n, 400)
        kill(process)
    said = finish(words, tmp_path, **environment)

    assert "race ended: " in said
    assert decided(sweep) == decided(fewer_undisturbed)
    assert counts(sweep) == counts(fewer_undisturbed)
    assert len(counts(sweep)) == 6
    assert 6 <= times_begun(sweep) <= 10
