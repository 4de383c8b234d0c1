"""The switch of the special kernels: the same networks and numbers with and without them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import segsweep
from networks import NETWORKS, every_network, images, seeded, steps_of
from segsweep.models import kernels
from segsweep.models.torchvision_nets import lraspp

PACKAGE = Path(segsweep.__file__).parent
WITH_KERNELS = ("fast", "memory")
TINY = [
    *("model=unet2", "loss=bce", "data=synthetic", "data.count=16", "data.side=32"),
    *("data.size=32", "trainer.epochs=2", "trainer.batch=4", "trainer.preview_every=0"),
    *("outputs=outputs", "sweep=tiny", "trainer.lean=on", "preflight=false"),
]
"""A run of two epochs that asks for the special kernels."""

with_kernels = pytest.mark.parametrize("level", WITH_KERNELS)
needs_kernels = pytest.mark.skipif(not kernels.is_available(), reason="no segsweep/models/lean")


def test_levels_of_the_words():
    """Auto is fast, on saves memory as well, off is plain; without the folder all are plain."""
    there = kernels.is_available()
    found = [kernels.level_of(word) for word in ("auto", "on", "off")]

    assert found == (["fast", "memory", "off"] if there else ["off"] * 3)


@needs_kernels
@every_network
@with_kernels
def test_weights_and_their_names_are_the_same(network, level):
    """A state dict made on one side of the switch loads on the other; a seed gives one start."""
    plain, special = seeded(network, channels=(4, 6)), seeded(network, channels=(4, 6))
    kernels.apply(special, level)
    ours, theirs = special.state_dict(), plain.state_dict()

    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert special.load_state_dict(theirs) == plain.load_state_dict(ours)
    assert type(special) is type(plain) is network


@needs_kernels
@every_network
@with_kernels
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)], ids=["f64", "f32"]
)
def test_losses_and_gradients_are_the_same(network, level, dtype, tolerance, monkeypatch):
    """Three steps agree to 1e-9 in float64 and to 1e-4 in float32: additions have another order."""
    monkeypatch.setattr("segsweep.models.lean.recompute.LARGE", 1)
    plain, special = (seeded(network, channels=(4, 6)).to(dtype) for _ in range(2))
    kernels.apply(special, level)
    x = images().to(dtype)

    for mine, other in zip(steps_of(special, x), steps_of(plain, x), strict=True):
        torch.testing.assert_close(mine, other, rtol=tolerance, atol=tolerance)


@needs_kernels
def test_both_levels_agree_to_the_bit(monkeypatch):
    """What saves memory computes the same again: a run may change the level on resume."""
    monkeypatch.setattr("segsweep.models.lean.recompute.LARGE", 1)
    found = []
    for level in WITH_KERNELS:
        model = seeded(NETWORKS["unet2"], channels=(4, 6))
        kernels.apply(model, level)
        found.append(steps_of(model, images()))

    assert all(map(torch.equal, *found))


def test_other_networks_are_left_alone():
    """Torchvision's parts keep their classes at every level."""
    model = lraspp()
    before = [type(part) for part in model.modules()]
    for level in ("off", *WITH_KERNELS):
        if level == "off" or kernels.is_available():
            kernels.apply(model, level)

    assert before == [type(part) for part in model.modules()]


def without_the_folder(tmp_path: Path) -> Path:
    """Return a folder with the package as it is once somebody has deleted the special kernels."""
    ignored = shutil.ignore_patterns("__pycache__", "lean")
    shutil.copytree(PACKAGE, tmp_path / "segsweep", ignore=ignored)
    shutil.copytree(PACKAGE.parent / "conf", tmp_path / "conf")
    assert not (tmp_path / "segsweep" / "models" / "lean").exists()
    return tmp_path


@pytest.mark.slow
def test_everything_works_without_the_folder(tmp_path):
    """A copy of the package without it trains a run from plain layers, and says so."""
    place = without_the_folder(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(place), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "segsweep.train", *TINY]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    runs = list(place.glob("outputs/tiny/runs/*"))

    assert done.returncode == 0, done.stderr
    assert [(run / "result.json").exists() for run in runs] == [True]
    assert '"lean": "off"' in (runs[0] / "environment.json").read_text()
