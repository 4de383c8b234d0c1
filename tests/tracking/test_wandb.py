"""What is in the files of Weights & Biases is what the runs' files say; nothing is sent."""

import pytest

from tracker_contract import Contract

wandb = pytest.importorskip("wandb", reason="not installed: segsweep[wandb]")
pytestmark = pytest.mark.slow  # another process writes the files


class TestWandb(Contract):
    """A folder per run below the sweep's folder `wandb`."""

    name = "wandb"

    @pytest.fixture(autouse=True)
    def asked_for_a_network(self, monkeypatch):
        """Let the variable say the opposite: the sweep's own mode decides."""
        monkeypatch.setenv("WANDB_MODE", "online")

    def test_id_is_one_of_the_sweep(self, sweep, new_run, follower):
        """The same run in two sweeps has two ids; letters that an id cannot have are replaced."""
        run = new_run("loss=dice")
        watch = follower(self.name)
        watch.add(run.name)
        run.train(1)
        run.leave()
        watch.close()
        (file,) = sweep.wandb.glob("*run-*/*.wandb")

        assert file.name == f"run-{run.name[-12:]}-a-sweep.wandb"
