"""The process beside a command: started once, waited for, and given up if it hangs or dies."""

import json
import os
import signal
import sys
import time

import pytest

from command import alive, wait_for
from segsweep.config.schema import TrackerConfig
from segsweep.tracking import process
from segsweep.tracking.process import Tracking

STAND_IN = """
import json, os, sys, time
names = [line.strip() for line in sys.stdin]
with open(os.environ["SEEN"], "a") as file:
    file.write(json.dumps(names) + "\\n")
{end}
"""
"""In place of the module `follow`: it notes what it is told."""


@pytest.fixture
def tracking(sweep, tmp_path, monkeypatch):
    """Return a function: code for the end -> Tracking with a stand-in for its process."""
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    package = tmp_path / "stand-in/segsweep"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tracking").mkdir()
    (package / "tracking/__init__.py").touch()

    def make(end):
        (package / "tracking/follow.py").write_text(STAND_IN.format(end=end))
        monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
        monkeypatch.chdir(tmp_path)
        return Tracking(TrackerConfig(name="tensorboard"), sweep)

    return make


def test_names_reach_the_process_once(tracking, tmp_path, capsys):
    """However many there are, and whoever tells them; the command says where to look."""
    found = tracking("print('[]')")
    names = [f"unet-dice-s{seed}-{seed:012x}" for seed in range(5000)]
    found.add(names[:3000])
    found.add(names)
    found.close()
    found.close()
    _, error = capsys.readouterr()

    assert json.loads((tmp_path / "seen").read_text()) == names
    assert error == f"tracker: tensorboard --logdir {found.sweep.tensorboard}\n"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("print(json.dumps(['OSError: full'] * 2))", "the records of 2 runs are incomplete: OSE"),
        ("print(json.dumps(['OSError: full']))", "the records of 1 run are incomplete: OSErr"),
        ("sys.exit(1)", "its process ended early; its records are incomplete"),
        ("os.kill(os.getpid(), 9)", "its process ended early; its records are incomplete"),
        ("print('.'); sys.exit()", "its process ended early; its records are incomplete"),
    ],
)
def test_what_went_wrong_is_one_line(end, said, tracking, capsys):
    """The command ends as it would have without a tracker."""
    found = tracking(end)
    found.add(["a run"])
    found.close()

    last = capsys.readouterr().err.splitlines()[1:]
    assert len(last) == 1
    assert last[0].startswith(f"tracker=tensorboard: {said}")


def test_process_that_hangs_is_killed(tracking, capsys, monkeypatch):
    """After a while without any answer; before that the command says what it waits for."""
    monkeypatch.setattr(process, "QUIET_SECONDS", 0.2)
    monkeypatch.setattr(process, "STALLED_SECONDS", 0.4)
    found = tracking("time.sleep(600)")
    found.add(["a run"])
    pid = found._process.pid
    started = time.monotonic()
    found.close()

    assert time.monotonic() - started < 30
    assert not alive(pid)
    waiting, problem = capsys.readouterr().err.splitlines()[1:]
    assert waiting == "tracker: writing what is left"
    assert "did not end within" in problem


@pytest.mark.slow
def test_slow_process_is_waited_for(tracking, capsys, monkeypatch):
    """As long as it tells that it goes on."""
    monkeypatch.setattr(process, "QUIET_SECONDS", 0.1)
    monkeypatch.setattr(process, "STALLED_SECONDS", 2.0)
    end = "for _ in range(10): time.sleep(0.3); print(flush=True)\nprint('[]')"
    found = tracking(end)
    found.add(["a run"])
    found.close()

    assert capsys.readouterr().err.splitlines()[1:] == ["tracker: writing what is left"]


def test_process_that_is_gone_does_not_stop_the_command(tracking, capsys):
    """Further runs are told to nobody."""
    found = tracking("print('[]')")
    found.add(["a run"])
    pid = found._process.pid
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))
    found.add(["another", "and another"])
    found.close()

    assert "its process ended early" in capsys.readouterr().err


def test_nothing_starts_without_runs(tracking, capsys):
    """A command whose runs are all finished."""
    tracking("print('[]')").close()

    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_real_process_ends_with_its_command_only(number, sweep, new_run, capsys):
    """Signals to the whole job do not end it, the end of its input does; no torch is imported."""
    pytest.importorskip("tensorboard", reason="not installed: segsweep[tensorboard]")
    run = new_run("loss=dice")
    found = Tracking(TrackerConfig(name="tensorboard"), sweep)
    found.add([run.name])
    pid = found._process.pid
    run.train(2)
    wait_for(lambda: list(sweep.tensorboard.glob("*/*")))
    os.kill(pid, number)
    with open(f"/proc/{pid}/maps") as maps:  # noqa: PTH123  not a file on a disk
        assert "libtorch" not in maps.read()
    run.leave()
    found.close()

    assert capsys.readouterr().err.count("\n") == 1
    assert not alive(pid)
