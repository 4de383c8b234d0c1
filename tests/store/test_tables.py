"""Tables of a sweep, built from the files that are there."""

import subprocess
import sys
import warnings

import pytest

from segsweep.errors import StoreError
from segsweep.metrics import columns, known_columns
from segsweep.store.tables import read_all
from stored_sweep import write_states

RESULTS_AS_DOCUMENTED = [
    *("run_id", "model", "loss", "seed", "fold", "lr", "status", "epochs", "best_epoch"),
    *("val_loss", *columns("val"), *known_columns("test", ())),
    *(
        "n_test",
        "parameters",
        "multiply_adds",
        "seconds",
        "peak_memory_mb",
        "device",
        "version",
        "git_commit",
    ),
    *("data_fingerprint", "data_target", "started", "finished", "error"),
    *("precision", "threads", "last_val_iou"),
]


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Write a sweep with one run in each state that files alone can show."""
    write_states(tmp_path / "sweep", frozen, write_run)
    return tmp_path / "sweep"


def statuses(folder):
    """Return (loss, seed) -> status of a sweep's runs."""
    rows = read_all(folder).results.to_dict("records")
    return {(row["loss"], row["seed"]): row["status"] for row in rows}


STATES = {
    ("dice", 0): "finished",
    ("bce", 1): "failed",
    ("bce", 2): "interrupted",
    ("bce", 3): "planned",
}


def test_results_have_the_documented_columns(sweep):
    """One row per run, as in docs/tables.md; scores from the result, names from the config."""
    frame = read_all(sweep).results
    done = frame[frame["status"] == "finished"].iloc[0]
    failed = frame[frame["status"] == "failed"].iloc[0]

    assert list(frame.columns) == RESULTS_AS_DOCUMENTED
    assert statuses(sweep) == STATES
    assert (done["test_iou"], done["val_loss"], done["n_test"]) == (0.6, 0.3, 1)
    assert (done["model"], done["lr"], done["seed"]) == ("unet2", 0.002, 0)
    assert done["run_id"] != "x"  # the config says which run it is
    assert failed["error"] == "ValueError: no"
    assert failed["test_iou"] != failed["test_iou"]


def test_swept_keys_follow_the_loss(sweep, frozen, write_run):
    """Named by dotted key, the learning rate as lr."""
    write_run(sweep, frozen(seed=4, trainer__epochs=80, optimizer__lr=0.1))
    tables = read_all(sweep)
    rest = [name for name in RESULTS_AS_DOCUMENTED[3:] if name != "lr"]

    assert tables.swept == ["trainer.epochs", "lr"]
    assert list(tables.results.columns) == [
        *("run_id", "model", "loss", "trainer.epochs", "lr"),
        *rest,
    ]
    assert sorted(tables.results["trainer.epochs"]) == [40, 40, 40, 40, 80]


def test_counts_and_epochs_name_their_run(sweep):
    """Image ids stay text; only finished runs have counts, all runs have epochs."""
    tables = read_all(sweep)
    counts = tables.per_image

    assert list(counts.columns) == ["run_id", "split", "at", "image", "tp", "fp", "fn", "tn"]
    assert list(counts["image"]) == ["007", "008"]
    assert counts[["tp", "fp", "fn", "tn"]].to_numpy().tolist() == [[1, 2, 3, 20], [5, 6, 7, 8]]
    assert sorted(tables.history.groupby("run_id").size()) == [1, 2, 3]
    assert set(tables.history["kind"]) == {"run"}


def test_trials_have_a_separate_table(sweep, frozen, write_run):
    """They are not in the results and add no columns there."""
    write_run(sweep, frozen(kind="trial", optimizer__lr=0.1), result={"val_iou": 0.5})
    tables = read_all(sweep)

    assert len(tables.results) == 4
    assert tables.trials[["lr", "val_iou"]].to_numpy().tolist() == [[0.1, 0.5]]
    assert tables.swept == []


