"""The progress of a sweep: plain lines without a terminal, a live display in one."""

import io
import os
import re
import sys
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from command import wait_for
from segsweep.sweep.places import live_view as views
from segsweep.sweep.places.live_view import View
from segsweep.sweep.processes.worker import EpochDone

pty = pytest.importorskip("pty", reason="no pseudo-terminals here")
CELLS = {
    "unet2-bce-s0-aaa": "unet2/bce",
    "unet2-bce-s1-bbb": "unet2/bce",
    "unet-ss-s0-ccc": "unet/ss",
}
A, B, C = CELLS


@pytest.fixture
def clock(monkeypatch):
    """Return a function that advances the view's clock by some seconds."""
    now = [1000.0]
    monkeypatch.setattr(views, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def go_on(seconds):
        now[0] += seconds

    return go_on


def test_dropped_runs_are_not_waited_for(clock, capsys):
    """The total shrinks, their cell is done; what was not expected is ignored."""
    with View("main", dict.fromkeys(CELLS, 60.0), 1, CELLS) as view:
        assert view.summary().startswith("main: 0/3 runs, about 3 min left")
        view.run_dropped(C)
        view.run_dropped("unknown")

        assert view.summary() == (
            "main: 0/2 runs, about 2 min left, 0 running, 2 waiting, 1/2 cells done"
        )


def test_a_line_for_each_run_that_ends(clock, capsys):
    """The line has the count, the run's name, and its score and time or its error; in order."""
    with View("demo", dict.fromkeys(CELLS, 0.0), 1, CELLS) as view:
        for name, ended in (
            (A, ("finished", 0.71234)),
            (B, ("failed", float("nan"), "killed by SIGSEGV")),
            (C, ("interrupted", float("nan"))),
        ):
            view.run_started(name, 0)
            clock(2.0)
            view.run_ended(name, *ended)

    assert capsys.readouterr().err.splitlines() == [
        f"[1/3] {A}  val IoU 0.7123, 2.0 s; about 4 s left",
        f"[2/3] {B}  failed: killed by SIGSEGV; about 2 s left",
        f"[2/3] {C}  interrupted",
    ]


def test_a_pruned_trial_says_so_and_sets_no_pace(clock, capsys):
    """It took less than the runs that wait will take."""
    with View("demo", {A: 10.0, B: 10.0}, 1, CELLS) as view:
        view.run_started(A, 0)
        clock(2.0)
        view.run_ended(A, "finished", 0.4, note="pruned at epoch 7")

    assert capsys.readouterr().err.splitlines() == [
        f"[2/3] {A}  val IoU 0.4000, pruned at epoch 7, 2.0 s; about 10 s left"
    ]


def test_time_left_is_unknown_until_something_says_it(clock):
    """Nothing measured and nothing finished: no number; then a run's own pace counts."""
    view = View("demo", {A: 0.0, B: 30.0}, 1, CELLS)
    before = view.seconds_left()
    view.run_started(A, 0)
    clock(5.0)
    view.epoch_done(A, EpochDone(1, 4, 0.5))
    first = view.seconds_left()
    clock(2.0)
    view.epoch_done(A, EpochDone(2, 4, 0.5))

    assert (before, first) == (None, None)
    assert view.seconds_left() == 2 * 2 + 30


def test_runs_without_an_estimate_do_not_distort_others(clock):
    """A finished run whose duration was unknown says nothing about how wrong estimates are."""
    view = View("demo", {A: 0.0, B: 30.0, C: 10.0}, 1, CELLS)
    for name, seconds in ((A, 500.0), (B, 60.0)):
        view.run_started(name, 0)
        clock(seconds)
        view.run_ended(name, "finished", 0.5)

    assert view.seconds_left() == 20


def test_runs_finished_before_are_counted(clock):
    """Two of three runs were finished, which completes one of the two cells."""
    view = View("demo", {C: 0.0}, 1, CELLS)

    assert view.summary() == "demo: 2/3 runs, 0 running, 1 waiting, 1/2 cells done"


def test_skipped_runs_are_not_finished(clock):
    """With retry_failed=false: one run stays failed, one is to do, one is finished; no cell is."""
    view = View("demo", {C: 0.0}, 1, CELLS, skipped=[B])

    assert view.summary() == "demo: 1/3 runs, 0 running, 1 waiting, 1 failed, 0/2 cells done"


def test_a_cell_is_finished_with_its_last_run(clock, capsys):
    """One of its two seeds is not enough; a failed run never completes a cell."""
    view = View("demo", dict.fromkeys(CELLS, 0.0), 1, CELLS)
    for name, status in ((A, "finished"), (C, "failed")):
        view.run_started(name, 0)
        view.run_ended(name, status, 0.5)
    assert view.summary() == "demo: 1/3 runs, 0 running, 1 waiting, 1 failed, 0/2 cells done"
    view.run_started(B, 0)
    view.run_ended(B, "finished", 0.5)

    assert view.summary() == "demo: 2/3 runs, 0 running, 0 waiting, 1 failed, 1/2 cells done"


def test_time_left_with_two_slots(clock):
    """By hand: 30 s, 20 s and 20 s in two slots take 40 s; 10 s later, 30 s are left."""
    view = View("demo", {A: 30.0, B: 20.0, C: 20.0}, 2, CELLS)
    assert view.seconds_left() == 40.0
    view.run_started(A, 0)
    view.run_started(B, 1)
    clock(10.0)

    assert view.seconds_left() == 30.0


def test_time_left_follows_the_actual_pace(clock, capsys):
    """8 epochs of 6 s are left: 48 s. A run took twice the expected time: so will the next."""
    view = View("demo", {A: 10.0, B: 10.0}, 1, {A: "x", B: "y"})
    view.run_started(A, 0)
    for epoch in (1, 2):
        clock(6.0)
        view.epoch_done(A, EpochDone(epoch, 10, 0.5))
    assert view.seconds_left() == 48.0 + 10.0
    clock(8.0)
    view.run_ended(A, "finished", 0.5)

    assert view.seconds_left() == 20.0


def test_running_run_corrects_what_others_are_expected_to_take(clock):
    """A run of 10 epochs takes 6 s an epoch, not 60: so will the one that waits."""
    view = View("demo", {A: 600.0, B: 300.0}, 1, {A: "x", B: "y"})
    view.run_started(A, 0)
    for epoch in (1, 2):
        clock(6.0)
        view.epoch_done(A, EpochDone(epoch, 10, 0.5))
    early = view.seconds_left()
    clock(6.0)
    view.epoch_done(A, EpochDone(3, 10, 0.5))

    assert early == 48.0 + 300.0
    assert view.seconds_left() == pytest.approx(42.0 + 30.0)


def test_finished_runs_weigh_more_than_the_beginning_of_one(clock):
    """One took 20 s of 10; 2 of 8 epochs at 5 times their time count as a quarter of a run."""
    view = View("demo", dict.fromkeys(CELLS, 10.0), 1, CELLS)
    view.run_started(A, 0)
    clock(20.0)
    view.run_ended(A, "finished", 0.5)
    view.run_started(B, 0)
    view.epoch_done(B, EpochDone(1, 9, 0.5))
    clock(12.5)
    view.epoch_done(B, EpochDone(3, 9, 0.5))

    assert view.seconds_left() == pytest.approx(37.5 + 10.0 * (20.0 + 0.25 * 50.0) / 12.5)


def test_resumed_run_is_timed_from_where_it_resumed(clock):
    """Epochs 8 and 9 of 10 took 6 s each: the last one takes 6 s, whatever came before."""
    view = View("demo", {A: 0.0}, 1, {A: "x"})
    view.run_started(A, 0)
    for epoch in (8, 9):
        clock(6.0)
        view.epoch_done(A, EpochDone(epoch, 10, 0.5))

    assert view.seconds_left() == 6.0


def test_unknown_time_left(clock):
    """Without expected durations the time left is None."""
    assert View("demo", dict.fromkeys(CELLS, 0.0), 2, CELLS).seconds_left() is None


def test_lines_about_running_runs(clock, capsys):
    """At most one in twenty seconds, with the epochs and best validation IoU of each run."""
    view = View("demo", dict.fromkeys(CELLS, 0.0), 2, CELLS)
    view.run_started(A, 0)
    view.run_started(B, 1)
    for epoch, iou in ((1, 0.25), (2, 0.75), (3, 0.5)):
        view.epoch_done(A, EpochDone(epoch, 40, iou))
    said = []
    for seconds in (15.0, 10.0, 15.0, 10.0):
        clock(seconds)
        view.print_if_quiet()
        said.append(capsys.readouterr().err)

    assert [bool(text) for text in said] == [False, True, False, True]
    assert said[1].endswith("unet2-bce-s0 3/40 0.750; unet2-bce-s1 starting\n")
    assert "2 running, 1 waiting" in said[1]


def test_retried_run_waits_again(clock, capsys):
    """The reason is printed, and the run counts as waiting, not as failed."""
    view = View("demo", {A: 5.0}, 1, {A: "x"})
    view.run_started(A, 0)
    view.run_retried(A, "killed by SIGKILL")

    assert capsys.readouterr().err == f"{A}: killed by SIGKILL; retrying\n"
    assert view.summary() == "demo: 0/1 runs, about 5 s left, 0 running, 1 waiting, 0/1 cells done"
    assert view.waiting == {A: 5.0}


def test_closed_terminal_does_not_end_the_sweep(monkeypatch):
    """Printing to a closed terminal is ignored."""
    gone = io.StringIO()
    gone.close()
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: False, write=gone.write))
    with View("demo", {A: 0.0}, 1, {A: "x"}) as view:
        view.run_started(A, 0)
        view.run_ended(A, "finished", 0.5)

    assert view.finished == 1


