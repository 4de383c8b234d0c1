"""Networks of the sweeps of `trained_sweeps`, exported as ONNX."""

import pytest

from segsweep.store.paths import RunPaths
from segsweep.use.export import export_network
from segsweep.use.network import Way, open_network

PLAIN = Way("cpu", threads=1, plain=True)


def opened(trained, start="unet2-bce-s0"):
    """Return the network of a run, to be exported."""
    (run,) = (trained.sweep / "runs").glob(f"{start}-*")
    return open_network(RunPaths(run), PLAIN)


@pytest.fixture(scope="session", params=["unet2-bce-s0", "segnet-bce-s0"])
def exported(request, resized, tmp_path_factory):
    """Return the folder of a network that was exported as ONNX, and the network."""
    network, folder = opened(resized, request.param), tmp_path_factory.mktemp("onnx") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(resized.folder)
        done = export_network(network, "onnx", folder)
    assert done.checked.startswith("6 validation images: within ")
    assert done.fixed == ""
    return folder, network
