"""Time of a sweep beyond its training: segsweep, Hydra's launchers, new processes.

    python benchmarks/sweep_overhead.py                # the tables below, about 15 minutes
    python benchmarks/sweep_overhead.py --quick        # one or two minutes
    python benchmarks/sweep_overhead.py --csv FILE     # also write the table

**Runs.** The same tiny training (unet2, two epochs, one thread) in every way. `fit` is training
and validation alone, from `history.csv`, of runs one after the other in one warm process. `s/run`
is the time from the end of a command's first run to the end of its last, divided by their number.
`2N - N` is the same from two commands, one with twice the runs: the extra time divided by N.
`start-up` is the time of a command outside its runs: imports, planning, tables. `beyond fit` is
the time of a run, times the busy slots, minus the fit: process, config, data, building,
checkpoints, pictures, final scores, files. Hydra's launchers run a plain application that trains
and stores nothing (`hydra_app.py`); segsweep's runs are complete. Data are cached beforehand.

**Plans.** Seconds of a whole command including start-up, compared with Hydra's basic sweeper and a
launcher that does nothing: it composes each run once (launching would compose it again). A plan
also checks the runs, computes their ids and writes them. Finished sweeps are made by copying the
files of one real run.

All ways take turns in each round; shown are medians and, in brackets, the fastest. `CPU s` counts
all processes of a command. It depends less on other load: on a busy machine trust it rather than
wall time.
"""

import argparse
import csv
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path

import per_run
import plans
from measuring import Row, table


def main() -> None:
    """Measure and print; write the rows if requested."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="N; the ways are timed with N and 2 N")
    parser.add_argument(
        "--sizes", default="10,100,1000", help="runs of the planned sweeps; '': none"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="few and small, one round")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.runs, arguments.sizes, arguments.rounds = 2, "2", 1
    if sys.platform != "linux":
        sys.exit("this benchmark needs Linux: it counts the CPU time of all processes")
    compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """Measure runs, then plans; print both tables."""
    before = machine()
    print(before, flush=True)
    sizes = sorted(int(size) for size in arguments.sizes.split(",") if size)
    with tempfile.TemporaryDirectory(prefix="overhead-") as folder:
        outputs = Path(folder).resolve()
        of_runs = per_run.measure(arguments.runs, arguments.rounds, outputs / "runs")
        of_plans = plans.measure(sizes, arguments.rounds, outputs / "plans") if sizes else []
    print(f"\n{arguments.runs} runs, {arguments.rounds} rounds\n{table(of_runs, per_run.COLUMNS)}")
    if of_plans:
        print(f"\n{table(of_plans, plans.COLUMNS)}")
    print(f"\nafterwards: {machine()}")
    if arguments.csv is not None:
        write(arguments.csv, [*of_runs, *of_plans], before)


def machine() -> str:
    """Return the cores and load of this machine in one line."""
    one, five, _ = os.getloadavg()
    return (
        f"{len(os.sched_getaffinity(0))} cores, load average {one:.2f} (1 min), {five:.2f} (5 min)"
    )


def write(path: Path, rows: Sequence[Row], where: str) -> None:
    """Write all rows; the last column says where they were measured."""
    names = [item.name for item in fields(Row)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*names, "measured_on"], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = {key: _rounded(value) for key, value in asdict(row).items()}
            writer.writerow({**values, "measured_on": where})


def _rounded(value: float | str | None) -> float | str | None:
    return round(value, 4) if isinstance(value, float) else value


if __name__ == "__main__":
    main()
