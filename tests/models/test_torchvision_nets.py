"""Torchvision's networks with one logit, their weights files, and the files of conf/model."""

import copy
import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from torchvision.models import segmentation

from networks import NETWORKS, gradients, images, parameters_of, seeded
from segsweep.models import torchvision_nets

CONF = Path(__file__).resolve().parents[2] / "conf" / "model"
TORCHVISION = {
    "lraspp": torchvision_nets.lraspp,
    "deeplabv3": torchvision_nets.deeplabv3,
    "fcn": torchvision_nets.fcn,
}
every_torchvision = pytest.mark.parametrize("build", TORCHVISION.values(), ids=TORCHVISION)


@every_torchvision
def test_torchvision_gives_one_logit_at_image_size(build):
    """Odd sizes and grey images too, known without any memory; any size is taken."""
    with torch.device("meta"):
        grey, colour = build(in_channels=1), build()
        shapes = [grey(torch.empty(2, 1, 33, 47)).shape, colour(torch.empty(2, 3, 64, 32)).shape]

    assert shapes == [(2, 1, 33, 47), (2, 1, 64, 32)]


@pytest.mark.parametrize(
    ("build", "backbone", "millions"),
    [
        ("deeplabv3", "mobilenet", 11.0),
        ("deeplabv3", "resnet50", 39.6),
        ("deeplabv3", "resnet101", 58.6),
        ("fcn", "resnet50", 32.9),
        ("fcn", "resnet101", 51.9),
    ],
)
def test_torchvision_backbones(build, backbone, millions):
    """Each backbone is the one its name says, by torchvision's published size."""
    with torch.device("meta"):
        model = TORCHVISION[build](backbone=backbone)

    assert millions == pytest.approx(parameters_of(model) / 1e6, abs=0.05)


@pytest.mark.parametrize("count", [1, 2])
def test_torchvision_is_unchanged_below_the_hook(count):
    """From the same seed, logits equal what the library's own model calls "out"."""
    ours = seeded(torchvision_nets.lraspp).eval()
    torch.manual_seed(0)
    theirs = segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=1
    ).eval()

    assert torch.equal(ours(images(count)), theirs(images(count))["out"])


def test_torchvision_copies_and_trains_in_channels_last():
    """A deep copy keeps handing on logits alone, in the fast layout, with gradients everywhere."""
    model = copy.deepcopy(seeded(torchvision_nets.lraspp, in_channels=1))
    model = model.to(memory_format=torch.channels_last)
    x = images(2, 1, 64, 64).to(memory_format=torch.channels_last)

    assert all(one.isfinite().all() for one in gradients(model, x))


def test_weights_file_round_trip(tmp_path):
    """A saved network comes back to the bit."""
    saved = seeded(torchvision_nets.lraspp).eval()
    torch.save(saved.state_dict(), tmp_path / "weights.pt")
    loaded = torchvision_nets.lraspp(weights_file=tmp_path / "weights.pt").eval()

    assert torch.equal(saved(images()), loaded(images()))


def test_weights_file_loads_what_fits(tmp_path, caplog):
    """From torchvision's 21 classes all but the two last convolutions and a grey first come."""
    caplog.set_level("INFO")
    library = segmentation.lraspp_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=21
    )
    torch.save(library.state_dict(), tmp_path / "voc.pth")
    with pytest.warns(UserWarning, match=r"tensors fit; backbone\.0\.0\.weight stay random"):
        model = torchvision_nets.lraspp(in_channels=1, weights_file=tmp_path / "voc.pth")
    own, theirs = model.state_dict(), library.state_dict()
    different = {name for name in own if own[name].shape != theirs[name].shape}
    first, heads = "backbone.0.0.weight", ("low_classifier", "high_classifier")

    parts = [f"classifier.{head}.{part}" for head in heads for part in ("weight", "bias")]
    assert {first, *parts} == different
    assert f"{len(own) - 5} of {len(own)} tensors taken from {tmp_path / 'voc.pth'}" in caplog.text
    assert all(torch.equal(own[name], theirs[name]) for name in own.keys() - different)


class WritesAFile:
    """What a hostile weights file would hold: loading it as a pickle writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: torch.save({"other": torch.ones(3)}, path), "no name and shape in"),
        (lambda path: torch.save([1, 2], path), "no name and shape in"),
        (
            lambda path: torch.save({"backbone.0.1.num_batches_tracked": torch.tensor(3)}, path),
            "no name and shape in",
        ),
        (lambda path: path.write_text("not weights"), "must be what torch.save wrote"),
        (lambda path: path.write_bytes(b""), "must be what torch.save wrote"),
        (
            lambda path: torch.save({"x": WritesAFile(path.parent / "hacked")}, path),
            "must be what torch.save wrote",
        ),
    ],
    ids=["other names", "a list", "a counter", "text", "empty", "code"],
)
def test_weights_file_that_is_none_is_refused(tmp_path, write, message):
    """The error is one line that names the file, and no code from the file runs."""
    path = tmp_path / "weights.pt"
    write(path)
    with pytest.raises(ValueError, match=message) as caught:
        torchvision_nets.lraspp(weights_file=path)

    assert str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"in_channels": 0}, "in_channels must be >= 1; got 0"),
        ({"backbone": "vgg"}, "backbone must be one of resnet50, resnet101; got 'vgg'"),
    ],
)
def test_torchvision_arguments_out_of_range_are_refused(arguments, message):
    """The error is one line: name, what is allowed, what was given."""
    with pytest.raises(ValueError) as caught:
        torchvision_nets.fcn(**arguments)

    assert message == str(caught.value)


@pytest.mark.slow
def test_torchvision_is_imported_only_when_used():
    """Reading signatures must not cost the import: torchvision loads when a network is built."""
    program = (
        "import sys; from segsweep.models import segnet, torchvision_nets as nets; "
        "assert 'torchvision' not in sys.modules; "
        "nets.lraspp(); assert 'torchvision' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_network_has_its_file():
    """conf/model holds the networks here; a later one is tested in a separate file."""
    assert {*NETWORKS, *TORCHVISION} <= {path.stem for path in CONF.glob("*.yaml")}


@pytest.mark.parametrize("name", NETWORKS | TORCHVISION)
def test_files_give_the_defaults_of_the_code(name):
    """Each file names its network and gives every argument, with the default of the code."""
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())
    target = (NETWORKS | TORCHVISION)[name]
    parameters = inspect.signature(target).parameters
    defaults = {key: item.default for key, item in parameters.items()}
    if "channels" in defaults:
        defaults["channels"] = list(defaults["channels"])

    assert f"{target.__module__}.{target.__name__}" == node.pop("_target_")
    assert {**defaults, "in_channels": "${data.channels}"} == node
