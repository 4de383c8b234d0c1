"""Simulations in several processes: the sums of one, and no sweep twice after a stop."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
from stored_rows import read_rows, simulate


class Case(NamedTuple):
    """The parameters of a simulated sweep."""

    cells: int
    sds: str


@dataclass
class Row:
    """Sums over the sweeps of a case."""

    cells: int
    sds: str
    sweeps: int = 0
    total: float = 0.0


CASES = [Case(cells, sds) for cells in (2, 4) for sds in ("equal", "spread")]


def batch(case: Case, seed: Sequence[int]) -> Row:
    """Return sums over five sweeps: whole numbers, exact in any order."""
    draws = np.random.default_rng(seed).integers(0, 1000, 5)
    return Row(*case, 5, float(draws.sum() * case.cells))


def expected(most):
    """Return what one process that is never stopped stores."""
    rows = [Row(*case) for case in CASES]
    for index, (case, row) in enumerate(zip(CASES, rows, strict=True)):
        while row.sweeps < most:
            row.total += batch(case, [index, row.sweeps]).total
            row.sweeps += 5
    return rows


@pytest.mark.parametrize("processes", [1, 3])
def test_rows_do_not_depend_on_processes_and_stops(tmp_path, processes):
    """Ten sweeps of each case, then twenty; a stop between them changes nothing."""
    for most in (10, 20):
        out = tmp_path / "rows.csv"
        simulate(
            *(out, Row, CASES, batch), count="sweeps", most=most, minutes=9, processes=processes
        )
        assert read_rows(out, Row) == expected(most)


def test_no_batch_begins_when_time_is_up(tmp_path):
    """Nothing is written."""
    out = tmp_path / "rows.csv"
    simulate(*(out, Row, CASES, batch), count="sweeps", most=5, minutes=0, processes=2)

    assert not out.exists()
