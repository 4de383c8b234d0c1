"""Progress lines: what is printed, what is logged, and how time spans are written."""

import os
import pty
import re
from pathlib import Path

import pytest

from segsweep.system.progress import Counter, Progress, can_rewrite, duration

ROW = {"epoch": 1.0, "val_iou": 0.5, "train_loss": 0.25, "val_loss": 0.125, "lr": 0.002}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (5399, "90 min"),
        (5400, "1 h 30 min"),
        (86_400, "24 h 0 min"),
    ],
)
def test_duration_in_words(seconds, text):
    """Seconds below 1.5 minutes, minutes below 1.5 hours, then hours and minutes."""
    assert duration(seconds) == text


@pytest.mark.parametrize("verbose", [True, False])
def test_epochs_are_logged_and_the_last_is_printed(tmp_path, capsys, verbose):
    """Every epoch is in the log; without a terminal the last is printed, if verbose."""
    log = tmp_path / "train.log"
    progress = Progress("unet2-bce-s0-1a2b", 2, log, verbose=verbose)
    history = [{**ROW, "seconds": 30.0}, {**ROW, "epoch": 2.0, "seconds": 50.0}]
    progress.epoch(history[:1], best=True)
    progress.epoch(history, best=False)
    progress.close()

    first = "epoch 1/2  val IoU 0.5000* loss 0.2500  val 0.1250  lr 2.00e-03"
    last = "epoch 2/2  0 s left  val IoU 0.5000  loss 0.2500  val 0.1250  lr 2.00e-03"
    logged = [line.split("  ", 1)[1] for line in log.read_text().splitlines()]
    assert logged == [first, last]
    assert capsys.readouterr().err == (f"unet2-bce-s0-1a2b  {last}\n" if verbose else "")


def test_time_left_waits_for_the_second_epoch(tmp_path):
    """The first epoch, which takes longer, does not count: 3 epochs at 2 s, not at 41 s."""
    log = tmp_path / "train.log"
    progress = Progress("unet2-bce-s0-1a2b", 5, log, verbose=False)
    history = [{**ROW, "seconds": 80.0}, {**ROW, "epoch": 2.0, "seconds": 2.0}]
    progress.epoch(history[:1], best=True)
    progress.epoch(history, best=False)
    first, second = log.read_text().splitlines()

    assert " left" not in first
    assert "epoch 2/5  6 s left  " in second


def test_announcements_are_printed_and_logged(tmp_path, capsys):
    """A line that stays is in the terminal and in the log; `write` only logs."""
    progress = Progress("unet2-bce-s0-1a2b", 2, tmp_path / "train.log")
    progress.announce("resumed")
    progress.write("a detail")

    assert capsys.readouterr().err == "unet2-bce-s0-1a2b  resumed\n"
    logged = (tmp_path / "train.log").read_text().splitlines()
    assert [line.split("  ", 1)[1] for line in logged] == ["resumed", "a detail"]


def test_short_tasks_show_no_counter(capsys):
    """Nothing is printed in the first two seconds."""
    count = Counter("reading images")
    for done in range(1, 4):
        count(done, 3)

    assert capsys.readouterr().err == ""


def test_long_tasks_show_how_far_they_are(capsys):
    """After ten seconds for 2 of 6 items, 20 seconds are left."""
    count = Counter("reading images")
    count.started -= 10
    count.last_output -= 10
    count(2, 6)

    assert capsys.readouterr().err == "reading images 2/6, 20 s left\n"


def test_time_left_waits_for_a_few_items(capsys, monkeypatch):
    """Long preparations do not count: 98 items after a minute of hashing are no two hours."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    count = Counter("reading images")
    for done, moment in enumerate((60.0, 60.2, 62.5, 65.0), 1):
        now[0] = moment
        count(done, 98)
    lines = capsys.readouterr().err.splitlines()

    assert lines == [
        "reading images 1/98",
        "reading images 3/98, 2 min left",
        "reading images 4/98, 3 min left",
    ]


def test_time_left_is_not_that_of_the_first_batch(capsys, monkeypatch):
    """24 images in batches of 4: the first batch takes 16 s, the others 1.5 s."""
    now, moments = [0.0], [(0, 0.0)]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    moments += [(item, 16 + 1.5 * ((item - 1) // 4) + 0.01 * item) for item in range(1, 25)]
    count = Counter("predicting images")
    for done, now[0] in moments:
        count(done, 24)
    told = re.findall(r"images (\d+)/24, (\d+) s left", capsys.readouterr().err)

    assert len(told) > 2
    for done, left in told:
        assert abs(int(left) - (moments[-1][1] - moments[int(done)][1])) < 3


def test_last_item_is_counted(capsys):
    """A line that was shown ends with all items done."""
    count = Counter("reading images")
    count.started -= 10
    count.last_output -= 10
    count(2, 3)
    count(3, 3)

    assert capsys.readouterr().err.splitlines()[-1] == "reading images 3/3, 0 s left"


def test_output_of_a_notebook_is_no_terminal(monkeypatch):
    """`!command` in a notebook runs in a terminal that cannot move its cursor up."""
    near, far = pty.openpty()
    with os.fdopen(far, "w") as terminal, os.fdopen(near), Path(os.devnull).open("w") as nowhere:
        monkeypatch.delenv("JPY_PARENT_PID", raising=False)
        before = can_rewrite(terminal), can_rewrite(nowhere)
        monkeypatch.setenv("JPY_PARENT_PID", "4711")
        after = can_rewrite(terminal)

    assert before == (True, False)
    assert not after


def test_items_that_differ_count_by_their_share(capsys, monkeypatch):
    """Two of ten images are done after 2 s, but they were most of the work: 1 s is left."""
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    count = Counter("reading images")
    for done, share, moment in ((0, 0.0, 0.2), (1, 0.4, 1.1), (2, 0.75, 2.0)):
        now[0] = moment
        count(done, 10, share)

    assert capsys.readouterr().err == "reading images 2/10, 1 s left\n"