def test_folder_without_a_sweep(tmp_path):
    """The error names the folder and what it lacks; a sweep without runs has empty tables."""
    with pytest.raises(
        StoreError,
        match=r"no sweep in .*nothing: it has no folder runs/; give the folder of",
    ):
        read_all(tmp_path / "nothing")
    (tmp_path / "empty" / "runs").mkdir(parents=True)
    tables = read_all(tmp_path / "empty")

    assert [len(tables.results), len(tables.per_image), len(tables.history)] == [0, 0, 0]
    assert list(tables.results.columns) == RESULTS_AS_DOCUMENTED


@pytest.fixture
def warned(recwarn):
    """Return a function that returns the warnings so far."""
    warnings.simplefilter("always")
    return lambda: [str(warning.message) for warning in recwarn]


def test_ignored_entries_are_named(sweep, warned):
    """One warning for each file or folder that is not a run; hidden files are skipped."""
    (sweep / "runs/.DS_Store").write_bytes(b"\0\0")
    (sweep / "runs/notes.txt").write_text("mine")
    (sweep / "runs/empty").mkdir()
    (sweep / "runs/unet-bce-s0-000000000000").mkdir()
    (sweep / "runs/unet-bce-s0-000000000000/train.log").touch()
    (sweep / "elsewhere").mkdir()

    assert statuses(sweep) == STATES
    names = ("empty", "notes.txt", "unet-bce-s0-000000000000")
    assert [name in line for name, line in zip(names, warned(), strict=True)] == [True] * 3
    assert all(line.endswith(": ignored: no config.yaml") for line in warned())


def test_running_sweep_names_no_ignored_entries(sweep, warned):
    """A new folder has no config for a moment."""
    (sweep / "runs/unet-bce-s0-000000000000").mkdir()
    read_all(sweep, warn_ignored=False)

    assert warned() == []


def test_damaged_result_does_not_count(sweep, warned):
    """One warning, and the run is shown as interrupted."""
    (path,) = sweep.glob("runs/*/result.json")
    path.write_text(path.read_text()[:40])

    assert statuses(sweep) == {**STATES, ("dice", 0): "interrupted"}
    assert warned() == [f"{path}: damaged, not JSON; the run counts as interrupted"]
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
def test_run_with_a_damaged_config_is_ignored(sweep, warned, text):
    """One warning names the folder; the other runs are kept."""
    (folder,) = sweep.glob("runs/*-s2-*")
    (folder / "config.yaml").write_text(text)
    left = {key: value for key, value in STATES.items() if key != ("bce", 2)}

    assert statuses(sweep) == left
    assert len(warned()) == 1
    assert warned()[0].startswith(f"{folder.name} ignored: ")
    assert "\n" not in warned()[0]


def test_run_whose_config_is_not_utf8_is_ignored(sweep, warned):
    """One warning; the other runs are kept."""
    (folder,) = sweep.glob("runs/*-s2-*")
    (folder / "config.yaml").write_bytes(b"run_id: \xff\xfe")

    assert len(statuses(sweep)) == 3
    assert len(warned()) == 1


def test_truncated_config_never_hides_the_other_runs(sweep, warned):
    """Cut at any length, as a full disk or a broken copy leaves it."""
    (folder,) = sweep.glob("runs/*-s2-*")
    for path in sweep.glob("runs/*-s[13]-*/config.yaml"):
        path.unlink()
    whole = (folder / "config.yaml").read_text()
    losses = []
    for length in range(0, len(whole), 7):
        (folder / "config.yaml").write_text(whole[:length])
        losses.append([run.loss for run in read_all(sweep, warn_ignored=False).runs])

    assert len(losses) > 100
    assert all("dice" in found for found in losses)
    assert len(warned()) == sum(len(found) == 1 for found in losses) > 100


def test_reading_needs_no_torch(sweep):
    """The files and pandas are enough to build the tables on a laptop."""
    code = (
        "import sys; from segsweep.store.tables import read_all; tables = read_all(sys.argv[1]);"
        "print(len(tables.results), len(tables.per_image), len(tables.history),"
        "sorted({'torch', 'torchvision', 'hydra', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(sweep)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "4 2 6 []\n"
