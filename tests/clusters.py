"""SLURM and Ray for tests, on this machine: a sweep's words for them and their environments."""

import importlib.util
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from command import ROOT

sys.path.insert(0, str(ROOT / "tests" / "slurm"))
import cluster

_INIT = "+hydra.launcher.ray.init"
RAY = (f"{_INIT}.num_cpus=2", f"{_INIT}._node_ip_address=127.0.0.1")
SLURM = (
    *("hydra/launcher=submitit_slurm", "hydra.launcher.partition=short"),
    *("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=5"),
    *("hydra.launcher.max_num_timeout=5", "hydra.launcher.cpus_per_task=1"),
    "hydra.launcher.mem_gb=1",
)


def is_installed(launcher: str) -> bool:
    """Whether the plugin of a launcher is installed; each is an extra of segsweep."""
    extra = launcher.partition("_")[0]
    return importlib.util.find_spec(f"hydra_plugins.hydra_{extra}_launcher") is not None


def needs(launcher: str) -> None:
    """Skip the test if the plugin of a launcher is not installed."""
    if not is_installed(launcher):
        pytest.skip(f"not installed: segsweep[{launcher.partition('_')[0]}]")


@contextmanager
def ray_environment() -> Iterator[dict[str, str]]:
    """Yield the environment for Ray with a folder and a token of its own."""
    folder = tempfile.mkdtemp(prefix="ray-")  # the paths of its sockets must be short
    token = Path(folder) / "token"
    token.write_text(secrets.token_hex(32))
    yield {
        **{"RAY_TMPDIR": folder, "RAY_AUTH_TOKEN_PATH": str(token)},
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def slurm_environment() -> Iterator[dict[str, str]]:
    """Yield the environment of a SLURM cluster that exists for one test, or skip the test."""
    if reason := cluster.missing():
        pytest.skip(f"no SLURM cluster: {reason}")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    try:
        yield cluster.up(folder)
    except cluster.ClusterError as error:
        pytest.skip(f"no SLURM cluster: {error}")
    finally:
        cluster.down(folder)
