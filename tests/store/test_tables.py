"""Run and sweep folders: what state a run is in, and tables from whatever is there."""

import csv
import json
import os
import subprocess
import sys
import warnings

import pytest
import yaml

from segsweep.errors import StoreError
from segsweep.store.paths import RunPaths, SweepPaths, folder_name
from segsweep.store.records import (
    add_test_read,
    add_to_plan,
    config_text,
    read_config,
    read_rows,
    record_failure,
    write_config,
)
from segsweep.store.tables import Known, read_all

RESULT = {
    **{"run_id": "x", "epochs": 3, "best_epoch": 2, "selected_by": "val_iou", "val_loss": 0.3},
    **{"val_iou": 0.7, "val_dice": 0.8, "val_score": 0.4, "last_val_iou": 0.65},
    **{"test_iou": 0.6, "test_dice": 0.75, "test_score": 0.3, "n_test": 2, "parameters": 10},
    **{"seconds": 4.5, "peak_memory_mb": 100.0, "device": "cpu", "version": "0.1.0"},
    **{"git_commit": "abc", "data_fingerprint": "f", "started": "t0", "finished": "t1"},
}
COUNTS = [("val", "train", "007", 1, 2, 3, 4), ("test", "train", "008", 5, 6, 7, 8)]
RESULTS_AS_DOCUMENTED = [
    *("run_id", "model", "loss", "seed", "fold", "lr", "status", "epochs", "best_epoch"),
    *("val_loss", "val_iou", "val_dice", "val_score", "test_iou", "test_dice", "test_score"),
    *("n_test", "parameters", "seconds", "peak_memory_mb", "device", "version", "git_commit"),
    *("data_fingerprint", "started", "finished", "error"),
]
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
    """Return a function that lets another process hold a run's claim; it is killed at the end."""
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
    """Planned; then a sign of life makes it interrupted, a failure failed, a result finished."""
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
    """Running, also where an earlier attempt failed; killed, the claim is free by itself."""
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


def test_asking_for_the_status_writes_nothing(tmp_path):
    """Not even the lock's file."""
    RunPaths(tmp_path).status()

    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Write a sweep with one run in each state that files alone can show."""
    folder = tmp_path / "sweep"
    write_run(folder, frozen("loss=dice"), result=RESULT, epochs=3, counts=COUNTS)
    failure = {"cause": "raised", "error": "ValueError: no", "attempts": 2}
    write_run(folder, frozen(seed=1), failure=failure, epochs=1)
    write_run(folder, frozen(seed=2), epochs=2)
    write_run(folder, frozen(seed=3))
    return folder


def table(folder):
    """Return (loss, seed) -> status of a sweep's runs."""
    rows = read_all(folder).results.to_dict("records")
    return {(row["loss"], row["seed"]): row["status"] for row in rows}


STATES = {
    ("dice", 0): "finished",
    ("bce", 1): "failed",
    ("bce", 2): "interrupted",
    ("bce", 3): "planned",
}


def test_results_has_a_row_per_run_and_designs_columns(sweep):
    """The order of docs/tables.md; numbers from the result, names from the config."""
    frame = read_all(sweep).results
    done = frame[frame["status"] == "finished"].iloc[0]
    failed = frame[frame["status"] == "failed"].iloc[0]

    assert list(frame.columns) == RESULTS_AS_DOCUMENTED
    assert table(sweep) == STATES
    assert (done["test_iou"], done["val_loss"], done["n_test"]) == (0.6, 0.3, 2)
    assert (done["model"], done["lr"], done["seed"]) == ("unet2", 0.002, 0)
    assert done["run_id"] != "x"  # the config says which run it is
    assert failed["error"] == "ValueError: no"
    assert failed["test_iou"] != failed["test_iou"]


def test_swept_keys_stand_behind_the_loss(sweep, frozen, write_run):
    """By dotted path, the learning rate as lr; an option without the key has none."""
    write_run(sweep, frozen(seed=4, trainer__epochs=80, optimizer__lr=0.1))
    tables = read_all(sweep)
    rest = [name for name in RESULTS_AS_DOCUMENTED[3:] if name != "lr"]

    assert tables.swept == ["trainer.epochs", "lr"]
    assert list(tables.results.columns) == [
        *("run_id", "model", "loss", "trainer.epochs", "lr"),
        *rest,
    ]
    assert sorted(tables.results["trainer.epochs"]) == [40, 40, 40, 40, 80]


