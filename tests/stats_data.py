"""Synthetic values of sweeps, for the tests of the statistics."""

import numpy as np
import pandas as pd

from segsweep.metrics import columns
from segsweep.stats.values import Values


def drawn(seeds=(3, 3, 3), images=30, gaps=None, seed=0, sd=0.012, groups=None, names=None):
    """Return values of one cell per entry of *seeds*, with image effects common to all cells."""
    generator = np.random.default_rng(seed)
    gaps = np.zeros(len(seeds)) if gaps is None else gaps
    image = 0.1 * generator.standard_normal(images)
    tables = []
    for count, gap in zip(seeds, gaps, strict=True):
        own = 0.02 * generator.standard_normal(images)
        luck = sd * generator.standard_normal((count, 1))
        rest = 0.045 * generator.standard_normal((count, images))
        tables.append(0.8 + gap + image + own + luck + rest)
    return of_tables(tables, groups, names)


def of_tables(tables, groups=None, names=None):
    """Return values of (seeds, images) tables; cells m/a, m/b, ... unless *names* are given."""
    names = [f"m/{chr(97 + cell)}" for cell in range(len(tables))] if names is None else names
    images = tables[0].shape[1]
    return Values(
        tuple(names),
        tuple(np.asarray(table, float) for table in tables),
        tuple(tuple(str(seed) for seed in range(len(table))) for table in tables),
        tuple(f"{image:03d}" for image in range(images)),
        np.arange(images) if groups is None else np.asarray(groups),
    )


def as_frame(values):
    """Return values as rows of cell, seed, image, value."""
    return pd.DataFrame(
        [
            {"cell": cell, "seed": seed, "image": image, "value": table[s, i]}
            for cell, seeds, table in zip(values.cells, values.seeds, values.tables, strict=True)
            for s, seed in enumerate(seeds)
            for i, image in enumerate(values.images)
        ]
    )


def results_of(values, **more):
    """Return a row of results.csv for each seed of *values*, with the further columns *more*."""
    rows = []
    for cell, table in zip(values.cells, values.tables, strict=True):
        model, loss = cell.split("/")
        for seed, row in enumerate(table):
            measured = dict.fromkeys(columns("val"), 0.5)
            measured |= dict.fromkeys(columns(), row.mean())
            cost = {"lr": 0.01, "seconds": 10.0, "parameters": 5.0}
            names = {"run_id": f"{cell}{seed}", "model": model, "loss": loss, "seed": seed}
            rows.append({**names, "status": "finished", **measured, **cost})
    frame = pd.DataFrame(rows)
    return frame.assign(data_fingerprint="d1", fold=None, **more)
