"""Symlinks that lead to themselves are no sweeps and no runs; the rest: `cli/test_sweeps.py`."""

import pytest

from command import TINY, train_here
from segsweep.errors import RunNotFoundError, SweepNotFoundError
from segsweep.store.find import find_run, find_sweep, is_run_folder


@pytest.fixture
def loop(tmp_path):
    """Return a symlink to itself."""
    path = tmp_path / "loop"
    path.symlink_to(path)
    return path


def test_symlink_to_itself_is_not_found(loop, tmp_path):
    """One line, as for any other path that is no sweep."""
    assert not is_run_folder(loop)
    with pytest.raises(SweepNotFoundError, match="no sweep at that path"):
        find_sweep(str(loop), tmp_path)
    with pytest.raises(RunNotFoundError, match="no run with that id"):
        find_run(str(loop), tmp_path)


@pytest.mark.parametrize("inside", ["", "/more"])
def test_outputs_that_lead_to_themselves_are_refused(loop, inside, tmp_path, monkeypatch, capsys):
    """The key is named, and what to do."""
    code = train_here((*TINY, f"outputs={loop}{inside}"), monkeypatch, tmp_path)
    error = capsys.readouterr().err.strip().splitlines()[-1]

    assert code == 2
    assert error.startswith(f"outputs={loop}{inside}: cannot be written (")
    assert error.endswith("choose another with outputs=<folder>")