def test_images_and_epochs_come_with_their_run(sweep):
    """Ids of images stay text; only finished runs have counts, all runs have epochs."""
    tables = read_all(sweep)
    counts = tables.per_image

    assert list(counts.columns) == ["run_id", "split", "at", "image", "tp", "fp", "fn", "tn"]
    assert list(counts["image"]) == ["007", "008"]
    assert counts[["tp", "fp", "fn", "tn"]].to_numpy().tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert sorted(tables.history.groupby("run_id").size()) == [1, 2, 3]
    assert set(tables.history["kind"]) == {"run"}


def test_trials_stand_apart(sweep, frozen, write_run):
    """They are no runs: not in the results, and they make no columns there."""
    write_run(sweep, frozen(kind="trial", optimizer__lr=0.1), result={"val_iou": 0.5})
    tables = read_all(sweep)

    assert len(tables.results) == 4
    assert tables.trials[["lr", "val_iou"]].to_numpy().tolist() == [[0.1, 0.5]]
    assert tables.swept == []


def test_folder_without_a_sweep(tmp_path):
    """What, where, what to do."""
    with pytest.raises(StoreError, match=r"no sweep in .*nothing: it has no folder runs/"):
        read_all(tmp_path / "nothing")
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    tables = read_all(tmp_path / "empty")

    assert [len(tables.results), len(tables.per_image), len(tables.history)] == [0, 0, 0]
    assert list(tables.results.columns) == RESULTS_AS_DOCUMENTED


@pytest.fixture
def warned(recwarn):
    """Return a function: the lines warned so far."""
    warnings.simplefilter("always")
    return lambda: [str(warning.message) for warning in recwarn]


def test_litter_costs_a_line_each(sweep, warned):
    """Stray files and folders that never became runs are named; the system's own are not."""
    (sweep / "runs/.DS_Store").write_bytes(b"\0\0")
    (sweep / "runs/notes.txt").write_text("mine")
    (sweep / "runs/empty").mkdir()
    (sweep / "runs/unet-bce-s0-000000000000").mkdir()
    (sweep / "runs/unet-bce-s0-000000000000/train.log").touch()
    (sweep / "elsewhere").mkdir()

    assert table(sweep) == STATES
    names = ("empty", "notes.txt", "unet-bce-s0-000000000000")
    assert [name in line for name, line in zip(names, warned(), strict=True)] == [True] * 3
    assert [
        line
        for line in warned()
        if not line.endswith("no run, for want of a config.yaml; left out")
    ] == []


def test_sweep_at_work_has_no_litter(sweep, warned):
    """A folder whose config is about to be written is nothing to warn of."""
    (sweep / "runs/unet-bce-s0-000000000000").mkdir()
    read_all(sweep, strays=False)

    assert warned() == []


def test_result_that_was_cut_short_is_no_result(sweep, warned):
    """One line, and the run is shown as one that has to go on."""
    (path,) = sweep.glob("runs/*/result.json")
    path.write_text(path.read_text()[:40])

    assert table(sweep) == {**STATES, ("dice", 0): "interrupted"}
    assert warned() == [f"{path}: cut short; the run counts as interrupted"]
    assert len(read_all(sweep).per_image) == 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run_id: [",
        "just a line",
        "- a\n- b\n",
        "\0\1\2",
        "a: b",
        "{{",
        "run_id: abc\nkind: run\nchoices: {model: unet, loss: bce}\n",
    ],
)
def test_broken_config_leaves_out_that_run_only(sweep, warned, text):
    """One line that names the folder; the other runs are shown."""
    (folder,) = sweep.glob("runs/*-s2-*")
    (folder / "config.yaml").write_text(text)
    left = {key: value for key, value in STATES.items() if key != ("bce", 2)}

    assert table(sweep) == left
    assert len(warned()) == 1
    assert warned()[0].startswith(f"{folder.name} left out: ")
    assert "\n" not in warned()[0]


def test_config_in_another_alphabet_is_left_out(sweep, warned):
    """Bytes that are no UTF-8."""
    (folder,) = sweep.glob("runs/*-s2-*")
    (folder / "config.yaml").write_bytes(b"run_id: \xff\xfe")

    assert len(table(sweep)) == 3
    assert len(warned()) == 1


def test_config_cut_anywhere_never_hides_the_other_runs(sweep, warned):
    """As a full disk or a broken copy leaves it: the rest of the sweep can be read."""
    (folder,) = sweep.glob("runs/*-s2-*")
    for path in sweep.glob("runs/*-s[13]-*/config.yaml"):
        path.unlink()
    whole = (folder / "config.yaml").read_text()
    losses = []
    for length in range(0, len(whole), 7):
        (folder / "config.yaml").write_text(whole[:length])
        losses.append([run["loss"] for run in read_all(sweep, strays=False).runs])

    assert len(losses) > 100
    assert all("dice" in found for found in losses)
    assert len(warned()) == sum(len(found) == 1 for found in losses) > 100


