"""A sweep that segsweep 0.1.0 stored: today's code skips, resumes and redoes its runs.

README.md in this folder says how the sweep was made.
"""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from command import APPS, ROOT, finish, rows_of, snapshot
from compatibility.make_sweep import ALL, MODELS, TIMES, WORDS, processor
from segsweep.schedulers import onecycle
from segsweep.system.csv_cells import exact

HERE = Path(__file__).parent
SWEEP = HERE / "sweep_0_1_0"
EXPECTED = json.loads((HERE / "expected_0_1_0.json").read_text())
COMMAND = (*WORDS, *ALL)
FINISHED = {f"{model}-bce" for model in ("unet2", "segnet", "unet3")}
HALF_DONE = {f"{model}-dice" for model in ("unet2", "segnet", "unet3")}
FAILED = {"unet2-raises"}
PLANNED = {"segnet-raises", "unet3-raises"}
RUNS = sorted(FINISHED | HALF_DONE | FAILED | PLANNED)
SAME_ROUNDING = (processor(), torch.__version__) == tuple(
    EXPECTED["made_on"][key] for key in ("processor", "torch")
)
"""Whether sums are rounded here as where the expected results were made."""
TOLERANCE = {"rel": 0.02, "abs": 0.05}
"""What another order of sums can change in 12 epochs of such a small network.

Measured with the instructions of an old processor (ATEN_CPU_CAPABILITY=default,
ONEDNN_MAX_CPU_ISA=SSE41): at most 0.01 in a loss and 0.015 in a validation IoU.
"""


def name_of(run: Path) -> str:
    """Return a run folder's name without seed and id: `unet2-dice`."""
    return run.name.partition("-s0-")[0]


def run_of(sweep: Path, name: str) -> Path:
    """Return the run folder of a model and a loss."""
    (run,) = (sweep / "runs").glob(f"{name}-s0-*")
    return run


def placed(folder: Path) -> Path:
    """Copy the stored sweep to where a command started in *folder* finds it; return it."""
    sweep = folder / "outputs/main"
    shutil.copytree(SWEEP, sweep)
    (folder / "apps").symlink_to(APPS)
    hour_ago = time.time() - 3600  # a fresh clone has the lock's file of a moment ago
    os.utime(sweep / "lock", (hour_ago, hour_ago))
    return sweep


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """Run the sweep's own command on a copy; return (the sweep, all that was there before)."""
    folder = tmp_path_factory.mktemp("resumed")
    sweep = placed(folder)
    before = snapshot(sweep)
    finish(COMMAND, folder, MENDED="1")
    return sweep, before


@pytest.fixture
def old_sweep(tmp_path, monkeypatch):
    """Return a copy of the stored sweep in tmp_path, the loss of `tests/apps` within reach."""
    monkeypatch.syspath_prepend(str(APPS))
    return placed(tmp_path)


def assert_close(found, expected, where, exact=SAME_ROUNDING):
    """Compare two values, as numbers where both are: equal on equal processors, else close."""
    try:
        a, b = float(found), float(expected)
    except (TypeError, ValueError):
        assert found == expected, where
        return
    same = a == b or (math.isnan(a) and math.isnan(b))
    assert same if exact else (same or a == pytest.approx(b, **TOLERANCE)), where


def comparable(keys, exact, same_epoch=True):
    """Return the keys of *keys* whose values another rounding leaves close.

    A score counts thresholds that are passed, so it jumps; of two epochs that are almost
    equally good, another one may be selected.
    """
    if exact:
        return sorted(keys)
    of_epoch = ("best_epoch", "val_", "test_iou", "test_dice")
    kept = [key for key in keys if "score" not in key]
    return sorted(key for key in kept if same_epoch or not key.startswith(of_epoch))


def columns_of_both(found, expected):
    """Return the columns of *found* that *expected* has, in order; later metrics add others."""
    return [key for key in found[0] if key in expected[0]]


def begins_as_stored(run, name):
    """Whether history.csv begins with the stored epochs, in the columns that 0.1.0 had."""
    stored, found = (rows_of(folder / "history.csv") for folder in (run_of(SWEEP, name), run))
    shared = columns_of_both(found, stored)
    kept = [{key: row[key] for key in shared} for row in found[: len(stored)]]
    return shared == list(stored[0]) and kept == stored


def rates(epochs):
    """Return the rates of each epoch's last step, and those of the step after it.

    The sweep's schedule: one-cycle, three steps an epoch, without a network.
    """
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler, steps = onecycle(optimizer, 0.01, 3 * epochs), []
    for _ in range(3 * epochs):
        steps.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    steps.append(optimizer.param_groups[0]["lr"])
    return steps[2:-1:3], steps[3::3]


