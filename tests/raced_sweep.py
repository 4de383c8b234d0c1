"""A sweep whose seeds a race gave, with realistic counts, for tests of report and card."""

from dataclasses import replace

import numpy as np
import pytest

from segsweep.report.question import Asked, comparable, values_of_sweep
from segsweep.stats.looks import looks_of, spending
from segsweep.stats.race import take_look
from segsweep.store.paths import SweepPaths
from segsweep.store.race import RaceRow, write_race
from segsweep.store.tables import read_all

CELLS = [("unet", "bce"), ("unet", "dice"), ("unet2", "bce"), ("unet2", "dice")]
LOOKS = looks_of([2, 3], 4)
WORSE = 0.3
"""unet2/dice loses this share of what the others find; it is ruled out at the first look."""


def counts_of(number, seed, images=16):
    """Return rows of per_image.csv: IoU near .7, with image effects that all cells share."""
    generator = np.random.default_rng([number, seed])
    shared = np.random.default_rng(7).normal(0, 40, images)
    own = generator.normal(0, 6, images) + generator.normal(0, 3)
    found = np.clip(700 + shared + own, 1, 999) * (1 - (WORSE if number == 3 else 0))
    rows = []
    for part_ in ("val", "test"):
        for image, tp in enumerate(found.round().astype(int)):
            rows.append([part_, "train", f"{part_}{image:02d}", tp, 0, 1000 - tp, 24])
    return rows


@pytest.fixture
def raced(tmp_path, frozen, write_run):
    """Return a sweep in which a race gave one cell two seeds, and the others four."""
    folder = tmp_path / "outputs" / "mine"
    for number, (model, loss) in enumerate(CELLS):
        for seed in range(2 if number == 3 else 4):
            config = frozen(f"model={model}", f"loss={loss}", seed=seed, data__size=32)
            counts = counts_of(number, seed)
            result = {
                "test_iou": float(np.mean([row[3] / 1000 for row in counts[16:]])),
                "n_test": 16,
            }
            write_run(folder, config, result={**RESULT, **result}, counts=counts)
    rows = rows_of(folder)
    write_race(SweepPaths(folder), rows)
    return SweepPaths(folder)


RESULT = {"epochs": 1, "best_epoch": 1, "val_iou": 0.7, "parameters": 9, "seconds": 1.0}


def rows_of(folder):
    """Return the rows that a race over the stored counts writes."""
    tables, left, rows = read_all(folder), [f"{model}/{loss}" for model, loss in CELLS], []
    errors = spending(len(LOOKS))
    for number, (seeds, error) in enumerate(zip(LOOKS, errors, strict=True)):
        runs = [run for run in tables.runs if run.cell in left and run.seed < seeds]
        values = values_of_sweep(comparable(replace(tables, runs=runs)), Asked())
        look = take_look(values, error, errors[-1] if seeds < LOOKS[-1] else None, number > 0)
        rows += [
            RaceRow(
                *(number + 1, LOOKS, seeds, error, one.cell, one.cell, one.mean, one.statistic),
                *(one.p, one.low, one.high, "out" if one.out else "in", str(look.end or "")),
                runs=tuple(run.run_id for run in runs if run.cell == one.cell),
                spent=0.1,
                order=tuple(range(LOOKS[-1])),
            )
            for one in look.cells
        ]
        left = look.left
        if look.end is not None:
            break
    return rows
