"""Runs by sweep and name; symlinks that lead to themselves. The rest: `cli/test_sweeps.py`."""

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


def test_name_with_a_start_of_the_id(write_run, frozen, tmp_path):
    """As a command that found several runs of one name advises."""
    first = write_run(tmp_path / "main", frozen("loss=bce", "data.count=24", seed=3))
    other = write_run(tmp_path / "main", frozen("loss=bce", "data.count=25", seed=3))
    short, _, own = first.name.rpartition("-")

    with pytest.raises(RunNotFoundError, match="give more of the id"):
        find_run(short, tmp_path)
    found = [
        find_run(f"{start}{short}-{own[:count]}", tmp_path).root
        for start in ("", "main/")
        for count in (len(own) - 1, len(own))
        if not other.name.startswith(f"{short}-{own[:count]}")
    ]
    assert {*found} == {first}


def test_run_of_a_sweep_by_both_names(write_run, frozen, tmp_path):
    """Two sweeps have a run of that name: SWEEP/RUN tells which, however the run is named."""
    folders = {name: write_run(tmp_path / name, frozen(seed=3)) for name in ("first", "second")}
    with pytest.raises(RunNotFoundError, match="more of the id, or SWEEP/RUN"):
        find_run("unet2-bce-s3", tmp_path)

    for sweep, folder in folders.items():
        for name in ("unet2-bce-s3", folder.name, folder.name[-12:]):
            assert find_run(f"{sweep}/{name}", tmp_path).root == folder
    with pytest.raises(RunNotFoundError, match="no run with that id"):
        find_run("third/unet2-bce-s3", tmp_path)
    with pytest.raises(RunNotFoundError, match="no run with that id"):
        find_run("first/", tmp_path)
