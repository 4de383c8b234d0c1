"""Runs whose files grow as if they were trained, and what a tracker must have kept of them."""

import csv
import json
import math
from contextlib import ExitStack

import pytest

from segsweep.config.schema import TrackerConfig
from segsweep.store.paths import SweepPaths
from segsweep.system.files import claimed
from segsweep.tracking.follow import Follower
from segsweep.tracking.tracker import open_tracker
from stored_sweep import RESULT
from tracker_readers import HISTORY, READERS


class Run:
    """A run whose process is played by the test."""

    def __init__(self, folder, stack):
        self.folder, self.name, self._stack = folder, folder.name, stack
        self.claim = None

    def train(self, epochs, lift=0.0):
        """Hold the claim, and write that many epochs; *lift* makes another history."""
        if self.claim is None:
            self.claim = self._stack.enter_context(ExitStack())
            self.claim.enter_context(claimed(self.folder / ".claim"))
        rows = [
            [i, lift + 1 / i, 0.9 / i, 0.5 + i / 100, 0.6, -0.1, 0.002, 1.5]
            for i in range(1, epochs + 1)
        ]
        with (self.folder / "history.csv").open("w", newline="") as file:
            csv.writer(file).writerows([HISTORY, *rows])

    def leave(self, *, result=None, failure=None):
        """Write a result or a failure, if given, and release the claim."""
        for name, values in (("result.json", result), ("failure.json", failure)):
            if values is not None:
                values = {**values, **({"run_id": self.name[-12:]} if name[0] == "r" else {})}
                (self.folder / name).write_text(json.dumps(values))
        if self.claim is not None:
            self.claim.close()
            self.claim = None


@pytest.fixture
def sweep(tmp_path):
    """Return the paths of a sweep."""
    return SweepPaths(tmp_path / "outputs/a sweep")


@pytest.fixture
def new_run(sweep, frozen, write_run):
    """Return a function that plans a run: overrides and changed values -> `Run`."""
    with ExitStack() as stack:
        yield lambda *words, **changed: Run(write_run(sweep.root, frozen(*words, **changed)), stack)


@pytest.fixture
def follower(sweep):
    """Return a function that makes a follower for a tracker, as a new command would."""

    def make(name):
        config = TrackerConfig(name=name)
        return Follower(name, sweep, lambda: open_tracker(config, sweep))

    return make


def points(run, column):
    """Return (epoch, value) of each row of a run's history.csv."""
    with (run.folder / "history.csv").open(newline="") as file:
        return [(int(row["epoch"]), float(row[column])) for row in csv.DictReader(file)]


def holds(kept, run):
    """Assert that the curves are those of history.csv: each epoch once, each value."""
    for column in HISTORY[1:]:
        wanted = points(run, column)
        found = kept.curves[column]
        assert [step for step, _ in found] == [step for step, _ in wanted], column
        for (_, value), (_, expected) in zip(found, wanted, strict=True):
            assert math.isclose(value, expected, rel_tol=1e-6), column


class Contract:
    """What holds for every tracker; a subclass has the `name` of its own."""

    name: str

    def read(self, sweep):
        """Return run name -> what the tracker has kept."""
        return READERS[self.name](sweep)

    def test_every_kind_of_run_is_kept(self, sweep, new_run, follower):
        """Two slots at once; finished, failed, interrupted, a trial; planned ones are left out."""
        done, failed = new_run("model=unet", "loss=dice"), new_run("model=unet", seed=3)
        stopped = new_run("model=unet", seed=4)
        trial = new_run("model=segnet", "loss=bce", kind="trial", search__study="segnet/bce")
        planned = new_run(seed=5)
        runs = (done, failed, stopped, trial, planned)
        watch = follower(self.name)
        for run in runs:
            watch.add(run.name)
        for epochs in (1, 2, 3):
            for run in runs[:4]:
                run.train(epochs)
            watch.look()
        done.leave(result=RESULT)
        failed.leave(failure={"cause": "non-finite", "error": "loss is nan", "attempts": 1})
        stopped.leave()
        trial.leave(result={**RESULT, "pruned": True})
        assert watch.close() == []
        kept = self.read(sweep)

        assert set(kept) == {run.name for run in runs[:4]}
        for run in runs[:4]:
            holds(kept[run.name], run)
        assert kept[done.name].settings["model"] == "unet"
        assert kept[done.name].settings["loss"] == "dice"
        assert float(kept[done.name].settings["trainer.batch"]) == 10
        assert kept[done.name].numbers["result/test_iou"] == pytest.approx(RESULT["test_iou"])
        assert kept[done.name].numbers["result/best_epoch"] == RESULT["best_epoch"]
        assert kept[failed.name].numbers == {}
        assert [kept[run.name].status for run in runs[:4]] == [
            *("finished", "failed", "interrupted", "finished"),
        ]
        assert kept[failed.name].error == "loss is nan"
        assert kept[trial.name].labels["kind"] == "trial"
        assert kept[trial.name].labels["study"] == "segnet/bce"
        assert kept[trial.name].labels["pruned"] == "true"
        assert kept[done.name].labels["kind"] == "run"

    def test_resumed_run_goes_on_in_its_record(self, sweep, new_run, follower):
        """The second command starts where the first was stopped; there is no second record."""
        run = new_run("loss=dice")
        first = follower(self.name)
        first.add(run.name)
        run.train(2)
        first.look()
        run.leave()
        assert first.close() == []
        second = follower(self.name)
        second.add(run.name)
        run.train(2)
        second.look()
        run.train(5)
        second.look()
        run.leave(result=RESULT)
        assert second.close() == []
        (kept,) = self.read(sweep).values()

        holds(kept, run)
        assert kept.status == "finished"

    def test_run_from_scratch_replaces_its_record(self, sweep, new_run, follower):
        """Its first attempt became non-finite; another one failed and resumed in between."""
        run = new_run("loss=dice")
        watch = follower(self.name)
        watch.add(run.name)
        run.train(3)
        watch.look()
        run.leave(failure={"cause": "non-finite", "error": "loss is nan", "attempts": 1})
        watch.look()
        run.train(1, lift=0.25)
        (run.folder / "failure.json").unlink()
        watch.look()
        run.train(2, lift=0.25)
        run.leave(result=RESULT)
        assert watch.close() == []
        (kept,) = self.read(sweep).values()

        holds(kept, run)
        assert kept.status == "finished"
