"""A run resumes from its checkpoint, or starts from scratch if it cannot."""

import json

import pytest
import torch

from command import TINY, train_here
from segsweep.store.paths import RunPaths

WORDS = (*TINY, "trainer.epochs=4", "trainer.preview_every=0", "keep=both")


@pytest.fixture
def interrupted(tmp_path, monkeypatch):
    """Return a run that was stopped in its third epoch, and a function that resumes it."""
    import segsweep.training.loop
    from segsweep.sweep import session

    step, calls = segsweep.training.loop.train_step, []

    def stopping(*arguments, **named):
        calls.append(1)
        if len(calls) == 7:  # three steps an epoch
            session.current.stop.requested = True
        return step(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(segsweep.training.loop, "train_step", stopping)
        assert train_here(WORDS, patch, tmp_path) == 130
    (folder,) = (tmp_path / "outputs/main/runs").iterdir()
    return RunPaths(folder), lambda: train_here(WORDS, monkeypatch, tmp_path)


def half(path):
    """Cut off the second half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "empty": lambda path: path.write_bytes(b""),
    "half": half,
    "random": lambda path: path.write_bytes(bytes(range(256)) * 40),
    "text": lambda path: path.write_text("no checkpoint"),
    "other values": lambda path: torch.save({"epoch": 2}, path),
    "wrong type": lambda path: torch.save([1, 2, 3], path),
}


def test_interrupted_run_resumes(interrupted):
    """The log says from which epoch and step; the history has every epoch once."""
    paths, again = interrupted

    assert again() == 0
    assert "resuming after epoch 2, step 1" in paths.log.read_text()
    assert len(paths.history.read_text().splitlines()) == 1 + 4


@pytest.mark.slow
@pytest.mark.parametrize("file", ["last.pt", "best"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_run_with_a_damaged_checkpoint_starts_from_scratch(interrupted, file, damage):
    """Within the same command it logs the reason and finishes."""
    paths, again = interrupted
    (best,) = paths.checkpoints.glob("best-*.pt")
    DAMAGES[damage](best if file == "best" else paths.checkpoints / file)

    assert again() == 0
    assert "starting from scratch" in paths.log.read_text()
    assert json.loads(paths.result.read_text())["epochs"] == 4
    assert not paths.failure.exists()