class Terminal:
    """A pseudo-terminal and everything that was written to it."""

    def __init__(self):
        self.ours, self.theirs = pty.openpty()
        self.written = b""
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        try:
            while data := os.read(self.ours, 4096):
                self.written += data
        except OSError:  # the other side was closed
            pass

    @property
    def frames(self):
        """All text, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.written.decode(errors="replace"))

    @property
    def screen(self):
        """The lines that a person sees, after cursor movements and erased lines."""
        lines, row = [""], 0
        written = self.written.decode(errors="replace")
        for up, erase, text in re.findall(
            r"\x1b\[(\d+)A|(\x1b\[2K)|\x1b\[[0-9;?]*[a-zA-Z]|([^\x1b\r]+)", written
        ):
            row -= int(up or 0)
            lines[row] = "" if erase else lines[row]
            for index, part in enumerate(text.split("\n")):
                row += index > 0
                lines.extend("" for _ in range(row + 1 - len(lines)))
                lines[row] += part
        return [line.rstrip() for line in lines if line.strip()]


@contextmanager
def terminal_of(monkeypatch):
    """Let standard error be a terminal of 24 lines and 80 columns.

    Not a fixture: pytest replaces the streams when a test begins.
    """
    made = Terminal()
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    with os.fdopen(made.theirs, "w", buffering=1) as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        yield made
    made.reader.join(10)


def test_terminal_shows_a_live_display_and_keeps_only_the_lines(monkeypatch):
    """While it runs: the sweep's progress and each running run; afterwards only the lines."""
    with (
        terminal_of(monkeypatch) as terminal,
        View("demo [old]", dict.fromkeys(CELLS, 5.0), 2, CELLS) as view,
    ):
        view.run_started(A, 0)
        view.run_started(B, 1)
        view.epoch_done(A, EpochDone(3, 40, 0.5))
        wait_for(lambda: "epoch 3/40" in terminal.frames, 10)
        running = "\n".join(terminal.screen)
        view.run_ended(A, "finished", 0.5123)
        view.run_started(C, 0)
        wait_for(lambda: "unet-ss-s0" in terminal.frames, 10)
        then = "\n".join(terminal.screen)
        view.run_ended(B, "failed", float("nan"), "RuntimeError: [red] is no colour here")

    assert re.match(
        r"demo .old.: 0/3 runs, about .* s left, 2 running, 1 waiting, 0/2 cells", running
    )
    assert re.search(r"unet2-bce-s0 .*epoch 3/40  val IoU 0.5000  best 0.5000", running)
    assert re.search(r"unet2-bce-s1 .*starting", running)
    assert re.match(rf"\[1/3] {A}  val IoU 0.5123, .* s\ndemo .old.: 1/3 runs", then)
    assert [line.partition("  ")[2][:7] for line in terminal.screen] == ["val IoU", "failed:"]
    assert "[red] is no colour here" in terminal.screen[1]


def test_more_runs_than_a_terminal_has_lines(monkeypatch):
    """Forty slots: sixteen are shown, the others counted; the display fits the screen."""
    names = {f"unet2-bce-s{number}-id": "unet2/bce" for number in range(40)}
    with (
        terminal_of(monkeypatch) as terminal,
        View("demo", dict.fromkeys(names, 0.0), 40, names) as view,
    ):
        for slot, name in enumerate(names):
            view.run_started(name, slot)
        wait_for(lambda: "and 24 more" in terminal.frames, 10)
        seen = terminal.screen

    assert len(seen) <= 24
    assert sum("starting" in line for line in seen) == 16
    assert terminal.screen == []
