"""A folder that is there whole or not at all, also after a kill."""

import subprocess
import sys

import pytest

from segsweep.system.files import scratch_folder
from segsweep.system.new_folder import new_folder

KILLED = """
import os, signal, sys
from pathlib import Path
from segsweep.system.new_folder import new_folder
with new_folder(Path(sys.argv[1])) as folder:
    (folder / "half").write_text("x")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_whole_or_not_at_all(tmp_path):
    """An empty folder may be there; after an error nothing is."""
    out = tmp_path / "deep" / "out"
    with pytest.raises(ValueError, match="no"), new_folder(out) as folder:
        (folder / "half").write_text("x")
        assert not out.exists()
        raise ValueError("no")
    assert list(out.parent.iterdir()) == []
    out.mkdir()
    with new_folder(out) as folder:
        (folder / "whole").write_text("x")

    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert [path.name for path in out.iterdir()] == ["whole"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    """Not what a running one is writing."""
    out = tmp_path / "out"
    subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    (left,) = (path for path in tmp_path.iterdir() if path.is_dir())
    prefix = left.name.rsplit("-", 2)[0] + "-"
    with scratch_folder(tmp_path, prefix) as running:
        with new_folder(out) as folder:
            (folder / "whole").write_text("x")

        assert (out / "whole").exists()
        assert not left.exists()
        assert running.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_name_with_brackets(tmp_path):
    """It is no pattern: what a killed process left is found."""
    out = tmp_path / "out[1]"
    subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    with new_folder(out) as folder:
        (folder / "whole").write_text("x")

    assert [path.name for path in tmp_path.iterdir()] == ["out[1]"]
