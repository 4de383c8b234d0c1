"""Users' own classes that crash, exit, hang or eat memory cost their own cells only."""

import sys
from pathlib import Path

import pytest

from command import APPS, TINY, TROUBLE, rows_of, train_here
from fake_data import write_bordered
from segsweep.sweep.processes import child

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork server")
WORDS = (*TINY, f"--config-dir={APPS / 'conf'}", "trainer.epochs=1", "preflight=false")
HOSTILE = (*WORDS[len(TINY) :], "allow=[hostile,leaves_early]", *TINY[:3], *TINY[4:])
REASONS = {
    "exit": "hostile.Hostile called sys.exit with exit code 0 (hostile.py, line",
    "os-exit": "hostile.Hostile ended its process with exit code 0",
    "crash": "hostile.Hostile crashed with SIGSEGV",
    "interrupt": "hostile.Hostile raised KeyboardInterrupt (hostile.py, line",
    "hang": "hostile.Hostile took longer than check_limit=8 s (hostile.py, line",
    "memory": "hostile.Hostile took more than 1.0 GB of memory",
}


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Return a function that runs a command line in tmp_path and returns its exit code."""
    monkeypatch.syspath_prepend(str(APPS))
    return lambda *words: train_here(words, monkeypatch, tmp_path)


@pytest.mark.parametrize("where", ["built", "called"])
@pytest.mark.slow
def test_hostile_networks_cost_their_own_cells(where, train, tmp_path, capsys, monkeypatch) -> None:
    """Six cells are named with the reason; the seventh is trained; exit code 1."""
    monkeypatch.setattr(child, "available_memory_mb", lambda: 1280.0)
    kinds = ",".join(REASONS)
    code = train("-m", *HOSTILE, "model=hostile", "check_limit=8", f"model.{where}=none,{kinds}")
    error = capsys.readouterr().err
    rows = rows_of(tmp_path / "outputs/main/results.csv")

    assert code == 1
    assert [row["status"] for row in rows] == ["finished"]
    assert "6 of 7 runs failed:" in error
    for kind, reason in REASONS.items():
        (line,) = [one for one in error.splitlines() if f"left out: model.{where}={kind}" in one]
        assert line.startswith(f"model=hostile: {reason}"), line
    assert "hostile" not in sys.modules


def test_a_plan_leaves_their_cells_out(train, tmp_path, capsys) -> None:
    """Named with the reason; the plan is of the others, and nothing is made for a sweep."""
    code = train("-m", *HOSTILE, "model=hostile", "model.built=none,exit,os-exit", "plan=true")
    said = capsys.readouterr()

    assert code == 0
    for kind in ("exit", "os-exit"):
        assert f"model=hostile: {REASONS[kind]}" in said.err
    assert "1 run in 1 cell: 1 new" in said.out
    assert not (tmp_path / "outputs/main").exists()


@pytest.mark.parametrize("model", ["hostile", "leaves_early"])
def test_nothing_starts_if_no_cell_is_left(model, train, tmp_path, capsys) -> None:
    """One line, exit code 2: also for a single run, and for a module that cannot be imported."""
    words = ["model.built=os-exit"] if model == "hostile" else []
    code = train(*HOSTILE, f"model={model}", *words)
    (line,) = capsys.readouterr().err.splitlines()

    assert code == 2
    assert "ended its process with exit code 0" in line
    assert not list(tmp_path.glob("outputs/*/runs"))


def test_own_loss_that_cannot_ignore_pixels_is_refused_with_them(train, tmp_path, capsys) -> None:
    """One line that says what to add, exit code 2, nothing starts, also in a grid with others."""
    write_bordered(tmp_path)
    data = ("data=folder", "data.images=images", "data.masks=masks", "data.foreground=[1]")
    code = train("-m", *TROUBLE, *data, *TINY[2:], "data.ignore=[255]", "loss=bce,well")
    (line,) = capsys.readouterr().err.splitlines()

    assert code == 2
    assert "loss=well: not allowed with data.ignore: trouble.Trouble would count" in line
    assert "valid=None" in line
    assert not list(tmp_path.glob("outputs/*/runs"))


SOURCE = '''
import os
from segsweep.data.synthetic import Synthetic

class Own(Synthetic):
    """Synthetic images; the third read ends the process."""

    def __init__(self, count: int = 12, side: int = 32, dies: bool = False) -> None:
        super().__init__(count=count, side=side)
        self.dies, self.reads = dies, 0

    def read(self, sample):
        self.reads += 1
        if self.dies and self.reads == 3:
            os._exit(0)
        return super().read(sample)
'''


def test_own_data_source_is_read_in_a_process(train, tmp_path, capsys, monkeypatch) -> None:
    """One that ends its process costs its cell; the other is trained."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ownsource.py").write_text(SOURCE)
    folder = tmp_path / "conf/data"
    folder.mkdir(parents=True)
    common = Path(APPS.parents[1] / "conf/data/synthetic.yaml").read_text().splitlines()
    rest = [line for line in common if line.startswith(("size", "channels", "split", "  "))]
    own = ["# Own images", "_target_: ownsource.Own", "count: 24", "side: 32", "dies: false"]
    (folder / "own.yaml").write_text("\n".join([*own, *rest]) + "\n")
    code = train(
        *("-m", f"--config-dir={tmp_path / 'conf'}", "allow=[ownsource]", "data=own", *TINY[2:]),
        *("trainer.epochs=1", "preflight=false", "data.dies=true,false"),
    )
    error = capsys.readouterr().err
    rows = rows_of(tmp_path / "outputs/main/results.csv")

    assert code == 1
    assert [row["status"] for row in rows] == ["finished"]
    assert (
        "data=own: ownsource.Own ended its process with exit code 0; left out: data.dies=True"
        in error
    )
    assert "ownsource" not in sys.modules
