"""Outputs that cannot be written: one line names the folder and what to do."""

import errno
import os
import subprocess

import pytest

import segsweep.training.run
from command import TINY, train_here


def remount(folder, how):
    """Make the file system at *folder* read-only ("ro") or writable ("rw")."""
    done = subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=False)
    if done.returncode:
        pytest.skip("cannot remount")


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [8], indirect=True)
def test_read_only_from_the_start(small_disk, tmp_path, monkeypatch, capsys):
    """A new sweep, and one that has begun: exit code 2. A finished one is still shown."""
    words = [*TINY, "trainer.epochs=1", f"outputs='{small_disk}/outputs'"]
    assert train_here(words, monkeypatch, tmp_path) == 0
    assert train_here(["-m", *words, "seed=0,1", "plan=true"], monkeypatch, tmp_path) == 0
    remount(small_disk, "ro")
    capsys.readouterr()
    for more in (["sweep=new"], ["-m", "seed=0,1"]):
        code = train_here([*words, *more], monkeypatch, tmp_path)
        line = capsys.readouterr().err.splitlines()[-1]

        assert code == 2
        assert line.startswith(("outputs=", "outputs: "))
        assert "cannot be written (Read-only file system)" in line
        assert "outputs=<folder>" in line
        assert "lock" not in line
        assert ".tmp" not in line
    remount(small_disk, "rw")
    assert train_here(["-m", *words, "seed=0,1"], monkeypatch, tmp_path) == 0


def test_read_only_midway(tmp_path, monkeypatch, capsys):
    """Like a full disk: the command ends with the folder's name and can be resumed."""

    def refuse(paths, history):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(paths.history))

    words = [*TINY, "trainer.epochs=1"]
    with monkeypatch.context() as patch:
        patch.setattr(segsweep.training.run, "write_history", refuse)
        assert train_here(words, monkeypatch, tmp_path) == 1
    line = capsys.readouterr().err.splitlines()[-1]
    (run,) = (tmp_path / "outputs" / "main" / "runs").iterdir()

    assert line.startswith("outputs: ")
    assert "outputs/main can no longer be written (Read-only file system)" in line
    assert line.endswith("make it writable, then run the same command again to resume")
    assert not (run / "failure.json").exists()
    assert train_here(words, monkeypatch, tmp_path) == 0
