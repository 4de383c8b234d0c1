"""`segsweep list`: what the lines say, and what they are read from."""

import pytest

from command import refusal
from main_sweep import write_main
from segsweep.cli import listing
from segsweep.store.paths import SweepPaths

HEAD = "data,model,loss,trainer.epochs,seeds,test_iou,may_be_best\n"


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Write outputs/main; return its paths."""
    write_main(tmp_path / "outputs", frozen, write_run)
    return SweepPaths(tmp_path / "outputs" / "main")


def test_a_line_for_each_sweep(segsweep, sweep, tmp_path):
    """Counts by status, size of all files, and the same with --outputs or names."""
    (sweep.root / "big").write_bytes(b"x" * 2_000_000)
    code, out, _ = segsweep("list")
    head, line = out.splitlines()
    (tmp_path / "outputs").rename(tmp_path / "elsewhere")
    _, moved, _ = segsweep("list", "main", "--outputs", "elsewhere")

    assert code == 0
    assert head.split() == ["sweep", "runs", "last", "change", "size", "highest", "mean"]
    assert line.startswith("main   1 finished, 1 interrupted, 1 failed, 1 planned  ")
    assert "  2.0 MB  -" in line
    assert moved == out
    assert refusal(segsweep("list")).startswith("no sweep in outputs: there is no such folder; ")


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("", "-"),
        (
            "a,unet2,dice,80,2,0.5,False\na,unet,bce,40,2,0.75,True\n",
            "unet/bce@trainer.epochs=40 0.7500",
        ),
        ("a,unet2,dice,80,2,0.5,True\na,unet,bce,40,2,0.75,True\n", "… 0.7500 or 1 other"),
        ("a,unet2,dice,80,1,,\n", "-"),
        ("a,unet2,dice,80,1,0.5,\nb,unet2,dice,80,1,0.5,\n", "2 comparisons"),
    ],
)
def test_cell_with_the_highest_mean(sweep, rows, text):
    """The others that may be the best are counted; several comparisons have no common best."""
    sweep.comparison.write_text(HEAD + rows)

    assert listing.best(sweep).endswith(text.removeprefix("…"))


def test_a_damaged_table_is_no_error(sweep, segsweep):
    """The line is there without the cell."""
    sweep.comparison.write_bytes(b"\xff\xfe\x00")

    assert segsweep("list")[1].splitlines()[1].endswith("  -")
