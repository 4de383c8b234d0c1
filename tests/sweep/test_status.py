"""The progress of a sweep whose folders are running, crashed, copied or damaged."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from segsweep.errors import StoreError
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.plan import PLAN
from segsweep.store.states import Status
from segsweep.sweep.history_end import history_end
from segsweep.sweep.lock import SweepLock
from segsweep.sweep.status import sweep_status
from segsweep.system.files import claimed

HEAD = "epoch,train_loss,val_loss,val_iou,val_dice,val_score,lr,seconds\n"
CONFIG = """run_id: '{id}'
identity_version: 1
segsweep_version: 0.1.0
data_fingerprint: abc
kind: run
seed: {seed}
model: &node
  _target_: a.b
loss: *node
optimizer: *node
scheduler: *node
augment: *node
data:
  _target_: a.b
  size: 32
  channels: 3
  split:
    fold: null
trainer:
  epochs: 10
evaluate: {{}}
choices:
  model: {model}
  loss: {loss}
  optimizer: x
  scheduler: x
  augment: x
  data: x
"""


def rows(*ious: object, seconds: float = 2.0) -> str:
    """Return a history with these validation IoUs."""
    lines = [f"{n},1,1,{iou},0.5,0.1,0.01,{seconds}\n" for n, iou in enumerate(ious, 1)]
    return HEAD + "".join(lines)


class Maker:
    """Writes the runs of a sweep by hand, and their plan."""

    def __init__(self, root: Path) -> None:
        """Start without runs."""
        self.sweep = SweepPaths(root)
        self.lines = [",".join(PLAN)]

    def run(self, model: str, loss: str, *, folder: bool = True, **files: str) -> RunPaths:
        """Add a run; *files* are texts by the name of their path in RunPaths."""
        number = f"{len(self.lines):012x}"
        paths = self.sweep.run(f"{model}-{loss}-s0-{number}")
        row = [number, "run", f"{model}/{loss}", model, loss, "0", "", paths.root.name]
        self.lines.append(",".join([*row, "now", "asked"]))
        if folder:
            paths.root.mkdir(parents=True)
            paths.config.write_text(CONFIG.format(id=number, seed=0, model=model, loss=loss))
        for name, text in files.items():
            getattr(paths, name).write_text(text)
        self.sweep.plan.write_text("\n".join(self.lines) + "\n")
        return paths


@pytest.fixture
def maker(tmp_path) -> Maker:
    """Return a maker of the sweep tmp_path/main."""
    (tmp_path / "main").mkdir()
    return Maker(tmp_path / "main")


DONE = json.dumps({"epochs": 10, "seconds": 30.0, "val_iou": 0.8})
FAILED = json.dumps({"cause": "raised", "error": "ValueError: no", "attempts": 2})


@pytest.fixture
def busy(maker):
    """Write a sweep with a run in each status; the running one is claimed by this process."""
    maker.run("unet", "bce", result=DONE)
    maker.run("unet", "dice", failure=FAILED, history=rows(0.1))
    maker.run("unet", "ss", history=rows(0.1, 0.2))
    maker.run("unet", "focal", folder=False)
    running = maker.run("unet2", "bce", history=rows(0.1, 0.6, 0.4, seconds=4.0))
    with claimed(running.claim):
        yield maker.sweep


def test_every_run_is_counted_by_status(busy):
    """Also a planned run that has no folder yet."""
    status = sweep_status(busy.root)

    assert status.counts == {
        **{"finished": 1, "running": 1, "interrupted": 1, "failed": 1, "planned": 1},
        "superseded": 0,
    }
    assert [run.name for run in status.runs] == sorted(run.name for run in status.runs)
    assert status.warnings == []


def test_progress_of_a_running_run(busy):
    """Finished and all epochs, latest and best validation IoU, seconds per epoch."""
    (run,) = sweep_status(busy.root).of(Status.RUNNING)

    assert (run.model, run.cell, run.seed) == ("unet2", "unet2/bce", "0")
    assert (run.epoch, run.epochs) == (3, 10)
    assert (run.val_iou, run.best, run.pace) == (0.4, 0.6, 4.0)


def test_failed_run_has_its_cause(busy):
    """Cause, error and attempts are those of failure.json."""
    (run,) = sweep_status(busy.root).of(Status.FAILED)

    assert (run.cause, run.error, run.attempts) == ("raised", "ValueError: no", 2)


def test_time_left_by_hand(busy, maker):
    """A run's own pace first; unet's mean is (3 + 4 + 2) / 3 s; one slot: the sum.

    A first epoch says nothing about the pace.
    """
    maker.run("unet", "ss", result=DONE.replace("30.0", "40.0"))
    unknown = sweep_status(busy.root).seconds_left()  # no file has the planned run's epochs
    (planned,) = (run.paths for run in sweep_status(busy.root).of(Status.PLANNED))
    planned.root.mkdir()
    planned.config.write_text(CONFIG.format(id="4", seed=0, model="unet", loss="focal"))

    assert unknown is None
    assert sweep_status(busy.root).seconds_left() == pytest.approx(7 * 4 + 8 * 2 + 10 * 9 / 3)


def test_time_left_is_unknown_before_the_first_epoch(maker):
    """`unknown_pace` names the networks without a finished epoch."""
    maker.run("unet", "bce", result=DONE)
    maker.run("unet", "dice")
    before = sweep_status(maker.sweep.root)
    maker.run("unet3", "dice")
    after = sweep_status(maker.sweep.root)

    assert (before.seconds_left(), before.unknown_pace()) == (30.0, [])
    assert (after.seconds_left(), after.unknown_pace()) == (None, ["unet3"])


def test_slots_share_the_time_left(maker):
    """Three runs of 30 s in two slots take 60 s; a cell's pace comes before its network's."""
    maker.run("unet", "bce", result=DONE)
    maker.run("unet", "ss", result=DONE.replace("30.0", "90.0"))
    for _ in range(3):
        maker.run("unet", "bce")
    with SweepLock(maker.sweep.lock) as lock:
        lock.publish_slots(2)
        status = sweep_status(maker.sweep.root)

    assert status.slots == 2
    assert status.seconds_left() == 60.0


def test_controller_is_the_lock_holder(maker):
    """The holder of the lock; None once it is released."""
    maker.run("unet", "bce")
    with SweepLock(maker.sweep.lock):
        inside = sweep_status(maker.sweep.root)

    assert inside.controller.pid == os.getpid()
    assert sweep_status(maker.sweep.root).controller is None


def test_last_change_is_the_last_epoch(maker):
    """A written epoch changes the time of the run's folder."""
    paths = maker.run("unet", "bce")
    for path in (maker.sweep.plan, paths.root):
        os.utime(path, (1000, 1000))
    before = sweep_status(maker.sweep.root).changed
    paths.history.write_text(rows(0.1))

    assert before == 1000
    assert abs(sweep_status(maker.sweep.root).changed - time.time()) < 60


