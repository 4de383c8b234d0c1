"""`segsweep rm`: what it says, asks, deletes and leaves."""

import os

import pytest

from command import refusal, rows_of
from main_sweep import RESULT, write_main
from segsweep.sweep.lock import SweepLock
from terminal import Terminal


@pytest.fixture
def runs(tmp_path, frozen, write_run):
    """Write outputs/main: two cells, two seeds; finished, failed, interrupted, planned."""
    return write_main(tmp_path / "outputs", frozen, write_run)


def test_rm_lists_and_removes(segsweep, runs):
    """The cell's runs are deleted and the existing tables updated."""
    segsweep("report", "main")
    before = rows_of(runs[0].parents[1] / "results.csv")
    code, out, _ = segsweep("rm", "main", "--cells", "unet2/dice", "--yes")
    after = rows_of(runs[0].parents[1] / "results.csv")

    assert code == 0
    assert out.splitlines()[0].startswith("main: unet2/dice: 2 runs (1 interrupted, 1 planned), ")
    assert out.splitlines()[-1] == "2 runs removed"
    assert [run.exists() for run in runs] == [True, True, False, False]
    assert (len(before), len(after)) == (4, 2)


def test_rm_of_all_cells(segsweep, runs):
    """The status of the empty sweep works."""
    segsweep("report", "main")
    words = ("--cells", "unet2/dice", "--cells", "unet2/bce")
    code, _, _ = segsweep("rm", "main", *words, "--yes")
    _, out, _ = segsweep("status")

    assert code == 0
    assert out.startswith("main: 0 of 0 runs finished\n")


def test_rm_without_a_terminal_needs_yes(segsweep, runs):
    """Without --yes: one line, and nothing is removed."""
    line = refusal(segsweep("rm", "main", "--cells", "unet2/dice"))

    assert line == "nothing removed: no terminal to confirm in; add --yes to remove them"
    assert all(run.exists() for run in runs)


def test_rm_takes_names_and_patterns(segsweep, runs, frozen, write_run):
    """A run as progress lines show it, an id, a pattern, and the cell names of all versions."""
    sweep = runs[0].parents[1]
    long = write_run(sweep, frozen(seed=2, trainer__epochs=80))
    refused = refusal(segsweep("rm", "main", "unet2-s0", "--yes"))
    _, one, _ = segsweep("rm", "main", "unet2-dice-s0", runs[3].name[-12:], "--yes")
    _, cell, _ = segsweep("rm", "main", "unet2/bce;trainer.epochs=80", "--yes")
    before = [run.exists() for run in (*runs, long)]
    _, rest, _ = segsweep("rm", "main", "unet2/*", "--yes")

    assert "unet2-s0: no such cell or run in outputs/main" in refused
    assert [text.splitlines()[-1] for text in (one, cell, rest)] == [
        "2 runs removed",
        "1 run removed",
        "2 runs removed",
    ]
    assert before == [True, True, False, False, False]
    assert list((sweep / "runs").iterdir()) == []


def test_rm_of_planned_runs_only(segsweep, runs):
    """Those that never started; a second time there is nothing to remove, which is no error."""
    _, out, _ = segsweep("rm", "main", "--planned", "--yes")
    code, again, _ = segsweep("rm", "main", "--planned", "--yes")

    assert out.splitlines()[-1] == "1 run removed"
    assert [run.exists() for run in runs] == [True, True, True, False]
    assert (code, again) == (0, "nothing to remove: no run was planned only\n")


def test_rm_of_whole_sweeps(segsweep, runs, tmp_path, frozen, write_run):
    """By name or pattern: tables and folder too; what is to go, and how much, is said first."""
    for name in ("trial-1", "trial-2"):
        write_run(tmp_path / "outputs" / name, frozen(), result=RESULT)
    segsweep("report", "trial-1")
    unsaid = refusal(segsweep("rm", "trial-*"))
    code, out, _ = segsweep("rm", "trial-*", "--yes")
    left = sorted(path.name for path in (tmp_path / "outputs").iterdir())

    assert "add --yes" in unsaid
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("trial-1: unet2/bce: 1 run (1 finished), ")
    assert lines[1].startswith("outputs/trial-1: the whole sweep, 1 run, its tables and its report")
    assert lines[-1] == "2 sweeps with 2 runs removed"
    assert left == ["main"]


def test_rm_leaves_all_sweeps_if_one_is_used(segsweep, runs, tmp_path, frozen, write_run):
    """Nothing is deleted before all of them are known to be free."""
    write_run(tmp_path / "outputs" / "also", frozen(), result=RESULT)
    with SweepLock(tmp_path / "outputs" / "main" / "lock"):
        line = refusal(segsweep("rm", "*", "--yes"))

    assert line.startswith(f"sweep main is in use by pid {os.getpid()} ")
    assert (tmp_path / "outputs" / "also" / "runs").is_dir()


def test_rm_of_an_unknown_cell_or_a_locked_sweep(segsweep, runs):
    """The error names the nearest cell, or the process that holds the lock."""
    unknown = refusal(segsweep("rm", "main", "--cells", "unet2/dise", "--yes"))
    with SweepLock(runs[0].parents[1] / "lock"):
        held = refusal(segsweep("rm", "main", "--cells", "unet2/dice", "--yes"))

    assert "did you mean 'unet2/dice'?; cells are unet2/bce, unet2/dice" in unknown
    assert held.startswith(f"sweep main is in use by pid {os.getpid()} ")
    assert all(run.exists() for run in runs)


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "left"), [("y", 2), ("n", 4), ("", 4)])
def test_rm_takes_an_answer(runs, tmp_path, answer, left):
    """Only y removes; n and an empty answer do not."""
    terminal = Terminal(tmp_path, "rm", "main", "--cells", "unet2/dice")
    terminal.wait_for("[y/N]")
    before = len(list(runs[0].parent.iterdir()))
    os.write(terminal.ours, f"{answer}\n".encode())
    code = terminal.end()

    assert (before, len(list(runs[0].parent.iterdir()))) == (4, left)
    assert code == 0