def test_names_of_images_stay_what_they_are(sweep, frozen, write_run):
    """A patient may be called NA, and a case 1e5."""
    names = ["NA", "null", "1e5", "00", "nan", ""]
    rows = [("test", "train", name, 1, 2, 3, 4) for name in names]
    run = write_run(sweep, frozen(seed=9), result=RESULT, counts=rows)
    counts = read_all(sweep).per_image

    assert list(counts[counts["run_id"] == run.name[-12:]]["image"]) == names
    assert [str(kind) for kind in counts.dtypes[4:]] == ["int64"] * 4


@pytest.mark.parametrize("text", ["", "run_id,spl", "a,b\n1,2\n", "\0\0\0", 'run_id,split\n"x'])
@pytest.mark.parametrize("name", ["per_image.csv", "history.csv"])
def test_table_of_a_run_that_is_spoilt_is_left_out(sweep, frozen, write_run, warned, name, text):
    """The other runs' rows are there, and one line names the file."""
    spoilt = write_run(sweep, frozen(seed=9), result=RESULT, epochs=1, counts=COUNTS)
    (spoilt / name).write_text(text)
    tables = read_all(sweep)

    assert len(tables.per_image) == (2 if name == "per_image.csv" else 4)
    assert len(tables.history) == (6 if name == "history.csv" else 7)
    assert len(warned()) == 1
    assert warned()[0].startswith(f"{spoilt / name}: left out")


