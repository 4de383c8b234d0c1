"""The benchmark of decoding runs and its table is complete; no test depends on speed."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/decode.py"
sys.path.insert(0, str(SCRIPT.parent))
decode = importlib.import_module("decode")


@pytest.mark.slow
def test_a_quick_run_has_a_row_for_each_way(tmp_path, monkeypatch):
    """Both kinds of images on one core and on all, with where it was measured."""
    if sys.platform != "linux":
        pytest.skip("the benchmark needs Linux")
    output = tmp_path / "table.md"
    small = ["--large", "1", "--small", "3", "--rounds", "1", "--size", "32", "--shrink", "20"]
    subprocess.run([sys.executable, SCRIPT, *small, "--output", output], check=True, timeout=300)
    lines = output.read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]

    assert [row[:2] for row in rows if row[0].endswith(("large", "small"))][::2] == [
        ["1 large", "1 core"],
        ["3 small", "1 core"],
    ]
    assert [row[4] for row in rows if row[1:2] == ["1 core"]] == ["1.00", "1.00"]
    for word in ("date: ", "commit: ", "processor: ", "load average"):
        assert any(line.startswith(word) for line in lines)


def test_the_estimate_is_divided_by_the_truth():
    """A quarter is done after 2 s: 6 s more by the estimate, 3 s in truth."""
    assert decode._estimate([(0.0, 0.0), (1.0, 0.2), (2.0, 0.25), (5.0, 1.0)]) == pytest.approx(2)
    assert decode._estimate([(0.0, 0.0), (1.0, 0.5), (1.5, 1.0)]) is None
