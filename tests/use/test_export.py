"""Exported networks say what torch says, and need no segsweep to say it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

from exported_networks import opened
from segsweep.errors import StoreError
from segsweep.models.smp import smp
from segsweep.models.unet import UNet
from segsweep.training import dataset
from segsweep.use import export
from segsweep.use.export import export_network
from segsweep.use.module import Segmenter


@pytest.mark.parametrize(
    "shape", [(1, 32, 32), (5, 32, 32), (2, 64, 31), (1, 333, 160), (1, 1, 1), (1, 15, 700)]
)
def test_onnx_says_what_predict_says(exported, shape):
    """For batches and sizes that are no part of the check, resized by another library."""
    folder, network = exported
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    images = torch.rand(shape[0], 3, *shape[1:], generator=torch.Generator().manual_seed(1))
    (found,) = session.run(None, {"image": images.numpy()})

    assert found.shape == (shape[0], 1, *shape[1:])
    for one, probability in zip(images, found, strict=True):
        (output,) = network.outputs([network.seen(one.numpy().transpose(1, 2, 0))])
        assert np.abs(probability[0] - network.restored(output, shape[1:])).max() < 1e-5


def test_onnx_is_valid_and_says_what_it_needs(exported):
    """Names, and in the metadata size, threshold and whence it is."""
    folder, network = exported
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model)
    facts = json.loads({one.key: one.value for one in model.metadata_props}["segsweep"])

    assert [one.name for one in model.graph.input] == ["image"]
    assert [one.name for one in model.graph.output] == ["probability"]
    assert (facts["size"], facts["channels"], facts["threshold"]) == ([32, 32], 3, 0.5)
    assert facts["run"] == network.paths.root.name
    assert not list(folder.glob("*.data"))  # the weights are in the file


@pytest.mark.slow
def test_network_for_tiles_may_need_multiples_of_32(tiled, tmp_path, monkeypatch):
    """One that halves images five times: any size is mirrored to a multiple of 32."""
    monkeypatch.chdir(tiled.folder)
    torch.manual_seed(0)
    network = replace(opened(tiled), model=smp(architecture="fpn", encoder="resnet18").eval())
    done = export_network(network, "onnx", tmp_path / "out")
    session = onnxruntime.InferenceSession(str(tmp_path / "out/model.onnx"))

    assert done.fixed == ""
    for height, width in ((32, 32), (96, 160), (33, 7), (100, 70)):
        images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
        (found,) = session.run(None, {"image": images.numpy()})
        missing = ((0, 0), (0, 0), (0, -height % 32), (0, -width % 32))
        enlarged = torch.from_numpy(np.pad(images.numpy(), missing, "symmetric"))
        with torch.no_grad():
            expected = network.model(enlarged).sigmoid().numpy()[..., :height, :width]
        assert np.abs(found - expected).max() < 1e-5


@pytest.mark.slow
def test_torch_program_is_loaded_without_segsweep(resized, tmp_path, monkeypatch):
    """With torch alone, facts included."""
    monkeypatch.chdir(resized.folder)
    network = opened(resized)
    export_network(network, "torch", tmp_path / "out")
    images = torch.rand(3, 3, 48, 37, generator=torch.Generator().manual_seed(0))
    torch.save(images, tmp_path / "images.pt")
    code = (
        "import sys, json, torch; sys.modules['segsweep'] = None; facts = {'segsweep.json': ''}; "
        "model = torch.export.load('out/model.pt2', extra_files=facts).module(); "
        "torch.save(model(torch.load('images.pt')).detach(), 'found.pt'); "
        "print(json.loads(facts['segsweep.json'])['threshold'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "0.5"
    with torch.no_grad():
        expected = Segmenter(network)(images)
    assert torch.allclose(torch.load(tmp_path / "found.pt"), expected, atol=1e-5)


def test_weights_as_safetensors(resized, tmp_path):
    """Every tensor of the network by its name."""
    network = opened(resized)
    done = export_network(network, "safetensors", tmp_path / "out")
    stored = load_file(tmp_path / "out/model.safetensors")
    rights = {path.name: path.stat().st_mode for path in (tmp_path / "out").iterdir()}
    assert len({*rights.values()}) == 1, rights  # as others may read the rest

    assert done.checked == ""
    assert {*stored} == {*network.model.state_dict()}
    for name, tensor in network.model.state_dict().items():
        assert torch.equal(stored[name], tensor)


@pytest.mark.slow
def test_without_the_data_noise_is_compared(resized, tmp_path, monkeypatch, caplog):
    """A sweep that was copied to another machine; the card says so. No library warns."""
    monkeypatch.chdir(tmp_path)  # photos/ is not there
    dataset._prepared.cache_clear()  # as in another process
    network = replace(opened(resized), model=UNet(channels=(4, 4)).eval())
    done = export_network(network, "onnx", tmp_path / "out")

    assert done.checked.startswith("2 images of noise (the data are not here): within ")
    assert not [one for one in caplog.records if one.levelname == "WARNING"]


@pytest.mark.slow
def test_stopped_export_leaves_nothing(resized, tmp_path, monkeypatch):
    """So that the same command is not refused for a folder that is not empty."""
    monkeypatch.chdir(resized.folder)

    def stop(*_: object) -> float:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "_largest_difference", stop)
    with pytest.raises(KeyboardInterrupt):
        export_network(opened(resized), "torch", tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.slow
def test_network_that_comes_out_different_is_not_kept(resized, tmp_path, monkeypatch):
    """As if onnxruntime computed something else."""
    monkeypatch.chdir(resized.folder)
    monkeypatch.setattr(export, "LARGEST_DIFFERENCE", -1.0)
    with pytest.raises(StoreError, match=r"differs from torch by .*, more than"):
        export_network(opened(resized), "onnx", tmp_path / "out")
    assert not (tmp_path / "out/model.onnx").exists()
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.slow
@pytest.mark.parametrize("fixture", ["resized", "tiled"])
def test_network_that_allows_one_size(fixture, request, tmp_path, monkeypatch):
    """Images are resized to it; tiles are not, so that the size is fixed: said with the reason."""
    trained = request.getfixturevalue(fixture)
    monkeypatch.chdir(trained.folder)
    network = opened(trained)
    height, width = network.config.data.height_width

    class Fixed(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, images):
            return self.model(images.reshape(-1, 3, height, width))

    done = export_network(replace(network, model=Fixed(network.model)), "onnx", tmp_path / "out")
    session = onnxruntime.InferenceSession(str(tmp_path / "out/model.onnx"))
    size = (40, 50) if fixture == "resized" else (height, width)

    assert bool(done.fixed) == (fixture == "tiled")
    assert session.run(None, {"image": np.zeros((4, 3, *size), np.float32)})[0].shape[2:] == size
    if done.fixed:
        assert session.get_inputs()[0].shape[1:] == [3, height, width]


def test_without_the_extra_the_line_says_what_to_install(resized, tmp_path, monkeypatch):
    """For each format that needs a package."""
    monkeypatch.chdir(resized.folder)
    for form, package in (("onnx", "onnxruntime"), ("safetensors", "safetensors.torch")):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, package, None)
            with pytest.raises(StoreError, match=r"pip install 'segsweep\[export\]'"):
                export_network(opened(resized), form, tmp_path / form)
        assert not [path for path in Path(tmp_path / form).iterdir() if path.name != "facts.json"]
