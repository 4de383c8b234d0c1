"""Train planned runs one after the other in this process: what training itself takes.

    python benchmarks/one_process.py outputs/sweep

Prints JSON: for each run except the first, the seconds and CPU seconds of the whole run (`whole`,
`cpu`) and of its fit (`fit`, `fit_cpu`), that is training and validation as in `history.csv`.
The first run warms up and is left out. The fit of the others is then as short as it can be, so
the time outside the fit is not underestimated.
"""

import csv
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.training import loop as fit
from segsweep.training.run import execute

spent = {"cpu": 0.0}


def main() -> None:
    """Train the runs of the sweep folder on the command line."""
    fit.train_epoch = counted(fit.train_epoch)
    fit.score_images = counted(fit.score_images)
    rows = [timed(paths) for paths in SweepPaths(Path(sys.argv[1])).run_folders()]
    print(json.dumps(rows[1:]))


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return *function* with its CPU seconds counted."""

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.process_time()
        result = function(*arguments, **named)
        spent["cpu"] += time.process_time() - started
        return result

    return call


def timed(paths: RunPaths) -> dict[str, float]:
    """Train a run; return its times."""
    spent["cpu"], started, cpu = 0.0, time.perf_counter(), time.process_time()
    outcome = execute(paths.config)
    whole, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert outcome.status == "finished" and outcome.trained, outcome
    with paths.history.open(newline="") as file:
        seconds = sum(float(row["seconds"]) for row in csv.DictReader(file))
    return {"whole": whole, "cpu": cpu, "fit": seconds, "fit_cpu": spent["cpu"]}


if __name__ == "__main__":
    main()
