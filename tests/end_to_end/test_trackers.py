"""Sweeps with a tracker: it keeps what the runs stored, and nothing else changes."""

import importlib.util
import json
import signal

import pytest

from command import APPS, TINY, finish, rows_of, snapshot, start, wait_for
from segsweep.store.paths import SweepPaths
from tracker_contract import holds
from tracker_readers import READERS

pytestmark = pytest.mark.slow
WORDS = (*TINY, "preflight=false")
GRID = ("-m", *WORDS, "model=unet", "loss=bce,dice", "seed=0,1", "slots=2")
MEASURED = {"seconds", "peak_memory_mb", "started", "finished", "git_commit"}
"""What differs between any two sweeps."""


def needs(*names):
    """Skip the test unless the packages are installed."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"not installed: {name}")


def sweep_of(folder):
    """Return the paths of the sweep in *folder*."""
    return SweepPaths(folder / "outputs/main")


def numbers(sweep):
    """Return the result and the history of each run, without what is measured anew."""
    found = {}
    for run in sweep.run_folders():
        result = json.loads(run.result.read_text())
        history = [{**row, "seconds": ""} for row in rows_of(run.history)]
        kept = {key: value for key, value in result.items() if key not in MEASURED}
        found[run.root.name] = kept, history, run.config.read_text(), run.per_image.read_text()
    return found


class Stored:
    """A run folder, as `holds` takes it."""

    def __init__(self, paths):
        self.folder = paths.root


@pytest.fixture(scope="module")
def untracked(tmp_path_factory):
    """Return the numbers of the grid without a tracker."""
    folder = tmp_path_factory.mktemp("untracked")
    finish(GRID, folder)
    return numbers(sweep_of(folder))


@pytest.mark.parametrize("name", READERS)
def test_sweep_in_two_slots_is_kept(name, untracked, tmp_path) -> None:
    """Every run, epoch by epoch; equal ids and numbers; a rerun writes nothing."""
    needs(name)
    said = finish([*GRID, f"tracker={name}"], tmp_path)
    sweep = sweep_of(tmp_path)
    kept = READERS[name](sweep)

    assert "tracker: " in said
    assert "tracker=" not in said
    assert numbers(sweep) == untracked
    assert set(kept) == set(untracked)
    for run in sweep.run_folders():
        holds(kept[run.root.name], Stored(run))
        assert kept[run.root.name].status == "finished"
        result = json.loads(run.result.read_text())
        iou = kept[run.root.name].numbers["result/test_iou"]
        assert iou == pytest.approx(result["test_iou"], rel=1e-6)
        assert "tracker=" not in run.log.read_text()

    kept_in = [sweep.runs, *(one for one in (sweep.tensorboard, sweep.wandb) if one.is_dir())]
    before = snapshot(*kept_in)
    database = sweep.mlflow.read_bytes() if sweep.mlflow.exists() else b""
    assert "tracker: " not in finish([*GRID, f"tracker={name}"], tmp_path)
    other = next(one for one in READERS if one != name and importlib.util.find_spec(one))
    assert "tracker: " not in finish([*GRID, f"tracker={other}"], tmp_path)
    assert snapshot(*kept_in) == before
    assert (sweep.mlflow.read_bytes() if sweep.mlflow.exists() else b"") == database


@pytest.mark.parametrize(
    ("name", "number"), [("tensorboard", signal.SIGKILL), ("mlflow", signal.SIGINT)]
)
def test_stopped_sweep_goes_on_in_the_same_records(name, number, tmp_path) -> None:
    """Ctrl-C, or the command alone is killed: interrupted, then finished, each epoch once."""
    needs(name)
    words = (*GRID[:-3], "trainer.epochs=60", "loss=bce,dice", "slots=2", f"tracker={name}")
    process = start(words, tmp_path)
    sweep = sweep_of(tmp_path)
    wait_for(lambda: len([*sweep.runs.glob("*/history.csv")]) == 2)
    process.send_signal(number)
    process.communicate(timeout=120)
    assert not [*sweep.runs.glob("*/result.json")]
    if number == signal.SIGINT:
        stopped = READERS[name](sweep)
        assert {one.status for one in stopped.values()} == {"interrupted"}
        for run in sweep.run_folders():
            holds(stopped[run.root.name], Stored(run))
    finish(words, tmp_path)
    kept = READERS[name](sweep)

    assert len(kept) == 2
    for run in sweep.run_folders():
        holds(kept[run.root.name], Stored(run))
        assert len(rows_of(run.history)) == 60
        assert kept[run.root.name].status == "finished"


WAYS = {
    "basic elsewhere": (
        *("-m", *WORDS, "hydra/sweeper=basic", "hydra/launcher=basic", "seed=0,1"),
    ),
    "joblib": ("-m", *WORDS, "hydra/launcher=joblib", "seed=0,1", "hydra.launcher.n_jobs=2"),
    "search": ("-m", *WORDS, "search=lr", "search.n_trials=2"),
    "race": ("-m", *WORDS, "race=best", "race.looks=[2]", "loss=bce,dice", "seed=0,1"),
    "optuna elsewhere": (
        *("-m", *WORDS, "experiment=optuna_lr", "hydra.sweeper.n_trials=2"),
        *("hydra/launcher=joblib", "hydra.launcher.n_jobs=2"),
    ),
    "own loss": (*WORDS, f"--config-dir={APPS / 'conf'}", "allow=[trouble]", "loss=slow"),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_running_is_tracked(way, tmp_path) -> None:
    """Each run and each trial has a record, marked as what it is."""
    needs("tensorboard")
    if way in ("optuna elsewhere", "joblib"):
        needs("hydra_plugins.hydra_joblib_launcher")
    finish([*WAYS[way], "tracker=tensorboard"], tmp_path)
    (sweep,) = (SweepPaths(folder.parent) for folder in tmp_path.glob("outputs/*/runs"))
    kept = READERS["tensorboard"](sweep)
    folders = {run.root.name: run for run in sweep.run_folders()}

    assert set(kept) == set(folders)
    assert {one.status for one in kept.values()} == {"finished"}
    for name, run in folders.items():
        kind = "trial" if "\nkind: trial\n" in run.config.read_text() else "run"
        assert kept[name].labels["kind"] == kind
        holds(kept[name], Stored(run))


def test_tracker_without_a_place_costs_lines_only(untracked, tmp_path) -> None:
    """Something else has the name of its folder: a line in each log, one in the terminal."""
    needs("tensorboard")
    sweep = sweep_of(tmp_path)
    sweep.root.mkdir(parents=True)
    sweep.tensorboard.write_text("in the way")
    said = finish([*GRID, "tracker=tensorboard"], tmp_path)

    assert numbers(sweep) == untracked
    (line,) = (line for line in said.splitlines() if line.startswith("tracker="))
    assert line.startswith("tracker=tensorboard: the records of 4 runs are incomplete: ")
    for run in sweep.run_folders():
        log = run.log.read_text()
        assert log.count("tracker=tensorboard: not written (") == 1
