"""The benchmark runs and its tables are complete; no test depends on speed."""

import csv
import math
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks/sweep_overhead.py"
BURN = "import time\nwhile time.process_time() < 0.3: pass"
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}])"
TIMED = "from measuring import timed; import sys; print(timed(('-c', sys.argv[1])).cpu)"
LOOPS = ("fit alone, in a loop", "whole runs, in a loop")
WAYS = (
    *("segsweep, one slot", "segsweep, two slots", "Hydra's basic launcher"),
    *("Hydra's joblib launcher", "python -m segsweep.train"),
)
PLANS = (
    *("Hydra composes", "plan, preflight off", "plan, preflight measures"),
    *("plan, preflight known", "rerun, all finished", "rerun again, nothing changed"),
)


def test_timed_counts_processes_that_outlive_the_command() -> None:
    """CPU time of a process that ends after its command, such as a fork server, is counted."""
    command = [sys.executable, "-c", TIMED, ORPHAN]  # in a process that has no other children
    done = subprocess.run(command, cwd=SCRIPT.parent, capture_output=True, text=True, check=True)

    assert float(done.stdout) > 0.3


def test_touched_files_are_found(tmp_path, monkeypatch) -> None:
    """New, deleted and rewritten files are found, an untouched one is not."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    from plans import changed, files_of

    for name in ("gone", "same", "left"):
        (tmp_path / name).write_text("text")
    before = files_of(tmp_path)
    (tmp_path / "gone").unlink()
    (tmp_path / "new").write_text("text")
    (tmp_path / "other").write_text("text")
    (tmp_path / "other").replace(tmp_path / "same")

    assert {"gone", "new", "same"} == changed(before, files_of(tmp_path))


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the output of a quick run and the rows it writes, by name."""
    if sys.platform != "linux":
        pytest.skip("the benchmark needs Linux")
    folder = tmp_path_factory.mktemp("overhead")
    command = [sys.executable, SCRIPT, "--quick", "--csv", "rows.csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=880)
    assert done.returncode == 0, done.stderr
    with (folder / "rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {"rows.csv"} == {path.name for path in folder.iterdir()}  # everything else is removed
    return done.stdout, {row["what"]: row for row in rows}


@pytest.mark.slow
def test_overhead_table_is_complete(measured) -> None:
    """Every way and every plan has a row, printed and written; joblib only if installed."""
    output, rows = measured
    joblib = find_spec("hydra_plugins.hydra_joblib_launcher") is not None
    expected = [name for name in (*LOOPS, *WAYS, *PLANS) if joblib or "joblib" not in name]

    assert expected == list(rows)
    assert all(sum(line.startswith(name) for line in output.splitlines()) == 1 for name in rows)
    assert joblib or "not installed" in output


@pytest.mark.slow
def test_overhead_figures_are_numbers(measured) -> None:
    """The compared columns are finite numbers in every row; the loops took time."""
    _, rows = measured
    of_ways = ("wall", "cpu", "per_run", "per_run_min", "beyond", "cpu_beyond", "ratio")
    found = [float(rows[name][key]) for name in WAYS if name in rows for key in of_ways]
    found += [float(rows[name][key]) for name in PLANS for key in ("wall", "cpu", "ratio")]

    assert all(map(math.isfinite, found))
    assert all(float(rows[name]["per_run"]) > 0 for name in LOOPS)
    assert "load average" in rows[LOOPS[0]]["measured_on"]


@pytest.mark.slow
def test_overhead_counts_the_whole_run_beyond_the_fit(measured) -> None:
    """A whole run takes longer than its fit; the table has the difference."""
    fit, whole = (measured[1][name] for name in LOOPS)
    difference = float(whole["per_run"]) - float(fit["per_run"])

    assert difference > 0
    assert difference == pytest.approx(float(whole["beyond"]), abs=2e-4)


@pytest.mark.slow
def test_rerun_of_a_finished_sweep_touches_no_file(measured) -> None:
    """No file's time, size or inode changes."""
    assert measured[1]["rerun again, nothing changed"]["note"] == "touched no file"