DAMAGED = {
    "result": ["", '{"epochs": 1'],
    "failure": ["{", "[]"],
    "history": ["\0\0\0", "a,b\n1,2\n", HEAD + "x,y\n"],
    "config": ["run_id: abc\nkind: run\n", "", "choices:\n  model: unet\n  loss: bce\n"],
}


@pytest.mark.parametrize(("name", "text"), [(k, text) for k, v in DAMAGED.items() for text in v])
def test_damaged_file_is_one_warning(maker, name, text):
    """All runs are counted, and the warning names the file."""
    maker.run("unet", "bce", result=DONE)
    paths = maker.run("unet2", "bce")
    getattr(paths, name).write_text(text)
    status = sweep_status(maker.sweep.root)

    assert len(status.runs) == 2
    assert status.counts["finished"] == 1
    assert len(status.warnings) == 1
    assert status.warnings[0].startswith(str(getattr(paths, name)))


IMAGES = "run_id,split,at,image,tp,fp,fn,tn\n"
ROWS = "a,val,train,v,1,0,0,3\na,test,train,x,1,0,0,3\na,test,native,x,1,0,0,3\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (IMAGES + ROWS, ""),
        (IMAGES + ROWS.replace(",x,", ',"x,y",'), ""),
        (None, "missing"),
        ("", "damaged, it is empty"),
        ("\0\xff\xfe", "damaged, not a table"),
        (IMAGES, "has 0 of 1 test images"),
        (IMAGES + ROWS[:30], "damaged, a row has not as many cells as the header"),
        (IMAGES + ROWS[:22], "has 0 of 1 test images"),
        (IMAGES + ROWS.replace("1,0,0,3", "1,0,3"), "damaged, a row has not as many cells"),
    ],
)
def test_damaged_counts_of_a_finished_run_are_named(maker, text, said):
    """A line with the file; what looks whole is left to the report."""
    paths = maker.run("unet", "bce", result=json.dumps({**json.loads(DONE), "n_test": 1}))
    if text is not None:
        paths.per_image.write_text(text)
    warnings = sweep_status(maker.sweep.root).warnings

    assert [line.startswith(f"{paths.per_image}: {said}") for line in warnings] == [True] * bool(
        said
    )


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "\0\xff", 'run_id,folder\n"x'])
def test_without_a_plan_the_configs_name_the_runs(maker, text):
    """In a copied sweep whose plan is missing or damaged."""
    for loss in ("bce", "dice"):
        maker.run("unet", loss, history=rows(0.1))
    maker.sweep.plan.write_bytes(text.encode("latin-1"))
    status = sweep_status(maker.sweep.root)

    assert [run.cell for run in status.runs] == ["unet/bce", "unet/dice"]
    assert [run.run_id for run in status.runs] == [f"{n:012x}" for n in (1, 2)]
    assert {(run.epoch, run.epochs, run.fold, run.kind) for run in status.runs} == {
        (1, 10, "", "run")
    }


