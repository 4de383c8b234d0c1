"""`segsweep status`, `runs` and `show`."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import yaml

from command import refusal
from main_sweep import FAILURE, RESULT, write_main
from segsweep.sweep.lock import SweepLock
from segsweep.system.files import claimed
from terminal import Terminal


@pytest.fixture
def runs(tmp_path, frozen, write_run):
    """Write outputs/main: two cells, two seeds; finished, failed, interrupted, planned."""
    return write_main(tmp_path / "outputs", frozen, write_run)


def test_status_of_the_only_sweep(segsweep, runs):
    """Counts, failures, interrupted runs; time left from 38 + 40 epochs at 1.5 s."""
    code, out, _ = segsweep("status")
    lines = out.splitlines()

    assert code == 0
    assert lines[0] == (
        "main: 1 of 4 runs finished, 1 interrupted, 1 failed, 1 planned; about 2 min left in 1 slot"
    )
    assert lines[1].startswith("no command running; last change ")
    assert f"{runs[1].name}  raised (2 attempts): ValueError: no" in lines
    assert [line.split() for line in lines[-1:]] == [[runs[2].name, "2/40"]]


def test_status_while_a_command_runs(segsweep, runs):
    """The command's process, and each running run with epoch, scores and time left."""
    with SweepLock(runs[0].parents[1] / "lock"), claimed(runs[2] / ".claim"):
        _, out, _ = segsweep("status", "main")
    (row,) = (line.split() for line in out.splitlines() if line.startswith(runs[2].name))

    assert f"in use by pid {os.getpid()} on host " in out
    assert row == [runs[2].name, "2/40", "0.5000", "0.5000", "57", "s"]


def test_status_of_several_sweeps_is_a_line_each(segsweep, runs, tmp_path, frozen, write_run):
    """Other folders in outputs/ are ignored; --outputs and a path work too."""
    write_run(tmp_path / "outputs" / "zwei", frozen(), result=RESULT)
    (tmp_path / "outputs" / ".cache" / "runs").mkdir(parents=True)
    (tmp_path / "outputs" / "notes").mkdir()
    _, out, _ = segsweep("status")
    (tmp_path / "outputs").rename(tmp_path / "else where")
    _, moved, _ = segsweep("status", "--outputs", "else where")
    _, by_path, _ = segsweep("status", "else where/zwei")

    assert [line.split(":")[0] for line in out.splitlines()] == ["main", "zwei"]
    assert moved == out
    assert by_path.startswith("zwei: 1 of 1 run finished\n")


def test_status_as_json(segsweep, runs):
    """One object with the keys listed by --help; without a name, a list of such objects."""
    (runs[0] / "result.json").write_text("{")
    _, out, _ = segsweep("status", "main", "--json")
    _, help_text, _ = segsweep("status", "--help")
    _, every, _ = segsweep("status", "--json")
    found = json.loads(out)

    assert [key for key in found if key not in help_text] == []
    assert len(found) == 13
    assert found["counts"] == {
        **{"finished": 0, "running": 0, "interrupted": 2, "failed": 1, "planned": 1},
        "superseded": 0,
    }
    assert found["controller"] is None
    assert found["failed"][0]["error"] == "ValueError: no"
    assert found["interrupted"][0]["epochs"] == 40
    assert len(found["warnings"]) == 1
    assert json.loads(every) == {"sweeps": [found]}


def test_long_sections_name_the_command_for_the_rest(segsweep, runs, frozen, write_run):
    """Of thirteen failed runs ten are listed."""
    for seed in range(2, 14):
        write_run(runs[0].parents[1], frozen(seed=seed), failure=FAILURE)
    _, out, _ = segsweep("status")

    assert out.count("ValueError: no") == 10
    assert "and 3 more: segsweep runs main --failed" in out


def test_missing_sweep(segsweep, tmp_path):
    """One line with the sweeps that exist and the nearest name, or that there are none."""
    none = [refusal(segsweep(command)) for command in ("status", "list")]
    (tmp_path / "outputs" / "main" / "runs").mkdir(parents=True)
    wrong = [refusal(segsweep(command, "mian")) for command in ("status", "runs")]

    assert (
        none
        == [
            "no sweep in outputs: there is no such folder; set another folder with --outputs, or "
            "start a sweep with segsweep-train"
        ]
        * 2
    )
    assert (
        wrong
        == [
            "mian: no sweep at that path, nor with that name in outputs; sweeps there: main; "
            "set another folder with --outputs; did you mean 'main'?"
        ]
        * 2
    )


