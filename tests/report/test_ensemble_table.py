"""Ensembles beside the cells in a terminal: what they reach together, and one by one."""

import io

from rich.console import Console

from segsweep.report.ensemble_table import print_ensembles
from segsweep.report.terminal import MOST_CELLS
from segsweep.store.ensembles import EnsembleRow

ROW = EnsembleRow(
    *("unet2/bce, segnet/dice", 6, True, 0.91234, 0.9, float("nan"), 50),
    *("2026-01-01T00:00:00", "a b", "c d"),
)


def printed(rows, width=80):
    """Return the lines that are printed."""
    file = io.StringIO()
    print_ensembles(rows, Console(file=file, width=width))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_a_line_each_within_the_width():
    """Values of four digits, a dash for what is missing; many are cut, and counted."""
    lines = printed([ROW])
    (line,) = [line for line in lines if line.startswith("unet2/bce")]
    assert line.split() == ["unet2/bce,", "segnet/dice", "(flips)", "6", ".9123", ".9000", "-"]
    assert max(map(len, lines)) <= 80
    assert max(map(len, printed([ROW], 40))) <= 40
    assert printed([ROW] * (MOST_CELLS + 2))[-3] == "and 2 more: ensembles.csv"
    assert printed([]) == []
