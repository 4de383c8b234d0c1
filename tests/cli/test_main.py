"""The `segsweep` command: how sweeps are looked at and tidied from a terminal."""

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from command import refusal, rows_of
from segsweep.store.paths import RunPaths
from segsweep.sweep.lock import SweepLock
from segsweep.system.files import claimed

RESULT = {"epochs": 3, "best_epoch": 2, "val_iou": 0.7, "test_iou": 0.6, "seconds": 6.0}
FAILURE = {"cause": "raised", "error": "ValueError: no", "attempts": 2, "traceback": "Trace\nend"}


@pytest.fixture
def runs(tmp_path, frozen, write_run):
    """Write outputs/main: two cells, two seeds; finished, failed, interrupted, planned."""
    sweep = tmp_path / "outputs" / "main"
    made = [
        write_run(sweep, frozen(), result=RESULT, epochs=3),
        write_run(sweep, frozen(seed=1), failure=FAILURE, epochs=1),
        write_run(sweep, frozen("loss=dice"), epochs=2),
        write_run(sweep, frozen("loss=dice", seed=1)),
    ]
    (made[1] / "train.log").write_text("\n".join(f"line {n}" for n in range(30)) + "\n")
    return made


def test_status_of_the_only_sweep(segsweep, runs):
    """Counts, causes, what was interrupted; the time that is left of 38 + 40 epochs of 1.5 s."""
    code, out, _ = segsweep("status")
    lines = out.splitlines()

    assert code == 0
    assert lines[0] == (
        "main: 1 of 4 runs finished, 1 interrupted, 1 failed, 1 planned; about 2 min left in 1 slot"
    )
    assert lines[1].startswith("no command running; last change ")
    assert f"{runs[1].name}  raised (2 attempts): ValueError: no" in lines
    assert [line.split() for line in lines[-1:]] == [[runs[2].name, "2/40"]]


def test_status_while_a_command_works(segsweep, runs):
    """Who it is, and what runs, with epoch, figures and time left."""
    with SweepLock(runs[0].parents[1] / "lock"), claimed(runs[2] / ".claim"):
        _, out, _ = segsweep("status", "main")
    (row,) = (line.split() for line in out.splitlines() if line.startswith(runs[2].name))

    assert f"in use by pid {os.getpid()} on host " in out
    assert row == [runs[2].name, "2/40", "0.5000", "0.5000", "57", "s"]


def test_status_of_several_sweeps_is_a_line_each(segsweep, runs, tmp_path, frozen, write_run):
    """Other folders in outputs/ are no sweeps; another place can be given."""
    write_run(tmp_path / "outputs" / "zwei", frozen(), result=RESULT)
    (tmp_path / "outputs" / ".cache" / "runs").mkdir(parents=True)
    (tmp_path / "outputs" / "notes").mkdir()
    _, out, _ = segsweep("status")
    (tmp_path / "outputs").rename(tmp_path / "else where")
    _, moved, _ = segsweep("status", "--outputs", "else where")
    _, by_path, _ = segsweep("status", "else where/zwei")

    assert [line.split(":")[0] for line in out.splitlines()] == ["main", "zwei"]
    assert moved == out
    assert by_path.startswith("zwei: 1 of 1 runs finished\n")


def test_status_as_json(segsweep, runs):
    """One object with the keys that --help names; without a name, a list of such objects."""
    (runs[0] / "result.json").write_text("{")
    _, out, _ = segsweep("status", "main", "--json")
    _, help_text, _ = segsweep("status", "--help")
    _, every, _ = segsweep("status", "--json")
    found = json.loads(out)

    assert [key for key in found if key not in help_text] == []
    assert len(found) == 13
    assert found["counts"] == {
        **{"finished": 0, "running": 0, "interrupted": 2, "failed": 1, "planned": 1},
    }
    assert found["controller"] is None
    assert found["failed"][0]["error"] == "ValueError: no"
    assert found["interrupted"][0]["epochs"] == 40
    assert len(found["warnings"]) == 1
    assert json.loads(every) == {"sweeps": [found]}


def test_long_lists_are_cut_and_say_where_the_rest_is(segsweep, runs, frozen, write_run):
    """Thirteen failed runs: ten are named."""
    for seed in range(2, 14):
        write_run(runs[0].parents[1], frozen(seed=seed), failure=FAILURE)
    _, out, _ = segsweep("status")

    assert out.count("ValueError: no") == 10
    assert "and 3 more: segsweep runs main --failed" in out


