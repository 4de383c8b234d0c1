"""Looking at results imports no torch: tables and reports work on a laptop without it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from command import TINY, finish

ROOT = Path(__file__).resolve().parents[1]
SWEEP = ROOT / "tests/compatibility/sweep_0_1_0"
LIGHT = ("system", "config", "store", "stats", "report", "cli")
"""Rooms of which no module imports torch."""
LOADED = "import json, sys; print(json.dumps(sorted({'torch', 'torchvision'} & {*sys.modules})))"
LOOKING = (
    ("status", "main"),
    ("status", "main", "--json"),
    ("runs", "main"),
    ("runs", "main", "--failed", "--json"),
    ("report", "main"),
)
"""Commands that only read what a sweep stored."""


def modules_of(room: str) -> list[str]:
    """Return the dotted names of a room's modules."""
    files = sorted((ROOT / "segsweep" / room).rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def loaded_by(code: str, folder: Path) -> list[str]:
    """Return which of torch and torchvision a fresh Python has loaded after *code*."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", f"{code}\n{LOADED}"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("room", LIGHT)
def test_room_needs_no_torch(room, tmp_path):
    """Every module of the room is imported in one fresh process."""
    modules = modules_of(room)

    assert len(modules) > 3
    assert loaded_by(f"import {', '.join(modules)}", tmp_path) == []


@pytest.mark.parametrize("module", ["segsweep", "segsweep.errors", "segsweep.metrics"])
def test_root_needs_no_torch(module, tmp_path):
    """A notebook that opens a sweep waits for no torch."""
    assert loaded_by(f"import {module}", tmp_path) == []


PLANNING = ("sweep.command", "sweep.planning.plan_runs", "training.dataset", "data.tiles")
"""What plans a command; it needs torch only to build networks, for runs that are not finished."""


@pytest.mark.slow
@pytest.mark.parametrize("module", PLANNING)
def test_planning_needs_no_torch(module, tmp_path):
    """The slow test of a command whose runs are finished, module by module."""
    assert loaded_by(f"import segsweep.{module}", tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_looking_at_a_sweep_needs_no_torch(words, tmp_path):
    """The command runs to its end on a stored sweep; imports inside functions count too."""
    shutil.copytree(SWEEP, tmp_path / "outputs/main")
    code = f"""
import sys
from segsweep.cli.main import main
sys.argv[1:] = {list(words)!r}
try:
    main()
except SystemExit as ending:
    assert not ending.code, ending.code
"""
    assert loaded_by(code, tmp_path) == []


def test_opening_a_sweep_needs_no_torch(tmp_path):
    """`segsweep.open` gives its tables and its status."""
    shutil.copytree(SWEEP, tmp_path / "outputs/main")
    code = """
import segsweep
sweep = segsweep.open("outputs/main")
assert len(sweep.results) == 9
sweep.status()
"""
    assert loaded_by(code, tmp_path) == []


RERUN = """
import sys
from segsweep.train import run_command, stop_server
sys.argv = ["segsweep-train", *{words!r}]
assert run_command() == 0
stop_server()
print()
"""


@pytest.mark.slow
@pytest.mark.parametrize(("group", "least"), [("model", 4), ("loss", 5), ("augment", 3)])
def test_plan_needs_no_compiler(group, least, tmp_path):
    """Every network, loss and augmentation is built; none of it imports what takes a second."""
    files = sorted((ROOT / "conf" / group).glob("*.yaml"))
    others = "fcn", "deeplabv3", "lraspp", "smp"  # of libraries, which import it
    names = [file.stem for file in files if file.stem not in others]
    words = ["-m", *TINY, f"{group}={','.join(names)}", "plan=true", "preflight=false"]

    code = RERUN.format(words=words) + NO_COMPILER
    assert len(names) >= least
    assert loaded_by(code, tmp_path) == ["torch"]


NO_COMPILER = "assert 'torch._dynamo' not in sys.modules"


@pytest.mark.slow
def test_command_whose_runs_are_finished_needs_no_torch(tmp_path):
    """The second command knows from the first that the classes fit; numbers stay the same.

    The third knows from the second that the report is up to date, and what it printed.
    """
    words = ["-m", *TINY, "seed=0,1", "trainer.epochs=1", "preflight=false"]
    finish(words, tmp_path)
    tables = {path: path.read_bytes() for path in (tmp_path / "outputs/main").glob("*.*")}

    code = RERUN.format(words=words) + "assert 'scipy.ndimage' not in sys.modules"
    assert loaded_by(code, tmp_path) == []
    assert {path: path.read_bytes() for path in tables} == tables
    code = RERUN.format(words=words) + "assert 'pandas' not in sys.modules"
    assert loaded_by(code, tmp_path) == []
    assert {path: path.read_bytes() for path in tables} == tables


def test_planning_needs_no_statistics():
    """A plan of 1,000 runs would wait for pandas and scipy as long as for itself."""
    code = "import sys; import segsweep.sweep.command; "
    code += "print({'pandas', 'scipy', 'torch', 'optuna'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
