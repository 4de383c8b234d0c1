"""What ending bad trials early saves and what it costs, replayed on a search without a pruner.

    python benchmarks/pruning.py --sweep outputs/ph2_search --train --csv docs/results/pruning.csv

replays the pruners on a finished search. This makes one of 4 cells on PH2 first, about 35 minutes
on 2 quiet cores, and does the same with it:

    python benchmarks/pruning.py --ph2 <PH2> --train --csv docs/results/pruning.csv

**Replay.** The trials of each cell are taken in their order. Each is given its stored epochs one
by one and asked, as it would have been while it ran, whether it ends; trials before it count with
the epochs that the pruner left them. So the trials are those of the search without a pruner: TPE
might have suggested others after trials that ended early. Hyperband groups trials by a hash of
the study's name, so it is replayed under many names; the columns are means over them.

`epochs` are those of all trials, `saved` is the share that the pruner spares. `same` is the share
of names under which the choice stays the same, `choice` the one made most often, with its
validation IoU. `test IoU` is the mean over the seeds of the final runs at the choice, `less` what
pruning costs: the choice without it minus the choice with it, paired by seed, with the 95 %
interval of a t test over the seeds. It needs runs at choices that differ: --train trains them, in
the sweep `<sweep>_pruning`; without it the commands are printed. `ms` is the time of a decision.
"""

import argparse
import csv
import math
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pruning_replay import Row, Search, is_final, replayed, searches_of, values_of
from scipy import stats

from segsweep.cli.main import compose_values
from segsweep.cli.reproduce import overrides_of, value_text
from segsweep.store.json_files import known_result
from segsweep.store.paths import SweepPaths
from segsweep.store.records import readable_configs
from segsweep.system import processor
from segsweep.system.machine import usable_cores
from segsweep.training.environment import git_commit

PRUNERS = ("median", "hyperband")
PH2 = (
    *("data=ph2", "data.size=128", "model=unet,unet2", "loss=bce,dice", "seed=0,1,2"),
    *("search=lr", "search.n_trials=8", "search.epochs=0.5", "trainer.epochs=30"),
)
"""The search on PH2: 4 cells, 8 trials of 15 epochs each, then 3 seeds of 30 epochs."""
NOT_REPEATED = ("seed=", "search.", "sweep=", "outputs=")
"""Words of a final run that the command for another choice replaces."""
COLUMNS = {
    **{"cell": "cell", "pruner": "pruner", "trials": "trials", "epochs": "epochs"},
    **{"kept": "with pruner", "saved": "saved", "same": "same", "choice": "choice"},
    **{"val_iou": "val IoU", "test_iou": "test IoU", "less": "less", "low": "from"},
    **{"high": "to", "milliseconds": "ms"},
}


def main() -> None:
    """Search if asked to, replay, train what is missing, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", type=Path, help="folder of a finished search without a pruner")
    parser.add_argument("--ph2", type=Path, help="folder of PH2: search on it first")
    parser.add_argument("--storage", help="search.storage of the search, if it has one")
    parser.add_argument("--draws", type=int, default=100, help="names for Hyperband's groups")
    parser.add_argument("--train", action="store_true", help="train at choices that differ")
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    arguments = parser.parse_args()
    if (arguments.sweep is None) == (arguments.ph2 is None):
        parser.error("give --sweep or --ph2")
    folder = arguments.sweep or Path("outputs/pruning_ph2")
    if arguments.ph2 is not None:
        train([*PH2, f"data.root={value_text(str(arguments.ph2))}", *_place(folder)])
    measure(SweepPaths(folder), arguments)


def measure(sweep: SweepPaths, arguments: argparse.Namespace) -> None:
    """Replay the pruners on the searches of a sweep."""
    searches = searches_of(sweep, arguments.storage)
    found = [
        (search, replayed(search, pruner, arguments.draws if pruner == "hyperband" else 1))
        for search in searches
        for pruner in PRUNERS
    ]
    commands = {}
    for search, (_, k) in found:
        words = missing(sweep, search, k)
        if words:
            commands[search.title, k] = words
    for words in commands.values():
        if arguments.train:
            train(words)
        else:
            print(f"needs   {shlex.join(['python', '-m', 'segsweep.train', '-m', *words])}")
    for search, (row, k) in found:
        add_cost(row, sweep, search, k)
    rows = [row for _, (row, _) in found]
    print(f"{table(rows)}\n\n" + "\n".join(summary(rows)))
    if arguments.csv is not None:
        write(arguments.csv, rows)


# Final runs


def scores(sweep: SweepPaths, search: Search, k: int) -> dict[int, float]:
    """Return seed -> test IoU of the finished runs at the values of trial *k*."""
    found = {}
    for place in (_beside(sweep), sweep):
        for run in place.run_folders():
            for config in readable_configs([run]):
                if search.finals and is_final(config, search.finals[0], values_of(search, k)):
                    result = known_result(run.result)
                    if result is not None and "test_iou" in result.values:
                        found[config.seed] = float(result.values["test_iou"])
    return found


def missing(sweep: SweepPaths, search: Search, k: int) -> list[str]:
    """Return the words of a command that trains the runs which trial *k*'s values lack."""
    seeds = [one.seed for one in search.finals]
    lacking = sorted(set(seeds) - set(scores(sweep, search, k)))
    if not lacking:
        return []
    values, final = values_of(search, k), search.finals[0]
    paths = next(run for run in sweep.run_folders() if run.root.name.endswith(final.run_id))
    left_out = (*NOT_REPEATED, *(f"{key}=" for key in values))
    words = [
        word for word in overrides_of(final, paths, compose_values) if not word.startswith(left_out)
    ]
    given = [f"{key}={value_text(item)}" for key, item in values.items()]
    chosen = f"seed={','.join(map(str, lacking))}"
    return [*words, *given, chosen, *_place(_beside(sweep).root)]


