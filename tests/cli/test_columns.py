"""Tables fit the terminal; a pipe gets every name in full."""

import pytest

from main_sweep import write_main
from segsweep.cli import render
from segsweep.cli.columns import aligned, cut_middle, fitted, wrapped

CELL = "unet2/focal_tversky@trainer.epochs=80@lr=0.002@loss.gamma=0.75"
ROWS = [
    ("cell", "seed", "error"),
    (CELL, "0", "ValueError: " + "x" * 90),
    ("unet2/bce", "12", "no"),
]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_fit(width):
    """Long texts lose their end, long names their middle; what fits is as it was."""
    lines = fitted(ROWS, width, text=2)

    assert max(map(len, lines)) <= width
    assert lines[1].endswith("…")
    assert lines[1].startswith("unet2/")
    assert "gamma=0.75  0 " in lines[1]
    assert lines[2].split() == ["unet2/bce", "12", "no"]


def test_pipes_get_everything():
    """Nothing is cut where the output is no terminal, nor where it fits."""
    assert fitted(ROWS, None, text=2) == fitted(ROWS, 500) == aligned(ROWS)


def test_cut_names_keep_both_ends():
    """The start says the network, the end the id."""
    assert cut_middle("unet2-dice-s0-0123456789ab", 20) == "unet2-dic…23456789ab"
    assert cut_middle("short", 20) == "short"


def test_sentences_wrap_between_words():
    """A path is not broken."""
    lines = wrapped("main: 1 of 4 runs finished, see outputs/main/report-of-today.html", 30)

    assert lines == ["main: 1 of 4 runs finished,", "  see", "  outputs/main/report-of-today.html"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_status_and_runs_fit_a_terminal(segsweep, tmp_path, frozen, write_run, monkeypatch, width):
    """Names of cells with many keys, in the commands themselves; in full through a pipe."""
    write_main(tmp_path / "outputs", frozen, write_run)
    changed = {"trainer__epochs": 7, "threshold": 0.0123, "evaluate__select": "val_score"}
    write_run(tmp_path / "outputs" / "main", frozen("loss=focal_tversky", **changed), epochs=1)
    full = segsweep("runs", "main")[1]
    monkeypatch.setattr(render, "screen_width", lambda: width)
    for words in (("status", "main"), ("runs", "main"), ("runs", "main", "--failed")):
        lines = segsweep(*words)[1].splitlines()

        assert max(map(len, lines)) <= width, words
    assert all(part in full for part in ("@trainer.epochs=7", "@threshold=0.0123", "=val_score "))
