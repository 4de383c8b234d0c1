"""Networks of segmentation-models-pytorch: equal to the library's own, refused in one line."""

import copy
import inspect
import subprocess
import sys

import pytest
import segmentation_models_pytorch as library
import torch
import yaml
from torch import nn

from networks import gradients, images, parameters_of, seeded
from segsweep.config.targets import build as build_node
from segsweep.config.targets import check_node
from segsweep.errors import ConfigError
from segsweep.models.smp import smp
from segsweep.system.installation import conf_folder
from segsweep.training.multiply_adds import multiply_adds

CONVOLUTIONAL = ("unet", "unetplusplus", "manet", "linknet", "fpn", "pspnet", "deeplabv3")
FILE = conf_folder() / "model" / "smp.yaml"


@pytest.fixture(autouse=True)
def one_thread():
    """Limit torch to one thread: tiny images are slower with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"architecture": "UNetPlusPlus", "encoder": "mobilenet_v2"}, {}),
        ({"architecture": "fpn", "encoder": "mit_b0"}, {}),
        ({"architecture": "deeplabv3plus", "encoder": "tu-resnet18"}, {}),
        (
            {"encoder": "resnet18", "depth": 3},
            {"encoder_depth": 3, "decoder_channels": (64, 32, 16)},
        ),
        ({"encoder": "resnet18", "decoder_channels": (32, 16, 8, 8, 4)}, {}),
        ({"architecture": "upernet", "encoder": "resnet18", "decoder_channels": (64,)}, {}),
    ],
    ids=str,
)
def test_equals_the_librarys_own_network(ours, theirs):
    """From the same seed: the same names, weights and logits as its class gives."""
    channels = 1 if "depth" in ours or ours.get("encoder") in ("mit_b0", "tu-resnet18") else 3
    found = seeded(smp, in_channels=channels, **ours).eval()
    given = {key: value for key, value in ours.items() if key == "decoder_channels"} | theirs
    if ours.get("architecture") == "upernet":
        given["decoder_channels"] = 64
    torch.manual_seed(0)
    make = library.MODEL_ARCHITECTURES_MAPPING[ours.get("architecture", "unet").lower()]
    encoder = ours.get("encoder", "resnet34")
    own = make(encoder, encoder_weights=None, in_channels=channels, classes=1, **given).eval()
    x = images(2, channels, 64, 96)

    assert [*found.state_dict()] == [*own.state_dict()]
    assert found(x).shape == (2, 1, 64, 96)
    assert torch.equal(found(x), own(x))


@pytest.mark.parametrize("architecture", CONVOLUTIONAL)
def test_multiple_is_what_the_architecture_needs(architecture):
    """A size that is a multiple is taken, known without any memory; the library refuses others."""
    with torch.device("meta"):
        network = smp(in_channels=1, architecture=architecture, encoder="resnet18").eval()
    multiple = network.size_multiple
    fits = torch.empty(1, 1, 5 * multiple + 0, 7 * multiple, device="meta")

    assert network(fits).shape == (1, 1, *fits.shape[2:])
    assert (multiple == 1) == (architecture == "unet")
    if multiple > 1:
        with pytest.raises(RuntimeError, match="Wrong input shape"):
            network(torch.empty(1, 1, 5 * multiple + 1, 7 * multiple, device="meta"))


def test_unet_takes_any_size():
    """Its decoder meets the encoder at odd sizes too."""
    network = seeded(smp, encoder="mobilenet_v2").eval()

    assert network(images(1, 3, 33, 47)).shape == (1, 1, 33, 47)


def test_network_without_numbers_reads_numbers_first():
    """The encoder mit reads the numbers of a tensor while it is built, which meta does not have."""
    with torch.device("meta"):
        network = smp(encoder="mit_b0", in_channels=2)

    assert {one.device.type for one in network.state_dict().values()} == {"meta"}
    assert network(torch.empty(1, 2, 64, 32, device="meta")).shape == (1, 1, 64, 32)


def test_normalized_images():
    """Mean and deviation of ImageNet, per channel, before the encoder; a copy keeps doing it."""
    plain = seeded(smp, encoder="resnet18").eval()
    network = copy.deepcopy(seeded(smp, encoder="resnet18", normalize=True)).eval()
    x = images(2, 3, 32, 64)
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    by_hand = ((x.permute(0, 2, 3, 1) - mean) / deviation).permute(0, 3, 1, 2)

    torch.testing.assert_close(network(x), plain(by_hand))
    assert not torch.allclose(network(x), plain(x))
    assert [*network.state_dict()] == [*plain.state_dict()]


def test_trains_in_channels_last_and_is_counted():
    """Finite gradients everywhere in the fast layout; its multiply-adds are found out."""
    network = seeded(smp, encoder="mit_b0", in_channels=1)
    network = network.to(memory_format=torch.channels_last)
    x = images(2, 1, 64, 64).to(memory_format=torch.channels_last)

    assert all(one.isfinite().all() for one in gradients(network, x))
    assert multiply_adds(network, x[:1]) > parameters_of(network)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"architecture": "unetpluplus"}, "upernet, segformer, dpt; got 'unetpluplus'; did you"),
        ({"encoder": "resnet19"}, "encoders.html), or tu-<a network of timm>; got 'resnet19'; did"),
        ({"encoder": "ResNet18"}, "did you mean 'resnet18'?"),
        ({"encoder": "tu-resnet19"}, "did you mean 'tu-resnet18'?"),
        ({"encoder": "tu-hf-hub:someone/something"}, "encoder must be one of"),
        ({"encoder": "tu-local-dir:/somewhere"}, "encoder must be one of"),
        ({"in_channels": 0}, "in_channels must be >= 1; got 0"),
        ({"in_channels": 2, "normalize": True}, "normalize=true needs in_channels=3 or 1; got 2"),
        ({"depth": 9}, "Unet on resnet34 cannot be built (ResNetEncoder depth should be in range"),
        ({"decoder_channels": (8, 4)}, "cannot be built (Model depth is 5, but you provide"),
        ({"decoder_channels": ()}, "decoder_channels must be numbers >= 1; got []"),
        ({"decoder_channels": (8, 4, 0, 4, 4)}, "decoder_channels must be numbers >= 1; got [8, 4"),
        ({"architecture": "fpn", "decoder_channels": (8,)}, "FPN has none to choose"),
        ({"architecture": "pan", "decoder_channels": (8, 4)}, "must be one number for PAN; got"),
        ({"architecture": "linknet", "encoder": "mit_b0"}, "is not supported for Linknet"),
        ({"architecture": "dpt"}, "Only Timm encoders are supported for DPT"),
        ({"encoder": "tu-vit_tiny_patch16_224"}, "Unsupported model downsampling pattern"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(arguments, message):
    """The error is one line: what is wrong, what is allowed."""
    with pytest.raises(ValueError) as caught:
        smp(**arguments)

    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_without_the_library_it_says_what_to_install(monkeypatch):
    """One line, also through a config's node."""
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(ConfigError) as caught:
        build_node("model", yaml.safe_load(FILE.read_text()) | {"in_channels": 3})

    assert str(caught.value) == (
        "model=smp: segmentation_models_pytorch is not installed; pip install 'segsweep[smp]'"
    )


def test_is_trusted_and_its_file_gives_the_defaults():
    """No package has to be allowed; every argument stands in the file."""
    node = yaml.safe_load(FILE.read_text())
    parameters = inspect.signature(smp).parameters
    defaults = {key: one.default for key, one in parameters.items()}

    assert node == {"_target_": "segsweep.models.smp.smp", **defaults} | {
        "in_channels": "${data.channels}"
    }
    assert check_node("model", node | {"in_channels": 3, "encoder": "mit_b0"}, ())
    assert isinstance(build_node("model", node | {"in_channels": 1}), nn.Module)


@pytest.mark.slow
def test_the_library_is_imported_only_when_used():
    """Reading the signature, as every command does, must not cost the import."""
    program = (
        "import sys; import segsweep.models.smp; from segsweep.config.targets import arguments_of; "
        "arguments_of('segsweep.models.smp.smp'); "
        "assert not {'segmentation_models_pytorch', 'timm', 'safetensors'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