def _beside(sweep: SweepPaths) -> SweepPaths:
    """Return the sweep of runs at values that only pruning chooses."""
    return SweepPaths(sweep.root.with_name(f"{sweep.root.name}_pruning"))


def _place(folder: Path) -> list[str]:
    return [f"sweep={folder.name}", f"outputs={value_text(str(folder.parent))}"]


def train(words: Sequence[str]) -> None:
    """Run a command; exit if it fails."""
    command = [sys.executable, "-m", "segsweep.train", "-m", *words]
    if subprocess.run(command, check=False).returncode:
        sys.exit("the command failed; run this benchmark again to resume")


def add_cost(row: Row, sweep: SweepPaths, search: Search, k: int) -> None:
    """Add the test IoU at the choice *k*, and how much less it is than at the search's choice."""
    plain = {one.seed: one for one in search.finals}
    with_pruner = scores(sweep, search, k)
    without = scores(sweep, search, search.best)
    seeds = sorted(set(plain) & set(with_pruner) & set(without))
    if not seeds:
        return
    less = np.array([without[seed] - with_pruner[seed] for seed in seeds])
    row.seeds, row.test_iou = len(seeds), float(np.mean([with_pruner[seed] for seed in seeds]))
    row.less = float(less.mean())
    if k == search.best:
        row.low = row.high = 0.0
    elif len(seeds) > 1:
        half = float(stats.t.ppf(0.975, len(seeds) - 1) * less.std(ddof=1) / math.sqrt(len(seeds)))
        row.low, row.high = row.less - half, row.less + half


# Table


def table(rows: Sequence[Row]) -> str:
    """Return the rows as text."""
    lines = [list(COLUMNS.values())]
    lines += [[_text(name, getattr(row, name)) for name in COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _text(name: str, value: object) -> str:
    if value is None:
        return "-"
    if name in ("saved", "same"):
        return f"{value:.0%}"
    if name in ("kept", "milliseconds"):
        return f"{value:.1f}"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def summary(rows: Sequence[Row]) -> list[str]:
    """Return a line for each pruner: what it saves in all cells, what it costs on average."""
    lines = []
    for pruner in PRUNERS:
        own = [row for row in rows if row.pruner == pruner]
        saved = 1 - sum(row.kept for row in own) / sum(row.epochs for row in own)
        less = [row.less for row in own if row.less is not None]
        cost = f"costs {np.mean(less):.4f} test IoU on average" if less else "final runs unknown"
        known = "" if len(less) in (0, len(own)) else f" ({len(less)} of {len(own)} cells)"
        lines.append(f"{pruner}: saves {saved:.0%} of the epochs of trials, {cost}{known}")
    return lines


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write all rows, with what they were measured on."""
    names = [item.name for item in fields(Row)]
    measured = {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cpu": f"{processor.name()}, {usable_cores()} cores",
        "commit": git_commit() or "unknown",
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*names, *measured], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            values = {
                key: round(value, 4) if isinstance(value, float) else value
                for key, value in asdict(row).items()
            }
            writer.writerow(values | measured)


if __name__ == "__main__":
    main()
