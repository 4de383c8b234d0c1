"""The scaling benchmark: each operation works on a few items, and growth is reckoned right."""

import importlib
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
scaling = importlib.import_module("scaling")


@pytest.mark.slow
@pytest.mark.parametrize("operation", [*scaling.DATA, *scaling.SWEEPS], ids=lambda one: one.name)
def test_operation_works(tmp_path, operation, capsys):
    """On ten items, whatever was renamed meanwhile."""
    operation.prepare(tmp_path, 10)()


def test_exponent_of_known_growth(monkeypatch):
    """A hundred times the time for ten times the items is 2; noise has none; limits hold."""
    operation = scaling.Operation("square", "items", lambda folder, count: count, 1000)
    monkeypatch.setattr(scaling, "measured", lambda _, size: 1e-5 * size**2)
    taken = list(scaling.grown(operation, [1, 10, 100, 1000, 10_000], 60.0))

    assert [one.size for one in taken] == [1, 10, 100, 1000]
    assert [one.exponent for one in taken] == [None, None, pytest.approx(2), pytest.approx(2)]
    assert [one.size for one in scaling.grown(operation, [10, 100, 1000], 0.5)] == [10, 100]