def test_runs_are_a_table_of_80_columns(segsweep, runs):
    """Sorted by cell and seed, with ids for `segsweep show`."""
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
    """Other runs are not listed; --json contains the same."""
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
    """Without a match, one line says so and counts the others."""
    _, out, _ = segsweep("runs", "main", "--status", "planned")
    _, none, _ = segsweep("runs", "main", "--status", "running")

    assert len(out.splitlines()) == 2
    assert none.startswith("no run is running; ")
    assert none.count("\n") == 1
    assert "1 failed" in none


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (("unet2/dice",), 2),
        (("unet2-dice-s1",), 1),
        (("unet2-dice-s1", "unet2/bce"), 3),
        (("*-s1-*",), 2),
        (("unet2/*",), 4),
    ],
)
def test_runs_of_some_names(segsweep, runs, names, count):
    """Cells, runs as progress lines name them, and patterns."""
    _, out, _ = segsweep("runs", "main", *names)
    unknown = refusal(segsweep("runs", "main", "unet2/dise"))

    assert len(out.splitlines()) == 1 + count
    assert "unet2/dise: no such cell or run in outputs/main; did you mean 'unet2/dice'?" in unknown


@pytest.mark.slow
def test_show_finds_a_run_by_id_name_or_path(segsweep, runs):
    """The output has the config, history, files, result and command."""
    name, number = runs[0].name, runs[0].name[-12:]
    words = (number, name, "unet2-bce-s0", str(runs[0]), f"outputs/main/runs/{name}")
    shown = [segsweep("show", word)[1] for word in words]
    lines = shown[0].splitlines()

    assert len({*shown}) == 1
    assert lines[0] == f"{name}: finished"
    assert "    _target_: segsweep.models.unet2.UNet2" in lines
    assert f"  {runs[0] / 'history.csv'}" in lines
    assert '  {"epochs": 3, "best_epoch": 2, "val_iou": 0.7,' in shown[0]
    assert lines[-1].startswith("  python -m segsweep.train -m rerun=all model=unet2 loss=bce")


def test_show_a_failed_run(segsweep, runs):
    """The output has the cause, the traceback and the last output."""
    _, out, _ = segsweep("show", runs[1].name)

    assert "failed: raised (2 attempts): ValueError: no\n  Trace\n  end\n" in out
    assert "  | line 29\n" in out


def test_start_of_an_id_must_match_one_run(segsweep, runs, frozen, write_run):
    """If several match, their paths are named; if none does, the command that lists runs is."""
    other = write_run(runs[0].parents[1], {**frozen(seed=5), "run_id": "ab34ab34ab34"})
    _, out, _ = segsweep("show", "ab3")
    several = refusal(segsweep("show", "0000"))
    none = refusal(segsweep("show", "abc"))

    assert out.startswith(f"{other.name}: planned\n")
    assert several.startswith("0000: matches outputs/main/runs/")
    assert several.endswith(" and 1 more; give more of the id, or SWEEP/RUN")
    assert none.startswith("abc: no run with that id, name or path in outputs; list the runs with ")


def test_show_a_run_whose_option_was_deleted(segsweep, runs):
    """Everything is shown; in place of the command, the reason why there is none."""
    config = yaml.safe_load((runs[3] / "config.yaml").read_text())
    config["choices"]["loss"] = "mine"
    (runs[3] / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    code, out, _ = segsweep("show", runs[3].name)

    assert code == 0
    assert "cannot be determined: loss=mine: no such option; allowed are" in out.splitlines()[-1]


@pytest.mark.slow
def test_watch_updates_until_ctrl_c(runs, tmp_path):
    """Shows a run that finishes, survives a sweep that disappears; Ctrl-C exits with code 0."""
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


def test_copied_sweep_of_a_killed_command_is_not_in_use(segsweep, tmp_path):
    """Its lock names a process of another machine, and copying has renewed the file's time."""
    stored = Path(__file__).parents[1] / "compatibility" / "sweep_0_1_0"
    shutil.copytree(stored, tmp_path / "outputs" / "old", copy_function=shutil.copyfile)
    code, out, _ = segsweep("status", "old")
    removed = segsweep("rm", "old", "--planned", "--yes")

    assert code == 0
    assert "no command running" in out
    assert removed[0] == 0
