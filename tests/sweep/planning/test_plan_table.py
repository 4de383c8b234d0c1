"""The plan's table: its content, and that it fits a terminal."""

import io
import re

import pytest
from rich.console import Console

from segsweep.sweep.planning.budget import Cost, Room, budget_of
from segsweep.sweep.planning.plan_table import CellRow, plan_sums, plan_table
from segsweep.sweep.processes.slots import Slot

KNOWN = CellRow("unet2/dice", 20, 12, 1, 2, 5, 34.0, 410.0, 3.6)
UNKNOWN = CellRow("deeplabv3/focal_tversky@trainer.epochs=80@optimizer.lr=0.001", 20, 0, 0, 0, 20)
WIDEST = CellRow("unet3/bce_ss;[red]", 999, 999, 999, 999, 999, 45000.0, 99999.0, 99999.0)
COST = Cost("unet2/dice", 34.0, 700.0, 400.0, 0.0, 12.0, 4.0, 4.0)


def drawn(rows, width=80):
    """Return the lines of the table in a terminal of this width."""
    file = io.StringIO()
    Console(width=width, file=file, no_color=True).print(plan_table(rows, "main"))
    return file.getvalue().splitlines()


def test_a_row_per_cell():
    """Counts, then what a run needs; unknown values are a dash, zeros are blank."""
    title, _, head, _, first, second = drawn([KNOWN, UNKNOWN], 120)[:6]

    assert title.strip() == "main"
    assert head.split() == [
        *("cell", "runs", "finished", "resumable", "failed", "new", "time", "memory", "disk")
    ]
    assert re.sub(" +", " ", first).strip() == "unet2/dice 20 12 1 2 5 34 s 430 MB 3.8 MB"
    assert second.split() == [UNKNOWN.cell, "20", "20", "-", "-", "-"]


def test_states_that_no_run_has_are_no_columns():
    """A new sweep's table has no blank columns."""
    assert drawn([UNKNOWN], 120)[2].split() == ["cell", "runs", "new", "time", "memory", "disk"]


@pytest.mark.parametrize("rows", [[KNOWN, UNKNOWN], [WIDEST], [WIDEST, UNKNOWN]])
def test_it_fits_80_columns(rows):
    """Long cell names continue on the next line; nothing is cut off."""
    lines = drawn(rows)
    width = lines[2].index("runs")
    names = re.sub(r"\s", "", "".join(line[:width] for line in lines[4:]))

    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert names == "".join(row.cell for row in rows)
    assert (WIDEST in rows) == any(
        line.endswith(" 999 12 h 30 min 105 GB 105 GB ") for line in lines
    )


def test_what_all_runs_take():
    """The counts of all cells, then time, memory and disk of the runs to do."""
    costs, slots = [COST] * 27, [Slot(0, 1), Slot(1, 1)]
    text = plan_sums([KNOWN, UNKNOWN], budget_of(costs, slots), Room(22 * 1024, 51 * 1024))

    assert text.splitlines() == [
        "40 runs in 2 cells: 12 finished, 1 resumable, 2 failed, 25 new",
        "about 8 min in 2 slots of 1 thread (34 s a run)",
        "memory 1.0 GB of 23.6 GB free",
        "disk 209 MB of 54.8 GB free, 113 MB of it checkpoints",
    ]


def test_what_runs_on_gpus_take():
    """GPU memory has a separate line; unknown free amounts are not printed."""
    cost = Cost("a/b", 4.0, 700.0, 400.0, 6144.0, 12.0, 4.0, 4.0)
    lines = plan_sums([KNOWN], budget_of([cost], [Slot(0, 8, "GPU-a")]), Room(gpu_mb=81920.0))

    assert lines.splitlines()[1:] == [
        "about 4.0 s in 1 slot of 8 threads (4.0 s a run)",
        "memory 734 MB",
        "GPU memory 6.4 GB of 85.9 GB free",
        "disk 39 MB, 4.2 MB of it checkpoints",
    ]


@pytest.mark.parametrize("budget", [None, budget_of([], [])])
def test_nothing_known_or_to_do(budget):
    """Only the counts are printed."""
    row = CellRow("unet/bce", 1, 1, 0, 0, 0)

    assert plan_sums([row], budget, Room()) == "1 run in 1 cell: 1 finished"
