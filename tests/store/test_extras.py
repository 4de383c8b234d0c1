"""Damaged outlines and checkpoints of a finished run are found from the ends of the files."""

import json

import pytest
import torch

from segsweep.store.extras import damaged_extras
from segsweep.store.paths import RunPaths


@pytest.fixture
def run(tmp_path):
    """Return a run's folder with outlines and a checkpoint."""
    paths = RunPaths(tmp_path / "unet2-bce-s0-0123456789ab")
    paths.checkpoints.mkdir(parents=True)
    values = {"size": [4, 4], "images": {"a": {"truth": [[0, 1, 2]], "predicted": []}}}
    paths.outlines.write_text(json.dumps(values, indent=1) + "\n")
    torch.save({"weight": torch.zeros(3)}, paths.checkpoints / "best-1.pt")
    return paths


def test_whole_files_and_missing_ones_are_no_damage(run):
    """A run of an older version has no outlines, one with keep=none no checkpoint."""
    assert list(damaged_extras(run)) == []
    run.outlines.unlink()
    (run.checkpoints / "best-1.pt").unlink()
    assert list(damaged_extras(run)) == []


@pytest.mark.parametrize("name", ["outlines.json", "checkpoints/best-1.pt"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.9])
def test_cut_files_are_found(run, name, share):
    """However much is left."""
    path = run.root / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    (error,) = damaged_extras(run)

    assert error.path == path
    assert "damaged" in str(error)


def test_other_bytes_are_found(run):
    """Also a folder in place of the file."""
    run.outlines.write_bytes(bytes(range(256)))
    (run.checkpoints / "best-1.pt").unlink()
    (run.checkpoints / "best-1.pt").mkdir()

    assert [error.path.name for error in damaged_extras(run)] == ["outlines.json", "best-1.pt"]
