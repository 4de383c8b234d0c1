"""A report that is written after a signal imports no library: what it needs was imported before."""

import subprocess
import sys

PRINT_NEW = """
import sys
from pathlib import Path
import segsweep.report.preload
before = set(sys.modules)
from segsweep.report.write import write_report
from segsweep.store.paths import SweepPaths
write_report(SweepPaths(Path(sys.argv[1])), only_if_changed=sys.argv[2] == "kept")
new = [name.partition(".")[0] for name in sorted(set(sys.modules) - before)]
print(*[name for name in new if name not in sys.stdlib_module_names])
"""


def test_writing_a_report_imports_no_library(tmp_path, frozen, write_run):
    """Neither when it is made from the runs nor when it is up to date."""
    counts = [("test", "train", f"i{n}", 40 + n, 5, 5, 50 - n) for n in range(6)]
    result = {"val_iou": 0.5, "test_iou": 0.8, "best_epoch": 1, "epochs": 1}
    for loss in ("bce", "dice"):
        for seed in (0, 1):
            config = frozen(f"loss={loss}", seed=seed)
            write_run(tmp_path / "main", config, result=result, epochs=1, counts=counts)
    for state in ("changed", "kept"):
        words = [sys.executable, "-c", PRINT_NEW, str(tmp_path / "main"), state]
        done = subprocess.run(words, capture_output=True, text=True, check=True)

        assert (done.stdout, state) == ("\n", state)
    assert (tmp_path / "main/report.html").exists()