def test_values_that_are_not_numbers_are_none(maker):
    """NaN of a diverged run, or any other text."""
    running = maker.run("unet", "bce", history=rows("nan", 0.3, "", "x"))
    with claimed(running.claim):
        (run,) = sweep_status(maker.sweep.root).runs

    assert (run.epoch, run.val_iou, run.best) == (4, None, 0.3)


def test_only_the_end_of_a_long_history_is_read(tmp_path):
    """An incomplete line at the start of the part that is read is ignored."""
    path = tmp_path / "history.csv"
    path.write_text(rows(*(n / 1000 for n in range(1000))))
    for most in range(200, 300):
        found = history_end(path, most)
        assert [row["epoch"] for row in found] == [*range(1001 - len(found), 1001)]
        assert 4 < len(found) < 12
    assert len(history_end(path)) == 1000


def test_no_sweep(tmp_path):
    """A folder without runs is not a sweep; nothing is created."""
    with pytest.raises(StoreError, match="no sweep in"):
        sweep_status(tmp_path)
    with pytest.raises(StoreError, match="no sweep in"):
        sweep_status(tmp_path / "none")

    assert list(tmp_path.iterdir()) == []


def test_reading_the_status_writes_nothing(busy):
    """Not even a lock file: the folder may belong to another user."""

    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in busy.root.rglob("*")}

    before = times()
    sweep_status(busy.root)

    assert times() == before


def test_thousand_runs_take_about_a_second(maker):
    """Half of them finished, the rest interrupted after 40 epochs."""
    for number in range(1000):
        files = {"result": DONE} if number % 2 else {"history": rows(*[0.5] * 40)}
        number_text = f"{number:012x}"
        paths = maker.sweep.run(f"unet-bce-s{number}-{number_text}")
        paths.root.mkdir(parents=True)
        config = CONFIG + "".join(f"key{n}: {n}\n" for n in range(60))
        paths.config.write_text(
            config.format(id=number_text, seed=number, model="unet", loss="bce")
        )
        for name, text in files.items():
            getattr(paths, name).write_text(text)
        row = [number_text, "run", "unet/bce", "unet", "bce", str(number), "", paths.root.name]
        maker.lines.append(",".join([*row, "now", "asked", "10"]))
    maker.sweep.plan.write_text("\n".join(maker.lines) + "\n")
    started = time.perf_counter()
    status = sweep_status(maker.sweep.root)
    status.seconds_left()
    seconds = time.perf_counter() - started

    assert status.counts["finished"] == status.counts["interrupted"] == 500
    assert seconds < 3  # 0.2 s on an idle machine


def test_neither_torch_nor_pandas_is_needed(busy):
    """Reading the status takes a tenth of a second, without the seconds of these imports."""
    code = (
        "import sys; from segsweep.sweep.status import sweep_status;"
        "sweep_status(sys.argv[1]).seconds_left();"
        "print(sorted({'torch', 'hydra', 'pandas', 'numpy', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(busy.root)], capture_output=True, text=True, check=True
    )

    assert done.stdout == "[]\n"
