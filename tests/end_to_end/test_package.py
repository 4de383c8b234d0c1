"""The wheel carries the config groups; both ways of starting find them, in any folder."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from command import TINY

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """Return the folder into which a freshly built wheel was installed."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    tracked = ("segsweep", "conf", "pyproject.toml", "README.md", "LICENSE")
    for name in tracked:
        origin = ROOT / name
        copy = shutil.copytree if origin.is_dir() else shutil.copy
        copy(origin, source / name)
    pip = [sys.executable, "-m", "pip"]
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--outdir",
        str(source / "dist"),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    here = {
        f"segsweep/conf/{p.relative_to(ROOT / 'conf')}" for p in (ROOT / "conf").rglob("*.yaml")
    }
    assert here <= names
    install = [*pip, "install", "--no-deps", "--quiet", "--target", str(target), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    return target


def carried_out(words, folder, installed) -> "subprocess.CompletedProcess[str]":
    """Run python with *words* in *folder*, where only the installed wheel can be imported."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", [["-m", "segsweep.train"], ["bin/segsweep-train"]])
def test_installed_wheel_trains_in_any_folder(command, installed, tmp_path) -> None:
    """From an empty folder with a space in its name; outputs/ appears there."""
    folder = tmp_path / "some where"
    folder.mkdir()
    words = [str(installed / w) if w.startswith("bin/") else w for w in command]
    done = carried_out([*words, *TINY, "trainer.epochs=1"], folder, installed)

    assert done.returncode == 0, done.stderr
    assert list(folder.glob("outputs/main/runs/*/result.json"))


def test_installed_console_script_checks_data(installed, tmp_path) -> None:
    """`segsweep data` works from the wheel and writes its picture."""
    words = [str(installed / "bin/segsweep"), "data", "data.count=8", "data.side=32"]
    done = carried_out(words, tmp_path, installed)

    assert done.returncode == 0, done.stderr
    assert "8 images" in done.stdout
    assert list(tmp_path.glob("outputs/*.png"))


def test_installed_wheel_knows_where_it_stands(installed) -> None:
    """Its options are inside the package; it has no commit, although ROOT is a checkout."""
    code = (
        "from segsweep.system.installation import checkout, conf_folder\n"
        "from segsweep.training.environment import git_commit\n"
        "print(conf_folder(), checkout(), repr(git_commit()), sep='\\n')"
    )
    done = carried_out(["-c", code], ROOT, installed)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(installed / "segsweep/conf"), "None", "''"]


def test_checkout_trains_in_any_folder(tmp_path) -> None:
    """The editable install of a checkout reads the checkout's own conf/."""
    done = subprocess.run(
        [sys.executable, "-m", "segsweep.train", "--cfg", "job"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "_target_: segsweep.models.unet2.UNet2" in done.stdout
