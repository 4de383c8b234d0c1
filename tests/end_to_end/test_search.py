"""Whole searches: equal trials, nothing lost or done twice, no trial sees a test image."""

import json
import os
import random
import re
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from subprocess import Popen

import optuna
import pytest

from clusters import RAY, SLURM, needs
from command import APPS, TINY, finish, of_session, rows_of, snapshot, start, wait_for

pytestmark = pytest.mark.slow
TRIALS = 4
CELLS = ("unet2/bce", "unet2/dice", "segnet/bce", "segnet/dice")
BASE = ("-m", *TINY, "trainer.epochs=16", "preflight=false", "search=lr")
WORDS = (
    *(*BASE, "model=unet2,segnet", "loss=bce,dice", "seed=0,1"),
    *(f"search.n_trials={TRIALS}", "slots=1"),
)
MEASURED = {"seconds", "trial_seconds", "peak_memory_mb", "started", "finished", "git_commit"}
"""What differs between any two sweeps."""


def sweep_of(folder: Path) -> Path:
    """Return the sweep in *folder*."""
    return folder / "outputs/main"


def results(sweep: Path) -> dict[str, dict[str, object]]:
    """Return the results of the finished runs, by the names of their folders."""
    files = sweep.glob("runs/*/result.json")
    return {file.parent.name: json.loads(file.read_text()) for file in files}


def is_trial(run: Path) -> bool:
    """Whether a run was made by the search to choose a value."""
    return "\nkind: trial\n" in (run / "config.yaml").read_text()


