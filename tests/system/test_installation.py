"""Where the package stands, asked in a checkout and in a copy that stands as pip installs it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ASK = """
import json
from segsweep.system.installation import PACKAGE, checkout, conf_folder
from segsweep.training.environment import git_commit
found = checkout()
print(json.dumps([str(PACKAGE), found and str(found), str(conf_folder()), git_commit()]))
"""
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")


def asked(package: Path, folder: Path) -> list[str | None]:
    """Return (package, checkout, folder of options, commit) as a process in *folder* sees them."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def repository(tmp_path):
    """Return the checkout of somebody's own project, with a commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    subprocess.run([*GIT, "init", "-q"], cwd=folder, check=True)
    subprocess.run([*GIT, "commit", "-q", "--allow-empty", "-m", "x"], cwd=folder, check=True)
    return folder


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="these tests stand in no checkout")
def test_in_a_checkout(repository):
    """Options and commit are the checkout's, wherever a command starts."""
    describe = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
    commit = subprocess.run(describe, capture_output=True, text=True, check=True).stdout.strip()

    assert asked(ROOT / "segsweep", repository) == [
        *(str(ROOT / "segsweep"), str(ROOT), str(ROOT / "conf"), commit)
    ]


def test_in_an_installed_package(repository):
    """Options are the package's; the commit of a project around it is not segsweep's."""
    site = repository / ".venv/site-packages"
    shutil.copytree(ROOT / "segsweep", site / "segsweep")
    shutil.copytree(ROOT / "conf", site / "segsweep/conf")
    package = site / "segsweep"

    assert asked(package, repository) == [str(package), None, str(package / "conf"), ""]