def assert_same_results(run, exact=SAME_ROUNDING):
    """Compare a run's result, history and counts with those of a run that nothing disturbed."""
    expected = EXPECTED["runs"][run.name]
    result, wanted = json.loads((run / "result.json").read_text()), expected["result"]
    history = rows_of(run / "history.csv")
    epochs = list(csv.DictReader(expected["history"].splitlines()))

    assert set(wanted) <= set(result)
    assert len(history) == len(epochs)
    for row, other in zip(history, epochs, strict=True):
        for key in comparable(set(other) - {"seconds", "lr"}, exact):
            assert_close(row[key], other[key], f"{run.name}: {key} in epoch {row['epoch']}", exact)
    for key in comparable(wanted, exact, result["best_epoch"] == wanted["best_epoch"]):
        assert_close(result[key], wanted[key], f"{run.name}: {key} of the result", exact)
    if exact:
        assert (run / "per_image.csv").read_text() == expected["per_image"]


def test_stored_sweep_is_what_it_claims_to_be():
    """The states are real: results, checkpoints half-way, an error, configs only."""
    runs = {name_of(run): run for run in (SWEEP / "runs").iterdir()}
    epochs = {
        name: len(rows_of(run / "history.csv"))
        for name, run in runs.items()
        if (run / "history.csv").exists()
    }

    assert sorted(runs) == RUNS
    assert {name for name, run in runs.items() if (run / "result.json").exists()} == FINISHED
    assert {name for name, run in runs.items() if (run / "failure.json").exists()} == FAILED
    assert all(2 < epochs[name] < 12 for name in HALF_DONE)
    assert all((runs[name] / "checkpoints/last.pt").exists() for name in HALF_DONE | FAILED)
    assert all(len(list(runs[name].iterdir())) == 1 for name in PLANNED)


@pytest.mark.slow
def test_ids_stay_and_the_plan_only_grows(resumed):
    """The command asks for the runs that are there, and for no other."""
    sweep, _ = resumed
    old, new = rows_of(SWEEP / "plan.csv"), rows_of(sweep / "plan.csv")

    assert {run.name for run in (sweep / "runs").iterdir()} == set(EXPECTED["runs"])
    kept = [{key: exact(row[key]) for key in old[0]} for row in new[: len(old)]]
    assert kept == old
    assert {row["run_id"] for row in new} == {row["run_id"] for row in old}


@pytest.mark.parametrize("name", sorted(FINISHED))
def test_finished_runs_are_skipped(resumed, name):
    """No file of theirs is touched."""
    sweep, before = resumed
    run = run_of(sweep, name)

    assert snapshot(run) == {
        path: entry for path, entry in before.items() if run in (path, *path.parents)
    }


@pytest.mark.parametrize("name", sorted(HALF_DONE))
def test_half_done_runs_resume(resumed, name):
    """The epochs before the kill stay as they were timed; the rest is as if undisturbed."""
    run = run_of(resumed[0], name)

    assert begins_as_stored(run, name)
    assert_same_results(run)


@pytest.mark.parametrize("name", sorted(HALF_DONE | FAILED | PLANNED))
def test_new_epochs_have_the_rate_of_their_last_step(resumed, name):
    """0.1.0 wrote that of the step after it; epochs that it stored keep what it wrote."""
    found = [float(row["lr"]) for row in rows_of(run_of(resumed[0], name) / "history.csv")]
    stored = len(rows_of(run_of(SWEEP, name) / "history.csv")) if name in HALF_DONE else 0
    last, after = rates(len(found))

    assert found == pytest.approx([*after[:stored], *last[stored:]])


@pytest.mark.slow
@pytest.mark.parametrize("lean", ["on", "off"])
def test_special_kernels_are_kept_on_resume_and_chosen_at_a_start(tmp_path, lean):
    """0.1.0 always trained with the kernels: half-done runs keep them, new runs may do without.

    Without them, sums are only rounded differently.
    """
    sweep = placed(tmp_path)
    finish((*WORDS, MODELS, "loss=dice,raises", f"trainer.lean={lean}"), tmp_path, MENDED="1")

    for name in HALF_DONE | PLANNED:
        run = run_of(sweep, name)
        environment = json.loads((run / "environment.json").read_text())
        without = lean == "off" and name in PLANNED
        assert (environment["lean"] == "off") == without
        assert_same_results(run, exact=SAME_ROUNDING and not without)


@pytest.mark.parametrize("name", sorted(FAILED))
def test_failed_run_starts_again(resumed, name):
    """From its first epoch, because the error may have damaged its state."""
    run = run_of(resumed[0], name)

    assert not (run / "failure.json").exists()
    assert not begins_as_stored(run, name)
    assert_same_results(run)


@pytest.mark.parametrize("name", sorted(PLANNED))
def test_planned_runs_are_trained(resumed, name):
    """With the numbers that the release that planned them would have reached."""
    assert_same_results(run_of(resumed[0], name))


