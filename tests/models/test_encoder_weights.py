"""Weights from files for encoders of segmentation-models-pytorch: taken whole, or refused."""

import os
import warnings
from pathlib import Path

import pytest
import segmentation_models_pytorch as library
import torch
from safetensors.torch import save_file
from torchvision import models

from networks import seeded
from segsweep.models.smp import smp


def encoder_of(name="resnet18", **arguments):
    """Return an encoder with random weights, and batch norm that has seen images."""
    found = seeded(smp, encoder=name, **arguments).get_submodule("encoder")
    for key, value in found.state_dict().items():
        if "running" in key:
            value.uniform_(0.5, 2.0)
    return found


def loaded(path, name="resnet18", **arguments):
    """Return the state of the encoder whose weights come from *path*."""
    torch.manual_seed(1)
    network = smp(encoder=name, weights_file=path, **arguments)
    return network.get_submodule("encoder").state_dict()


def same(one, other):
    """Whether two states have the same names and values."""
    return [*one] == [*other] and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "mit_b0", "mobilenet_v2", "tu-resnet18"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_saved_encoder_comes_back_to_the_bit(tmp_path, name, suffix):
    """As torch.save and as safetensors write it."""
    state, path = encoder_of(name).state_dict(), tmp_path / f"encoder.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(state, path)

    assert same(loaded(path, name), state)


def test_whole_network_gives_its_encoder(tmp_path):
    """As a run of segsweep keeps it: the decoder stays random."""
    network = seeded(smp, encoder="resnet18")
    torch.save(network.state_dict(), tmp_path / "best.pt")
    torch.manual_seed(1)
    found = smp(encoder="resnet18", weights_file=tmp_path / "best.pt").state_dict()
    own = network.state_dict()

    assert {key.split(".")[0] for key in own if not torch.equal(own[key], found[key])} == {
        "decoder",
        "segmentation_head",
    }


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("resnet18", models.resnet18),
        ("mobilenet_v2", models.mobilenet_v2),
        ("densenet121", models.densenet121),
        ("tu-resnet18", models.resnet18),
    ],
)
def test_classifier_of_torchvision(tmp_path, name, make):
    """Its last layers are left out; everything else is in the encoder."""
    torch.manual_seed(2)
    state = make(weights=None, num_classes=5).state_dict()
    torch.save(state, tmp_path / "classifier.pth")
    found = {
        key.removeprefix("model."): one
        for key, one in loaded(tmp_path / "classifier.pth", name).items()
    }

    assert len(found) > 50
    assert all(torch.equal(value, state[key]) for key, value in found.items())


def test_older_files_lack_counters_and_have_other_names(tmp_path):
    """Those of batch norm are not needed; DenseNet's layers had a dot in their names."""
    state = models.densenet121(weights=None).state_dict()
    older = {
        key.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value
        for key, value in state.items()
        if not key.endswith("num_batches_tracked")
    }
    torch.save(older, tmp_path / "old.pth")
    found = loaded(tmp_path / "old.pth", "densenet121")

    assert len(older.keys() - state.keys()) > 100
    assert all(
        torch.equal(found[key], state[key]) for key in found if key in state and "num_b" not in key
    )


@pytest.mark.parametrize(
    ("name", "channels"), [("resnet18", 1), ("resnet18", 2), ("mit_b0", 5), ("mobileone_s0", 1)]
)
def test_first_convolution_for_other_channels(tmp_path, name, channels):
    """As the library adapts pretrained weights: summed for grey images, else repeated."""
    theirs = encoder_of(name)
    torch.save(theirs.state_dict(), tmp_path / "rgb.pth")
    found = loaded(tmp_path / "rgb.pth", name, in_channels=channels)
    theirs.set_in_channels(channels, pretrained=True)

    assert [*found] == [*theirs.state_dict()]
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(found[key], value)


def test_grey_weights_do_not_fit_rgb(tmp_path):
    """The shapes are named; nothing stays random unnoticed."""
    torch.save(encoder_of(in_channels=1).state_dict(), tmp_path / "grey.pth")
    with pytest.raises(ValueError) as caught:
        loaded(tmp_path / "grey.pth")

    assert str(caught.value) == (
        f"weights_file={tmp_path / 'grey.pth'}: does not fit the encoder resnet18: 1 of another "
        "shape (conv1.weight 64x1x7x7 instead of 64x3x7x7)"
    )


def test_of_another_encoder_is_refused(tmp_path):
    """What is missing and what is unknown, in one line: also if all that is needed is there."""
    torch.save(encoder_of("resnet34").state_dict(), tmp_path / "34.pth")
    torch.save(encoder_of("resnet18").state_dict(), tmp_path / "18.pth")
    torch.save(encoder_of("mit_b0").state_dict(), tmp_path / "mit.pth")
    said = {}
    for path, name in (("34", "resnet18"), ("18", "resnet34"), ("mit", "resnet18")):
        with pytest.raises(ValueError) as caught:
            loaded(tmp_path / f"{path}.pth", name)
        said[path] = str(caught.value).partition("encoder ")[2]

    assert said["34"].startswith(
        "resnet18: 96 unknown (layer1.2.conv1.weight, layer1.2.bn1.weight,"
    )
    assert said["18"].startswith(
        "resnet34: 80 missing (layer1.2.conv1.weight, layer1.2.bn1.weight,"
    )
    assert said["mit"] == ("resnet18: 100 missing (conv1.weight, bn1.weight, bn1.bias and others)")


class WritesAFile:
    """What a hostile file would hold: loading it as a pickle makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("w.pth", lambda path: torch.save([1, 2], path), "100 missing (conv1.weight,"),
        ("w.pth", lambda path: torch.save({"conv1.weight": 3}, path), "100 missing (conv1.weight,"),
        ("w.pth", lambda path: path.write_bytes(os.urandom(4096)), "must be what torch.save wrote"),
        ("w.pth", lambda path: path.write_bytes(b""), "must be what torch.save wrote"),
        (
            "w.pth",
            lambda path: torch.save({"x": WritesAFile(path.parent / "hacked")}, path),
            "must be what torch.save wrote",
        ),
        ("w.safetensors", lambda path: path.write_bytes(os.urandom(4096)), "a file of safetensors"),
        ("w.safetensors", lambda path: path.write_bytes(b""), "a file of safetensors"),
        ("w.pth", lambda path: path.mkdir(), "cannot be read (Is a directory)"),
        ("w.pth", lambda path: None, "cannot be read (No such file or directory)"),
        ("w.safetensors", lambda path: None, "cannot be read (No such file or directory)"),
    ],
    ids=[
        "list",
        "number",
        "random",
        "empty",
        "code",
        "random 2",
        "empty 2",
        "folder",
        "no",
        "no 2",
    ],
)
def test_what_is_no_weights_file_is_refused(tmp_path, name, write, message):
    """One line that names the file; no code from it runs."""
    write(tmp_path / name)
    with pytest.raises(ValueError) as caught:
        loaded(tmp_path / name)

    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "hacked").exists()


@pytest.mark.slow
def test_every_encoder_takes_what_it_saved(tmp_path):
    """A file that the library's own reader takes for its encoders of each family."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the library, about its own names
        for name in ("se_resnet50", "dpn68", "efficientnet-b0", "xception", "timm-skresnet18"):
            theirs = library.encoders.get_encoder(name, weights=None)
            torch.save(theirs.state_dict(), tmp_path / "w.pth")

            assert same(loaded(tmp_path / "w.pth", name), theirs.state_dict())