def test_sweep_that_is_not_there(segsweep, tmp_path):
    """One line with the nearest name and what there is; none at all is said, too."""
    none = refusal(segsweep("status"))
    (tmp_path / "outputs" / "main" / "runs").mkdir(parents=True)
    wrong = [refusal(segsweep(command, "mian")) for command in ("status", "runs")]

    assert none == "no sweep in outputs; set another folder with --outputs"
    assert (
        wrong
        == [
            "mian: no sweep at that path, nor with that name in outputs; sweeps there: main; "
            "set another folder with --outputs; did you mean 'main'?"
        ]
        * 2
    )


@pytest.mark.parametrize(
    "words",
    [
        ("staus",),
        ("status", "--wach"),
        ("runs",),
        ("rm", "main"),
        ("status", "--json", "--watch"),
        ("runs", "main", "--status", "done"),
        ("runs", "main", "--failed", "--status", "planned"),
        ("show", ""),
    ],
)
def test_wrong_use_is_one_line(segsweep, runs, words):
    """Exit code 2, no traceback, no box."""
    assert "─" not in refusal(segsweep(*words))


def test_runs_are_a_table_of_80_columns(segsweep, runs):
    """By cell and seed, with the ids that `show` takes."""
    _, out, _ = segsweep("runs", "main")
    lines = out.splitlines()
    ids = [run.name[-12:] for run in (*runs[:2], *runs[2:])]

    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines] == [
        ["cell", "seed", "id", "status", "epoch", "val", "IoU"],
        ["unet2/bce", "0", ids[0], "finished", "3", "0.7000"],
        ["unet2/bce", "1", ids[1], "failed", "1/40", "0.5000"],
        ["unet2/dice", "0", ids[2], "interrupted", "2/40", "0.5000"],
        ["unet2/dice", "1", ids[3], "planned", "0/40", "-"],
    ]


def test_failed_runs_come_with_cause_and_last_output(segsweep, runs):
    """And only they; the same as JSON."""
    _, out, _ = segsweep("runs", "main", "--failed")
    _, text, _ = segsweep("runs", "main", "--failed", "--json")
    (run,) = json.loads(text)["runs"]

    assert "    raised (2 attempts): ValueError: no" in out.splitlines()
    assert [line for line in out.splitlines() if "| " in line] == [
        f"    | line {n}" for n in range(25, 30)
    ]
    assert "planned" not in out
    assert (run["run"], run["cause"], run["cell"]) == (runs[1].name, "raised", "unet2/bce")
    assert run["output"] == [f"line {n}" for n in range(25, 30)]


def test_runs_of_one_status(segsweep, runs):
    """Where there is none, that is said."""
    _, out, _ = segsweep("runs", "main", "--status", "planned")
    _, none, _ = segsweep("runs", "main", "--status", "running")

    assert len(out.splitlines()) == 2
    assert none == "no such runs\n"


def test_show_finds_a_run_by_id_name_or_path(segsweep, runs):
    """All of it is there: config, best epoch, files, result, the command."""
    name, number = runs[0].name, runs[0].name[-12:]
    words = (number, name, str(runs[0]), f"outputs/main/runs/{name}")
    shown = [segsweep("show", word)[1] for word in words]
    lines = shown[0].splitlines()

    assert len({*shown}) == 1
    assert lines[0] == f"{name}: finished"
    assert "    _target_: segsweep.models.unet2.UNet2" in lines
    assert f"  {runs[0] / 'history.csv'}" in lines
    assert '  {"epochs": 3, "best_epoch": 2, "val_iou": 0.7,' in shown[0]
    assert lines[-1].startswith("  python -m segsweep.train model=unet2 loss=bce")


def test_show_a_failed_run(segsweep, runs):
    """Cause, traceback, last output."""
    _, out, _ = segsweep("show", runs[1].name)

    assert "failed: raised (2 attempts): ValueError: no\n  Trace\n  end\n" in out
    assert "  | line 29\n" in out


def test_start_of_an_id_must_be_of_one_run(segsweep, runs, frozen, write_run):
    """Where several ids begin so, the paths are named; a wrong one says where to look."""
    other = write_run(runs[0].parents[1], {**frozen(seed=5), "run_id": "ab34ab34ab34"})
    _, out, _ = segsweep("show", "ab3")
    several = refusal(segsweep("show", "0000"))
    none = refusal(segsweep("show", "abc"))

    assert out.startswith(f"{other.name}: planned\n")
    assert several.startswith("0000: matches outputs/main/runs/")
    assert several.endswith(" and 1 more; give more of the id, or the path")
    assert none.startswith("abc: no run with that id, name or path in outputs; list the runs with ")


