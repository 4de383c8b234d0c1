"""The benchmark of searches counts right, and runs; no test depends on what it finds."""

import csv
import importlib
import math
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/search.py"
sys.path.insert(0, str(SCRIPT.parent))
search = importlib.import_module("search")
Cell, Trial = search.Cell, search.Trial


def test_factor_is_that_of_the_best_trial():
    """Half and four times the best rate; a cell without a trial is infinitely far."""
    cells = [Cell(1e-3, 0.8, 0), Cell(1e-3, 0.8, 1), Cell(1e-4, 0.8, 2)]
    trials = [Trial(0, 5e-4, 0.7), Trial(0, 1e-3, 0.6), Trial(1, 4e-3, 0.9)]

    assert search.factors(trials, cells) == pytest.approx([2, 4, math.inf])


def test_row_counts_trials_and_hits():
    """One of two cells is within a factor of 2; they have 2 and 1 trials."""
    cells = [Cell(1e-3, 0.8, 0), Cell(1e-3, 0.8, 1)]
    trials = [Trial(0, 6e-4, 0.7), Trial(0, 1e-5, 0.1), Trial(1, 4e-3, 0.9)]
    row = search.row_of("a", [(trials, cells)])

    assert row["trials a cell"] == "1 to 2"
    assert row["within a factor of 2"] == "50.0%"


def test_cells_differ_and_are_best_at_their_rate():
    """Without noise, no other rate is better; every draw has other rates, from 3e-5 to 3e-3."""
    cells = search.cells_of(0)

    assert len({cell.best for cell in cells}) == 20
    assert all(3e-5 <= cell.best <= 3e-3 for cell in cells)
    assert cells != search.cells_of(1)
    for cell in cells:
        assert cell.value(cell.best) == pytest.approx(cell.top, abs=5 * search.NOISE)
        assert cell.value(cell.best * 10) < cell.top - 0.1


@pytest.mark.slow
def test_a_quick_run_has_a_row_for_each_search(tmp_path):
    """Three samplers and Hydra's own sweeper, with the same number of trials in all."""
    output = tmp_path / "search.csv"
    words = ["--trials", "1", "--sweeps", "1", "--studies", "1", "--csv", output]
    subprocess.run([sys.executable, SCRIPT, *words], check=True, timeout=300)
    with output.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))

    assert [row["search"].rpartition(" ")[2] for row in rows] == ["tpe", "gp", "random", "tpe"]
    assert [row["trials a cell"] for row in rows[:3]] == ["1 to 1"] * 3
    assert rows[3]["trials a cell"] != "1 to 1"
    assert all("commit" in row["measured"] for row in rows)
