"""Outputs that cannot be written: one line names the folder and what to do."""

import subprocess

import pytest

from command import TINY, TROUBLE, finish, rows_of, train_here


def remount(folder, how):
    """Make the file system at *folder* read-only ("ro") or writable ("rw")."""
    done = subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=False)
    if done.returncode:
        pytest.skip("cannot remount")


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


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [8], indirect=True)
def test_read_only_midway(small_disk, tmp_path):
    """Like a full disk: the command ends with the folder's name and can be resumed."""
    outputs = small_disk / "outputs"
    words = ["-m", *TROUBLE, *TINY, f"outputs='{outputs}'", "loss=bce", "seed=0,1", "slots=1"]
    later = subprocess.Popen(
        [
            "sh",
            "-c",
            f"until ls '{outputs}'/main/runs/*/history.csv 2>/dev/null; do :; done; "
            f"mount -o remount,ro '{small_disk}'",
        ],
        stdout=subprocess.DEVNULL,
    )
    said = finish([*words, "trainer.epochs=60"], tmp_path, 1)
    later.wait(60)

    assert f"outputs: {outputs}/main can no longer be written (Read-only file system)" in said
    assert "run the same command again to resume" in said
    assert "Traceback" not in said
    remount(small_disk, "rw")
    finish([*words, "trainer.epochs=60"], tmp_path)
    assert [row["status"] for row in rows_of(outputs / "main/results.csv")] == ["finished"] * 2