def test_reading_needs_no_torch(sweep):
    """Tables can be rebuilt on a laptop: pandas and files are enough."""
    code = (
        "import sys; from segsweep.store.tables import read_all; tables = read_all(sys.argv[1]);"
        "print(len(tables.results), len(tables.per_image), len(tables.history),"
        "sorted({'torch', 'torchvision', 'hydra', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(sweep)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "4 2 6 []\n"


def plan_rows(*ids, request="first"):
    """Return rows of a plan."""
    return [{"run_id": name, "kind": "run", "seed": 0, "request": request} for name in ids]


def test_plan_is_a_union(tmp_path):
    """A run stands there once per command that asked; adding again writes nothing."""
    sweep = SweepPaths(tmp_path)
    add_to_plan(sweep, plan_rows("a", "b"))
    add_to_plan(sweep, plan_rows("b", "c", request="second"))
    rows = [(row["run_id"], row["request"]) for row in csv.DictReader(sweep.plan.open())]
    os.utime(sweep.plan, ns=(1, 1))
    add_to_plan(sweep, plan_rows("a", "b"))
    add_to_plan(sweep, plan_rows("b", "b", request="second"))
    add_to_plan(sweep, [])

    assert rows == [("a", "first"), ("b", "first"), ("b", "second"), ("c", "second")]
    assert sweep.plan.stat().st_mtime_ns == 1
    assert sweep.plan.read_text().splitlines()[0] == (
        "run_id,kind,cell,model,loss,seed,fold,folder,requested_at,request,epochs"
    )


def test_every_reading_of_the_test_set_is_noted(tmp_path):
    """The first is the run's one reading; another can only follow a crash, and says so."""
    run = RunPaths(tmp_path)
    add_test_read(run, "2024-05-01T10:00:00+0000", 50)
    add_test_read(run, "2024-05-01T11:00:00+0000", 50)

    assert run.test_reads.read_text() == (
        "time,reason,images\n"
        "2024-05-01T10:00:00+0000,the run's one reading,50\n"
        "2024-05-01T11:00:00+0000,repeat after a crash,50\n"
    )


def test_failures_are_counted(tmp_path):
    """Each attempt replaces the record and adds one; a spoilt record starts again at one."""
    run = RunPaths(tmp_path)
    record_failure(run, "raised", "ValueError: no", "Traceback ...", "t1")
    record_failure(run, "non-finite", "loss is nan", "Traceback ...", "t2")
    second = json.loads(run.failure.read_text())
    run.failure.write_text("{")
    record_failure(run, "raised", "again", "", "t3")

    assert second == {
        **{"cause": "non-finite", "error": "loss is nan", "attempts": 2, "time": "t2"},
        "traceback": "Traceback ...",
    }
    assert json.loads(run.failure.read_text())["attempts"] == 1


def test_config_comes_back_as_it_was_written(tmp_path, frozen):
    """Order, types and letters; any YAML reader can read it, and it is written once."""
    path = tmp_path / "run/config.yaml"
    config = frozen(optimizer__lr=1e-5, sweep="Läsion", seed=4294967295, threshold=0.1 + 0.2)
    write_config(path, config)
    os.utime(path, ns=(1, 1))
    write_config(path, config)

    assert read_config(path).values == config
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == config
    assert list(read_config(path).values) == list(config)
    assert path.stat().st_mtime_ns == 1


def test_names_of_folders_are_read_by_people():
    """Model, loss and seed first; the id makes it unique."""
    assert folder_name("unet2", "bce_ss", 3, "0123456789ab") == "unet2-bce_ss-s3-0123456789ab"


def test_rows_of_an_absent_file_are_none(tmp_path):
    """Nothing was written yet."""
    assert read_rows(tmp_path / "history.csv") == []


def test_finished_runs_are_read_once(sweep, warned):
    """Whoever keeps what is known can rebuild the tables from the runs that changed alone."""
    known = Known()
    first = read_all(sweep, known)
    images = first.per_image_text
    (finished,) = sweep.glob("runs/*-dice-*")
    for name in ("config.yaml", "per_image.csv"):
        (finished / name).write_text("spoilt since")
    (failed,) = sweep.glob("runs/*-s1-*")
    (failed / "failure.json").unlink()
    again = read_all(sweep, known)

    assert [run["status"] for run in again.runs if run["loss"] == "dice"] == ["finished"]
    assert again.per_image_text == images
    assert [run["status"] for run in again.runs if run["seed"] == 1] == ["interrupted"]
    assert first.swept == again.swept
    assert warned() == []
    assert len(read_all(sweep).runs) == 3  # without it, the spoilt one is seen


def test_finished_run_that_was_done_again_is_read_again(sweep, frozen, write_run):
    """Its result is another file; one that was removed is gone; columns follow the rest."""
    known = Known()
    write_run(sweep, frozen(seed=7, trainer__epochs=80), result=RESULT)
    before = read_all(sweep, known)
    (finished,) = sweep.glob("runs/*-dice-*")
    (finished / "result.new").write_text(json.dumps(RESULT | {"test_iou": 0.9}))
    (finished / "result.new").replace(finished / "result.json")
    (other,) = sweep.glob("runs/*-s7-*")
    other.rename(sweep / "removed")
    after = read_all(sweep, known)

    assert before.swept == ["trainer.epochs"]
    assert after.swept == []
    assert [run["test_iou"] for run in after.runs if run["loss"] == "dice"] == [0.9]
    assert "trainer.epochs" not in after.runs[0]
    assert len(after.runs) == len(before.runs) - 1


@pytest.mark.parametrize("name", ["plain", "a,b", 'a"b', "Läsion 1", "a\nb", " a "])
def test_counts_as_text_and_as_table_are_the_same(sweep, frozen, write_run, name):
    """Whatever an image is called, its row is in both, as it stood in the run's file."""
    run = write_run(
        sweep, frozen(seed=9), result=RESULT, counts=[("test", "train", name, 1, 2, 3, 4)]
    )
    tables = read_all(sweep)
    rows = list(csv.DictReader(tables.per_image_text.splitlines(keepends=True)))

    assert rows == tables.per_image.astype(str).to_dict("records")
    assert [row["image"] for row in rows if row["run_id"] == run.name[-12:]] == [name]


@pytest.mark.parametrize("quoted", ["", '"'])
def test_counts_of_another_run_are_left_out(sweep, frozen, write_run, warned, quoted):
    """A file that was copied from elsewhere would count that run twice."""
    run = write_run(sweep, frozen(seed=9), result=RESULT, counts=COUNTS)
    path = run / "per_image.csv"
    path.write_text(path.read_text() + f"ffffffffffff,test,train,{quoted}009{quoted},1,2,3,4\n")

    assert len(read_all(sweep).per_image) == 2
    assert warned() == [f"{path}: left out (rows of another run than {run.name[-12:]})"]


def test_text_of_many_configs_is_the_text_of_each(frozen):
    """What they share is written once, and 1, 1.0 and true are not the same; no anchors."""
    shared = [4, 8]
    values = [1, 1.0, True, "1", None, "null", [], {}, float("nan"), "Läsion: 1", "a\n b\n", shared]
    configs = [frozen(threshold=value, seed=seed) for value in values for seed in (0, 1)]
    configs.append(frozen(search__filled=shared, allow=shared))
    known = {}
    texts = [config_text(config, known) for config in configs]

    assert texts == [
        yaml.safe_dump(c, sort_keys=False, allow_unicode=True) for c in configs[:-1]
    ] + [config_text(configs[-1])]
    assert [repr(yaml.safe_load(text)) for text in texts] == [repr(config) for config in configs]
    assert "&" not in texts[-1]
