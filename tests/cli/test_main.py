"""The `segsweep` command as a whole: wrong use, and what it imports."""

import subprocess
import sys

import pytest

from command import refusal
from main_sweep import write_main


@pytest.fixture
def runs(tmp_path, frozen, write_run):
    """Write outputs/main: two cells, two seeds; finished, failed, interrupted, planned."""
    return write_main(tmp_path / "outputs", frozen, write_run)


@pytest.mark.parametrize(
    "words",
    [
        ("staus",),
        ("status", "--wach"),
        ("runs",),
        ("rm", "main"),
        ("status", "--json", "--watch"),
        ("runs", "main", "--status", "done"),
        ("runs", "main", "--failed", "--status", "planned"),
        ("show", ""),
    ],
)
def test_wrong_use_is_one_line(segsweep, runs, words):
    """Exit code 2, without a traceback or a box."""
    assert "─" not in refusal(segsweep(*words))


def test_status_and_runs_import_no_torch(runs, tmp_path):
    """Nor hydra, nor pandas: the commands are fast and work on any machine."""
    code = (
        "import sys; from segsweep.cli.main import app\n"
        "for words in (['status'], ['status', '--json'], ['runs', 'main', '--failed']):\n"
        "    app(words, standalone_mode=False)\n"
        "print(sorted({'torch', 'hydra', 'pandas', 'numpy', 'skimage'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"