@pytest.mark.parametrize("name", RUNS)
def test_test_set_is_read_once(resumed, name):
    """Resumed or redone, a run scores its test set after selection only."""
    assert len(rows_of(run_of(resumed[0], name) / "test_reads.csv")) == 1


def test_decoded_images_are_made_again_and_are_the_same_data(resumed):
    """The cache is not part of a sweep; the fingerprint says that its content is the same."""
    sweep, _ = resumed
    fingerprints = {row["data_fingerprint"] for row in rows_of(sweep / "results.csv")}

    assert not list(SWEEP.rglob("data-*"))
    assert len(list(sweep.parent.glob(".cache/data-*[0-9a-f]"))) == 1
    assert fingerprints == {
        EXPECTED["runs"][name]["result"]["data_fingerprint"] for name in EXPECTED["runs"]
    }


@pytest.mark.parametrize("table", ["results.csv", "comparison.csv", "pairs.csv"])
def test_tables_are_those_of_an_undisturbed_sweep(resumed, table):
    """Its columns in its order, as many rows; where sums are rounded alike, the same values."""
    found = rows_of(resumed[0] / table)
    expected = list(csv.DictReader(EXPECTED["tables"][table].splitlines()))

    assert columns_of_both(found, expected) == list(expected[0])
    assert len(found) == len(expected)
    if SAME_ROUNDING:  # else ranks and verdicts of almost equal cells may change
        for row, other in zip(found, expected, strict=True):
            for key in set(other) - {*TIMES}:
                assert_close(row[key], other[key], f"{table}: {key}")


@pytest.mark.slow
def test_same_command_once_more_touches_nothing(resumed):
    """What is finished now is left alone, whichever release finished it."""
    sweep, _ = resumed
    before = snapshot(sweep)
    finish(COMMAND, sweep.parents[1])

    assert snapshot(sweep) == before


def test_report_equals_the_one_that_was_stored(old_sweep, segsweep):
    """Columns, rows and values of all tables, of a sweep that is still on its way."""
    code, _, _ = segsweep("report", "main")

    assert code == 0
    for table in ("results.csv", "comparison.csv", "pairs.csv"):
        found, stored = rows_of(old_sweep / table), rows_of(SWEEP / table)
        assert columns_of_both(found, stored) == list(stored[0])
        assert len(found) == len(stored)
        for row, other in zip(found, stored, strict=True):
            for key, value in other.items():
                if row[key] != value:
                    assert float(row[key]) == pytest.approx(float(value), rel=1e-9), (table, key)


def test_status_and_runs_see_every_state(old_sweep, segsweep):
    """Counts, and the state of each run; a command killed long ago is at work no more."""
    code, out, _ = segsweep("status", "main", "--json")
    status = json.loads(out)
    runs = json.loads(segsweep("runs", "main", "--json")[1])["runs"]
    states = {name_of(Path(run["run"])): run["status"] for run in runs}

    assert code == 0
    assert {key: count for key, count in status["counts"].items() if count} == {
        **{"finished": 3, "interrupted": 3, "failed": 1, "planned": 2}
    }
    assert status["controller"] is None
    assert states == {
        **dict.fromkeys(FINISHED, "finished"),
        **dict.fromkeys(HALF_DONE, "interrupted"),
        **dict.fromkeys(FAILED, "failed"),
        **dict.fromkeys(PLANNED, "planned"),
    }


@pytest.mark.slow
def test_show_says_how_to_make_each_run_again(old_sweep, segsweep):
    """All about a run, with a command whose options lie in the folder that the plan names."""
    for name in RUNS:
        code, out, _ = segsweep("show", run_of(old_sweep, name).name)
        model, _, loss = name.partition("-")

        assert code == 0, name
        assert f"model={model} loss={loss}" in out
        assert "--config-dir apps/conf" in out


JOB = """
import sys
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from segsweep.system.installation import conf_folder
from segsweep.plugins.register import register_schema
from segsweep.train import task

register_schema()
with initialize_config_dir(str(conf_folder())):
    cfg = compose("config", sys.argv[1:], return_hydra_config=True)
cfg.hydra.runtime.cwd = "."
HydraConfig.instance().set_config(cfg)
task(cfg)
"""
"""What a job of a Hydra launcher does with the words that it is handed."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["unet3-dice"])
def test_frozen_file_of_an_old_launcher_still_trains(tmp_path, name):
    """A job that waits in a cluster's queue was handed the path of its config and `allow`."""
    run = run_of(placed(tmp_path), name)
    words = [f"frozen='{run / 'config.yaml'}'", "allow=[trouble]"]
    path = os.pathsep.join((str(ROOT), str(APPS)))
    environment = {**os.environ, "PYTHONPATH": path}
    job = [sys.executable, "-c", JOB, *words]
    subprocess.run(job, cwd=tmp_path, env=environment, check=True, timeout=600)

    assert_same_results(run)