def split_up(sweep: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders of the trials and of the runs at the values found."""
    runs = sorted((sweep / "runs").iterdir())
    return [run for run in runs if is_trial(run)], [run for run in runs if not is_trial(run)]


def facts(run: Path) -> tuple[object, ...]:
    """Return everything of a run that must be identical."""
    result = json.loads((run / "result.json").read_text())
    history = [{**row, "seconds": ""} for row in rows_of(run / "history.csv")]
    kept = {key: value for key, value in result.items() if key not in MEASURED}
    return kept, history, (run / "per_image.csv").read_text()


def table(sweep: Path, name: str) -> list[dict[str, str]]:
    """Return a table, sorted, without the values that differ between any two sweeps."""
    rows = [{k: v for k, v in row.items() if k not in MEASURED} for row in rows_of(sweep / name)]
    return sorted(rows, key=str)


def studies(sweep: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return what Optuna reads: study -> k, state, values and validation IoU of each trial."""
    storage = f"sqlite:///{sweep}/search.db"
    found = {}
    for name in optuna.get_all_study_names(storage):
        trials = optuna.load_study(study_name=name, storage=storage).trials
        found[name] = [
            (one.user_attrs["k"], one.state.name, one.params, one.value, one.intermediate_values)
            for one in trials
        ]
    return found


def times_begun(run: Path) -> int:
    """Return how often a run was started or resumed."""
    return (run / "train.log").read_text().count("images unused")


def check_totals(
    sweep: Path, ended: int, cells: Sequence[str] = CELLS, trials: int = TRIALS, seeds: int = 2
) -> None:
    """Assert that each cell had its trials and seeds once, after *ended* runs had been ended."""
    of_search, finals = split_up(sweep)
    found = studies(sweep)
    planned = [row["cell"] for row in rows_of(sweep / "plan.csv")]
    begun = [times_begun(run) for run in (*of_search, *finals)]

    assert {cell: planned.count(cell) for cell in cells} == dict.fromkeys(cells, trials + seeds)
    assert (len(of_search), len(finals)) == (len(cells) * trials, len(cells) * seeds)
    assert len(results(sweep)) == len(planned) == len(begun) <= sum(begun) <= len(begun) + ended
    assert {8} == {len(rows_of(run / "history.csv")) for run in of_search}
    assert {16} == {len(rows_of(run / "history.csv")) for run in finals}
    assert len(found) == len(cells)
    for asked in found.values():
        assert sorted(k for k, *_ in asked) == [*range(trials)]
        assert {state for _, state, *_ in asked} == {"COMPLETE"}
        assert len({str(values) for _, _, values, *_ in asked}) == trials
    chosen = {row["cell"]: row for row in rows_of(sweep / "chosen.csv")}
    assert {*chosen} == {*cells}
    for cell, row in chosen.items():
        (rate,) = json.loads(row["values"]).values()
        name = cell.replace("/", "-")
        values = {
            rate_of(run): results(sweep)[run.name]["val_iou"]
            for run in of_search
            if run.name.startswith(f"{name}-")
        }
        assert values[rate] == max(values.values())
        assert {rate} == {rate_of(run) for run in finals if run.name.startswith(f"{name}-")}


def rate_of(run: Path) -> float:
    """Return the learning rate of a run."""
    (text,) = re.findall(r"^  lr: (\S+)$", (run / "config.yaml").read_text(), re.M)
    return float(text)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Return the sweep of a search in one slot that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(WORDS, folder)
    return sweep_of(folder)


def test_one_command_searches_and_trains(undisturbed) -> None:
    """Four cells have four trials each, then two runs each at the value of their best trial."""
    check_totals(undisturbed, 0)
    rates = {row["values"] for row in rows_of(undisturbed / "chosen.csv")}
    status = [row["status"] for row in rows_of(undisturbed / "results.csv")]

    assert len(rows_of(undisturbed / "chosen.csv")) == len(CELLS)
    assert len(rates) > 1
    assert status == ["finished"] * 8
    assert len(rows_of(undisturbed / "trials.csv")) == 16


def seen_by(run: Path) -> set[str]:
    """Return the digests of the images that a run's network was shown."""
    return set(re.findall(r"^saw (\w+)$", (run / "train.log").read_text(), re.M))


def test_no_trial_sees_a_test_image(tmp_path) -> None:
    """The network itself says what it was shown: in a trial, none of the six test images."""
    mine = (f"--config-dir={APPS / 'conf'}", "allow=[witness]", "model=witness")
    finish((*BASE, *mine, "loss=bce", "seed=0", "search.n_trials=2"), tmp_path)
    trials, (final,) = split_up(sweep_of(tmp_path))
    parts = [row["split"] for row in rows_of(final / "split.csv")]
    first, second = map(seen_by, trials)

    assert (parts.count("train"), parts.count("val"), parts.count("test")) == (12, 6, 6)
    assert first == second
    assert first < seen_by(final)
    assert (len(first), len(seen_by(final))) == (18, 24)
    assert not [run for run in trials if (run / "test_reads.csv").exists()]
    assert {"val"} == {row["split"] for run in trials for row in rows_of(run / "per_image.csv")}
    assert len(rows_of(final / "test_reads.csv")) == 1


def end(process: "Popen[str]", number: int, group: bool) -> str:
    """Send a signal to a command or to all of its processes; return what it printed at its end."""
    (os.killpg if group else os.kill)(process.pid, number)
    _, error = process.communicate(timeout=60)
    wait_for(lambda: not of_session(process.pid), 60)
    return error


def test_killed_three_times_it_ends_as_if_undisturbed(undisturbed, tmp_path) -> None:
    """SIGKILL early and late among the trials, and among the last runs: nothing differs at all."""
    generator, sweep = random.Random(0), sweep_of(tmp_path)
    untouched = {}
    for done, group in ((3, True), (9, False), (19, True)):
        process = start(WORDS, tmp_path)
        wait_for(lambda n=done: len(results(sweep)) >= n)
        time.sleep(0.4 * generator.random())
        end(process, signal.SIGKILL, group)
        untouched |= snapshot(*(sweep / "runs" / name for name in results(sweep)))
    finish(WORDS, tmp_path)
    trials, finals = split_up(sweep)

    assert untouched == {path: snapshot(path)[path] for path in untouched}
    check_totals(sweep, 3)
    assert studies(sweep) == studies(undisturbed)
    for name in ("results.csv", "trials.csv", "comparison.csv", "chosen.csv"):
        assert table(sweep, name) == table(undisturbed, name), name
    for run in (*trials, *finals):
        assert facts(run) == facts(undisturbed / "runs" / run.name)


def test_stopped_and_killed_in_two_slots(tmp_path) -> None:
    """Ctrl-C among the trials, then a kill among the last runs: the same totals."""
    cells = CELLS[2:]
    words = (*BASE, "model=segnet", "loss=bce,dice", "seed=0,1", "search.n_trials=5", "slots=2")
    sweep = sweep_of(tmp_path)
    ways = ((2, signal.SIGINT, True), (10, signal.SIGKILL, False))
    for done, number, group in ways:
        process = start(words, tmp_path)
        wait_for(lambda n=done: len(results(sweep)) >= n)
        said = end(process, number, group)
        if number is not signal.SIGKILL:
            assert process.returncode == 130, said
            assert "run the same command again to resume" in said
            assert "Traceback" not in said
        assert not list(sweep.glob("runs/*/failure.json"))
    finish(words, tmp_path)

    check_totals(sweep, 4, cells, 5)


LAUNCHERS = {
    "joblib": ("loss=bce,dice", "hydra.launcher.n_jobs=2"),
    "submitit_local": ("loss=bce", "hydra.launcher.timeout_min=5"),  # each job imports torch
    "ray": ("loss=bce", *RAY),
    "submitit_slurm": ("loss=bce", *SLURM),
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_rounds_of_hydras_launchers(launcher, undisturbed, request, tmp_path) -> None:
    """Two trials of each cell, then its run: what they write is what it is in slots."""
    needs(launcher)
    cluster = {"ray": "ray", "submitit_slurm": "slurm"}.get(launcher)
    environment = {} if cluster is None else request.getfixturevalue(cluster)
    more, sweep = LAUNCHERS[launcher], sweep_of(tmp_path)
    words = (*BASE, "model=unet2", "seed=0", "search.n_trials=2", f"hydra/launcher={launcher}")
    finish((*words, *more), tmp_path, **environment)
    cells = CELLS[: more[0].count(",") + 1]
    trials, _ = split_up(sweep)

    check_totals(sweep, 0, cells, 2, 1)
    for run in trials:
        assert facts(run) == facts(undisturbed / "runs" / run.name)
    for study, asked in studies(sweep).items():
        assert asked == studies(undisturbed)[study][:2]