def test_option_that_is_gone_is_said(segsweep, runs):
    """The user's own loss, whose folder is not there any more: the rest is shown."""
    config = yaml.safe_load((runs[3] / "config.yaml").read_text())
    config["choices"]["loss"] = "mine"
    (runs[3] / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code, out, _ = segsweep("show", runs[3].name)

    assert code == 0
    assert "cannot be said: loss=mine: no such option; allowed are" in out.splitlines()[-1]


SMALL = ("data.count=24", "data.side=32", "data.size=32")
AGAIN = [
    (),
    ("loss=focal", "loss.gamma=3", "seed=7", "model=unet", "model.channels=[4,8]"),
    ("experiment=demo", "trainer.batch=4", "optimizer.lr=1e-5"),
    ("trainer=notebook", "trainer.batch=4", "optimizer=sgd", "scheduler=none", "augment=none"),
    ("data.channels=1", "data.split.fold=2", "trainer.early_stop=3", "threshold=0.4", "threads=1"),
    ("~optimizer.weight_decay", "optimizer.lr=3", "model=segnet"),
    ("kind=trial", "search.filled=[optimizer.lr]", "optimizer.lr=0.0123", "keep=none"),
    ("sweep='it is 1'", "loss=tversky", "+optimizer.betas=[0.8,0.9]", "trainer.precision=float32"),
]


@pytest.mark.parametrize(
    ("outputs", "overrides"), [*(("outputs", one) for one in AGAIN), ("ein Ort's ü", AGAIN[-1])]
)
def test_shown_command_makes_the_same_run(overrides, outputs, tmp_path, monkeypatch):
    """The same id in the same folder, from the command line as a shell splits it."""
    from conftest import compose_here
    from segsweep.cli.main import _composed
    from segsweep.cli.reproduce import command_of
    from segsweep.store.records import write_config
    from segsweep.sweep.planning.plan import plan_run

    monkeypatch.chdir(tmp_path)
    quoted = outputs.replace("'", "\\'")
    run = plan_run(*compose_here(*SMALL, *overrides, f"outputs='{quoted}'"))
    write_config(run.paths.config, run.config.values)
    words = shlex.split(command_of(run.paths, _composed))
    again = plan_run(*compose_here(*words[3:]))
    run.paths.root.parents[1].rename("moved")
    there = shlex.split(command_of(RunPaths(Path("moved/runs") / run.name), _composed))

    assert words[:3] == ["python", "-m", "segsweep.train"]
    assert again.config.run_id == run.config.run_id
    assert again.paths.root == run.paths.root
    assert again.config == run.config
    assert plan_run(*compose_here(*there[3:])).paths.root == Path("moved/runs") / run.name


@pytest.mark.parametrize(
    "value",
    [
        *("plain", "a b", "it's", "a\\", "\\'", "\\\\'x", 'say "no"', "null", "True", "1e5", "3"),
        *(
            "",
            " ",
            "ü",
            "ä,ö",
            "[x]",
            "{a: 1}",
            "a=b",
            "a:b",
            "~x",
            "/some where",
            "x#y",
            "$HOME",
        ),
        *(None, True, False, 3, -2, 0.1, 1e-05, 1e300, [1, "a b", None], [], [[1], ["it's"]]),
    ],
)
def test_values_come_back_from_hydras_grammar(value):
    """Whatever a config may hold."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from segsweep.cli.reproduce import _text

    (parsed,) = OverridesParser.create().parse_overrides([f"key={_text(value)}"])
    found = parsed.value()
    plain = json.loads(json.dumps(found, default=lambda quoted: quoted.text))

    assert plain == value
    assert type(plain) is type(value)


def test_options_of_the_users_own_are_named(tmp_path, monkeypatch):
    """The folder that the run's command named is in the command that makes it again."""
    from conftest import compose_here
    from segsweep.cli.main import _composed
    from segsweep.cli.reproduce import command_of
    from segsweep.store.records import write_config
    from segsweep.sweep.planning.plan import plan_run

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my conf" / "loss").mkdir(parents=True)
    text = "_target_: segsweep.losses.FocalLoss\ngamma: 5.0\n"
    (tmp_path / "my conf" / "loss" / "mine.yaml").write_text(text)
    run = plan_run(*compose_here(*SMALL, "hydra.searchpath=['my conf']", "loss=mine"))
    write_config(run.paths.config, run.config.values)
    run.paths.environment.write_text(json.dumps({"command": ["--config-dir", "my conf", "x=1"]}))
    words = shlex.split(command_of(run.paths, _composed))

    assert words[3:5] == ["--config-dir", "my conf"]
    assert "loss=mine" in words
    assert not any(word.startswith("loss.") for word in words)


def test_rm_lists_and_removes(segsweep, runs):
    """The cell's runs are gone, and the tables that stood say so."""
    segsweep("report", "main")
    before = rows_of(runs[0].parents[1] / "results.csv")
    code, out, _ = segsweep("rm", "main", "--cells", "unet2/dice", "--yes")
    after = rows_of(runs[0].parents[1] / "results.csv")

    assert code == 0
    assert out.splitlines()[0].startswith("unet2/dice: 2 runs (1 interrupted, 1 planned), ")
    assert out.splitlines()[-1] == "2 runs removed"
    assert [run.exists() for run in runs] == [True, True, False, False]
    assert (len(before), len(after)) == (4, 2)


def test_rm_of_all_cells(segsweep, runs):
    """An empty sweep can be looked at."""
    segsweep("report", "main")
    words = ("--cells", "unet2/dice", "--cells", "unet2/bce")
    code, _, _ = segsweep("rm", "main", *words, "--yes")
    _, out, _ = segsweep("status")

    assert code == 0
    assert out.startswith("main: 0 of 0 runs finished\n")


def test_rm_asks_somebody(segsweep, runs):
    """Nobody there and no --yes: one line, and nothing is removed."""
    line = refusal(segsweep("rm", "main", "--cells", "unet2/dice"))

    assert line == "nothing removed: there is nobody to ask; add --yes to remove them"
    assert all(run.exists() for run in runs)


def test_rm_of_what_is_not_there_or_in_use(segsweep, runs):
    """The nearest cell; who works on the sweep."""
    unknown = refusal(segsweep("rm", "main", "--cells", "unet2/dise", "--yes"))
    with SweepLock(runs[0].parents[1] / "lock"):
        held = refusal(segsweep("rm", "main", "--cells", "unet2/dice", "--yes"))

    assert "did you mean 'unet2/dice'?; cells are unet2/bce, unet2/dice" in unknown
    assert held.startswith(f"sweep main is in use by pid {os.getpid()} ")
    assert all(run.exists() for run in runs)


class Terminal:
    """A `segsweep` process in a terminal of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        """Start it in *folder*."""
        ours, theirs = pty.openpty()
        self.ours, self.text = ours, ""
        command = [sys.executable, "-m", "segsweep.cli.main", *words]
        root = str(Path(__file__).resolve().parents[2])
        environment = {**os.environ, "PYTHONPATH": root, "TERM": "xterm", "COLUMNS": "80"}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        os.set_blocking(ours, False)

    def wait_for(self, text: str) -> None:
        """Read until *text* was written."""
        end = time.monotonic() + 30
        while text not in self.text:
            assert time.monotonic() < end, self.text
            try:
                self.text += os.read(self.ours, 10**6).decode()
            except BlockingIOError:
                time.sleep(0.02)

    def end(self) -> int:
        """Return its exit code."""
        code = self.process.wait(30)
        os.close(self.ours)
        return code


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("n", 4), ("", 4)])
def test_rm_takes_an_answer(runs, tmp_path, answer, left):
    """Yes removes; no, and just the return key, do not."""
    terminal = Terminal(tmp_path, "rm", "main", "--cells", "unet2/dice")
    terminal.wait_for("[y/N]")
    before = len(list(runs[0].parent.iterdir()))
    os.write(terminal.ours, f"{answer}\n".encode())
    code = terminal.end()

    assert (before, len(list(runs[0].parent.iterdir()))) == (4, left)
    assert code == 0


@pytest.mark.slow
def test_watch_follows_and_is_left_without_an_error(runs, tmp_path):
    """A run that finishes shows; a sweep that goes away ends nothing; Ctrl-C is exit code 0."""
    terminal = Terminal(tmp_path, "status", "main", "--watch")
    terminal.wait_for("main: 1 of 4 runs finished")
    (runs[3] / "result.json").write_text(json.dumps(RESULT))
    terminal.wait_for("main: 2 of 4 runs finished")
    (tmp_path / "outputs").rename(tmp_path / "away")
    terminal.wait_for("no sweep at that path")
    terminal.process.send_signal(signal.SIGINT)
    code = terminal.end()

    assert code == 0
    assert "Traceback" not in terminal.text


def test_looking_needs_no_torch(runs, tmp_path):
    """Neither torch nor hydra nor pandas is imported: a look is quick, and works anywhere."""
    code = (
        "import sys; from segsweep.cli.main import app\n"
        "for words in (['status'], ['status', '--json'], ['runs', 'main', '--failed']):\n"
        "    app(words, standalone_mode=False)\n"
        "print(sorted({'torch', 'hydra', 'pandas', 'numpy', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
