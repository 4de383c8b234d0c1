"""A package of one's own is swept like segsweep's options."""

import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from command import ROOT, TINY
from loss_cases import random_case

pytestmark = pytest.mark.slow
PLUGIN = ROOT / "examples" / "plugin"
QUICK = [word for word in TINY if not word.startswith("model.")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Return the folder into which the example was installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    shutil.copytree(PLUGIN, source / "plugin")
    words = ("-m", "pip", "install", "--no-deps", "--quiet", "--target", str(target))
    subprocess.run([sys.executable, *words, str(source / "plugin")], check=True)
    return target


def swept(words, folder: Path, *paths: Path) -> "pd.DataFrame":
    """Run a sweep in *folder*; return its comparison.csv."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*paths, ROOT)))}
    command = [sys.executable, "-m", "segsweep.train", "-m", *QUICK, *words]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return pd.read_csv(folder / "outputs/main/comparison.csv")


def test_plugin_is_swept_beside_the_own_options(installed, tmp_path) -> None:
    """With the words of its README: a cell each, every run finished."""
    (line,) = re.findall(r"^segsweep-train -m (.*)$", (PLUGIN / "README.md").read_text(), re.M)
    words = line.replace("examples/plugin/conf", str(PLUGIN / "conf")).split()
    cells = swept(words, tmp_path, installed)

    assert {*zip(cells["model"], cells["loss"], strict=True)} == {
        (model, loss) for model in ("unet2", "ridgenet") for loss in ("bce", "edge_bce")
    }
    assert (cells["seeds"] == 3).all()
    (line,) = re.findall(r"^segsweep (report .*)$", (PLUGIN / "README.md").read_text(), re.M)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (installed, ROOT)))}
    command = [sys.executable, "-m", "segsweep", *line.split(), "--format", "csv"]
    told = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True)
    f2 = pd.read_csv(io.BytesIO(told.stdout))["test_f2"]
    assert len(f2) == 4
    assert f2.between(0, 1).all()


def test_without_allow_it_is_refused(installed, tmp_path) -> None:
    """A config folder cannot allow a package."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (installed, ROOT)))}
    command = [sys.executable, "-m", "segsweep.train", f"--config-dir={PLUGIN / 'conf'}"]
    done = subprocess.run(
        [*command, *QUICK, "model=ridgenet"],
        **{"cwd": tmp_path, "env": environment, "capture_output": True, "text": True},
        check=False,
    )
    assert done.returncode == 2
    assert "allow=[ridge_nets]" in done.stderr


def test_loss_of_the_plugin(installed, monkeypatch) -> None:
    """Without a boost it is cross-entropy; ignored pixels have no influence."""
    monkeypatch.syspath_prepend(installed)
    from ridge_nets import EdgeBceLoss

    logits, target = random_case((2, 1, 12, 12))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
    assert EdgeBceLoss(boost=0.0)(logits, target) == pytest.approx(float(expected))
    valid = torch.ones_like(logits, dtype=torch.bool)
    valid[..., 6:] = False
    changed = logits.where(valid, 50.0)
    loss = EdgeBceLoss()
    assert loss(changed, target, valid) == pytest.approx(float(loss(logits, target, valid)))
