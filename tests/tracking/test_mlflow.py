"""What MLflow's own client finds in the database is what the runs' files say."""

import contextlib
import multiprocessing
import sqlite3
import sys

import pytest

from segsweep.tracking import follow
from stored_sweep import RESULT
from tracker_contract import Contract, holds

mlflow = pytest.importorskip("mlflow", reason="not installed: segsweep[mlflow]")
pytestmark = pytest.mark.slow  # the database alone takes seconds


class TestMlflow(Contract):
    """An experiment per sweep in the database beside the sweeps."""

    name = "mlflow"

    def test_locked_database_costs_a_line_in_the_log(self, sweep, new_run, follower, monkeypatch):
        """Somebody else holds it for longer than MLflow waits; later nothing is missing."""
        monkeypatch.setattr(follow, "RETRY_SECONDS", 0.0)
        run = new_run("loss=dice")
        watch = follower(self.name)
        watch.add(run.name)
        run.train(1)
        watch.look()
        with contextlib.closing(sqlite3.connect(sweep.root.parent / "mlflow.db")) as other:
            other.execute("BEGIN EXCLUSIVE")
            run.train(2)
            watch.look()
        log = (run.folder / "train.log").read_text()
        run.train(3)
        run.leave(result=RESULT)

        assert "database is locked" in log
        assert log.count("\n") == 1
        assert watch.close() == []
        holds(self.read(sweep)[run.name], run)

    def test_two_sweeps_share_the_database(self, tmp_path, frozen, write_run):
        """Two commands start at once where there is no database yet; nothing is lost."""
        names = [f"sweep {number}" for number in range(2)]
        for name in names:
            for seed in range(3):
                write_run(tmp_path / name, frozen(seed=seed), failure={"error": "no"}, epochs=4)
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=write, args=(tmp_path / name,)) for name in names]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
        found = {one.name: one.experiment_id for one in client.search_experiments()}

        assert [writer.exitcode for writer in writers] == [0, 0]
        for name in names:
            runs = client.search_runs([found[name]])
            assert len(runs) == 3
            for run in runs:
                assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 4


def write(folder):
    """Write the records of all runs in the sweep *folder*; the exit code says whether it worked."""
    from segsweep.store.paths import SweepPaths
    from segsweep.tracking.follow import Follower
    from segsweep.tracking.mlflow import Mlflow

    sweep = SweepPaths(folder)
    follower = Follower("mlflow", sweep, lambda: Mlflow(sweep))
    for run in sweep.run_folders():
        follower.add(run.root.name)
    sys.exit(len(follower.close()))
