"""Kinds of runs are measured once each, in real processes, and cached."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from command import TINY
from segsweep.sweep.planning import cost
from segsweep.sweep.planning.measure import measure_kinds, remove_scratch
from segsweep.sweep.planning.plan import plan_run
from segsweep.sweep.processes.slots import Slot

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork server")


def never():
    """Return False: nobody asks to stop."""
    return False


@pytest.fixture
def plan(composed, tmp_path, monkeypatch):
    """Return a function: words -> a run planned in a separate folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: plan_run(*composed(*TINY, f"outputs={tmp_path}/outputs", *words))


def test_one_run_of_each_kind_is_measured_and_cached(plan, tmp_path):
    """A kind whose first step fails is reported and left out; the other is stored."""
    good, bad = plan(), plan("seed=1")
    broken = bad.config.with_values({"model": {**bad.config.model, "in_channels": 1}})
    runs = [good, type(bad)(broken, bad.paths)]
    kinds = {good.name: "good", bad.name: "bad"}
    cells = {good.name: "unet2/bce", bad.name: "unet2/dice"}
    found = measure_kinds(runs, kinds, cells, [Slot(0, 1)], never)

    assert found == {"good": cost.load(tmp_path / "outputs/.cache", "good")}
    assert found["good"].train == 12
    assert found["good"].peak_mb > 0
    assert not list((tmp_path / "outputs/.cache").glob("preflight-*/"))


def test_cached_kinds_start_no_process(plan, tmp_path):
    """Without slots nothing could be measured: the cost is read from the cache."""
    run = plan()
    cached = cost.Measured(*[1.0] * 11, *[1] * 5)
    cost.store(tmp_path / "outputs/.cache", "kind", cached)

    assert measure_kinds([run], {run.name: "kind"}, {run.name: "a/b"}, [], never) == {
        "kind": cached
    }


def test_scratch_of_dead_commands_is_deleted(tmp_path):
    """That of a killed process goes; that of a live one, and the measurements, stay."""
    cache = tmp_path / "outputs/.cache"
    cache.mkdir(parents=True)
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom segsweep.system.files import *\n"
        "with scratch_folder(Path(sys.argv[1]), 'preflight-') as folder:\n"
        " (folder / 'last.pt').write_text('x')\n print(folder, flush=True)\n"
        " sys.stdin.read()"
    )
    words = [sys.executable, "-c", code, str(cache)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    dead, alive = (subprocess.Popen(words, **pipes) for _ in range(2))
    left, used = (Path(one.stdout.readline().strip()) for one in (dead, alive))
    old = cache / "preflight-abcdefgh"
    old.mkdir()
    os.utime(old, (0, 0))
    (cache / "preflight-0123456789abcdef.json").write_text("{}")
    dead.kill()
    dead.wait()
    remove_scratch(str(tmp_path / "outputs"))
    seen = {path.name for path in cache.iterdir()}
    alive.communicate("", timeout=30)

    assert seen == {used.name, f"{used.name}.lock", "preflight-0123456789abcdef.json"}
    assert left.name not in seen
    assert {path.name for path in cache.iterdir()} == {"preflight-0123456789abcdef.json"}
