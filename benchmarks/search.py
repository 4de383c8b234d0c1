"""How often a search finds a known best learning rate of every cell, against one study over all.

    python benchmarks/search.py --csv docs/results/search.csv      # two minutes

A stand-in replaces the training: the value of a cell at a learning rate is a parabola in the
logarithm of the rate, with noise, and each cell has another best rate and another height. Nothing
is trained, so the numbers do not depend on the machine. Rows:

segsweep's search of each cell (tpe, gp, random), 12 trials each, as `search=lr` makes it; and
Hydra's own Optuna sweeper, run for real (`benchmarks/optuna_app.py`), with one study over model,
loss and rate and the same number of trials in all. A cell counts as found if the best of its trials
is within a factor of 2 of the best rate; a cell without a trial is not found.
"""

import argparse
import csv
import math
import statistics
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
from measuring import ROOT, timed
from scipy.stats import binomtest

from segsweep.store.paths import SweepPaths
from segsweep.sweep.search.space import space_of
from segsweep.sweep.search.storage import open_storage, quietly
from segsweep.sweep.search.study import Study, best_of
from segsweep.system import processor
from segsweep.training.environment import git_commit

LOW, HIGH = 1e-5, 1e-2
RANGE = f"tag(log, interval({LOW}, {HIGH}))"
OWN = 0.002
"""The rate of the config, which trial 0 has."""
FACTOR = 2.0
MODELS, LOSSES = 4, 5
CURVE, NOISE = 0.12, 0.005
"""Loss of validation IoU at ten times the best rate; standard deviation between trainings."""


class Cell(NamedTuple):
    """A cell of the stand-in."""

    best: float
    """Its best learning rate."""
    top: float
    """Its validation IoU there."""
    seed: int

    def value(self, rate: float) -> float:
        """Return the validation IoU of a training at *rate*."""
        noise = np.random.default_rng([self.seed, int(rate * 1e12)]).normal(0, NOISE)
        return self.top - CURVE * math.log10(rate / self.best) ** 2 + float(noise)


class Trial(NamedTuple):
    """A trial of a cell."""

    cell: int
    rate: float
    value: float


def cells_of(seed: int, count: int = MODELS * LOSSES) -> list[Cell]:
    """Return *count* cells with best rates spread evenly over 3e-5 to 3e-3, in random order."""
    draws = np.random.default_rng(seed)
    shares = (draws.permutation(count) + draws.random(count)) / count
    rates = 10 ** (math.log10(3e-5) + 2 * shares)
    return [
        Cell(float(rate), float(draws.uniform(0.7, 0.85)), seed * 1000 + number)
        for number, rate in enumerate(rates)
    ]


def by_cell(sampler: str, seed: int, trials: int, folder: Path) -> list[Trial]:
    """Return the trials of segsweep's search: a study per cell."""
    storage = open_storage(None, SweepPaths(folder))
    found = []
    for number, cell in enumerate(cells_of(seed)):
        study = Study(storage, f"{seed} {number}", space_of({"lr": RANGE}), sampler, {"lr": OWN})
        for k in range(trials):
            asked = study.ask(k)
            rate = float(asked.params["lr"])
            study.tell(asked, optuna.trial.TrialState.COMPLETE, cell.value(rate))
            found.append(Trial(number, rate, cell.value(rate)))
        assert best_of(study.by_k()) is not None, "all trials are complete"
    return found


def over_all(seed: int, trials: int, folder: Path) -> list[Trial]:
    """Return the trials of Hydra's Optuna sweeper: one study over all cells."""
    storage = f"sqlite:///{folder}/study.db"
    numbers = [",".join(map(str, range(count))) for count in (MODELS, LOSSES)]
    timed(
        [
            *("benchmarks/optuna_app.py", "-m", f"model={numbers[0]}", f"loss={numbers[1]}"),
            *(f"lr={RANGE.replace(' ', '')}", f"draw={seed}", f"hydra.sweep.dir={folder}/sweep"),
            *(f"hydra.sweeper.storage={storage}", f"hydra.sweeper.sampler.seed={seed}"),
            *("hydra.sweeper.study_name=all", "hydra.sweeper.n_jobs=1"),
            f"hydra.sweeper.n_trials={trials * MODELS * LOSSES}",
        ]
    )
    with quietly():
        study = optuna.load_study(study_name="all", storage=storage)
    return [
        Trial(
            int(one.params["model"]) * LOSSES + int(one.params["loss"]),
            float(one.params["lr"]),
            float(one.value or 0.0),
        )
        for one in study.trials
    ]


def factors(trials: Sequence[Trial], cells: Sequence[Cell]) -> list[float]:
    """Return by which factor the best trial of each cell misses its best rate; inf without one."""
    found = []
    for number, cell in enumerate(cells):
        own = [one for one in trials if one.cell == number]
        best = max(own, key=lambda one: one.value, default=None)
        miss = math.inf if best is None else abs(math.log(best.rate / cell.best))
        found.append(math.exp(miss))
    return found


def row_of(what: str, sweeps: Sequence[tuple[Sequence[Trial], Sequence[Cell]]]) -> dict[str, str]:
    """Return a row of the table; *sweeps* are pairs of trials and cells."""
    missed = [one for trials, cells in sweeps for one in factors(trials, cells)]
    counts = [
        sum(one.cell == number for one in trials)
        for trials, cells in sweeps
        for number in range(len(cells))
    ]
    hits = sum(one <= FACTOR for one in missed)
    low, high = binomtest(hits, len(missed)).proportion_ci(method="wilson")
    return {
        "search": what,
        "sweeps": str(len(sweeps)),
        "cells": str(len(missed)),
        "trials a cell": f"{min(counts)} to {max(counts)}",
        "within a factor of 2": f"{hits / len(missed):.1%}",
        "95 % interval": f"{low:.1%} to {high:.1%}",
        "median factor": f"{statistics.median(missed):.2f}",
    }


def main() -> None:
    """Print the table and store it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=12, help="of each cell")
    parser.add_argument("--sweeps", type=int, default=5, help="of 20 cells, for each row")
    parser.add_argument("--studies", type=int, default=3, help="sweeps of Hydra's Optuna sweeper")
    parser.add_argument("--csv", type=Path, help="where to store the table")
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for sampler in ("tpe", "gp", "random"):
            each = [
                (by_cell(sampler, seed, asked.trials, Path(folder, sampler)), cells_of(seed))
                for seed in range(asked.sweeps)
            ]
            rows.append(row_of(f"segsweep, a study per cell, {sampler}", each))
            print(rows[-1], flush=True)
        studies = []
        for seed in range(asked.studies):
            own = Path(folder, f"all-{seed}")
            own.mkdir()
            studies.append((over_all(seed, asked.trials, own), cells_of(seed)))
        rows.append(row_of("hydra/sweeper=optuna, one study over all, tpe", studies))
    write(rows, asked.csv)


def write(rows: Sequence[dict[str, str]], path: Path | None) -> None:
    """Print the table, and where it was measured; store both at *path*."""
    where = (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {git_commit()}, {processor.name()}, "
        f"optuna {optuna.__version__}"
    )
    rows = [{**row, "measured": where} for row in rows]
    for row in rows:
        print(", ".join(f"{key}: {value}" for key, value in row.items()))
    if path is not None:
        with (ROOT / path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
