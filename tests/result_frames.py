"""Frames as the statistics return them, written by hand."""

import math

import numpy as np
import pandas as pd

from segsweep.metrics import columns as metric_columns

WRITTEN = ("test_iou", "test_dice", "test_score")
"""Columns of metrics with values that are written below; those of other metrics hold the mean."""


def compared(means=(0.87, 0.86, 0.81), may=None, names=None, **columns):
    """Return a frame as comparison.csv, with a further key; None is a cell without runs.

    Without *may* the first two may be the best.
    """
    count = len(means)
    may = (
        [None if value is None else at < 2 for at, value in enumerate(means)]
        if may is None
        else may
    )
    mean = np.array([math.nan if value is None else value for value in means])
    there = ~np.isnan(mean)
    later = {name: mean for name in metric_columns() if name not in WRITTEN}
    frame = {
        "model": ["unet2"] * count,
        "loss": names or [f"loss_{number}" for number in range(count)],
        "trainer.epochs": np.linspace(40, 80, count).round(),
        "seeds": np.where(there, 3, 0),
        "failed": np.where(there, 0, 2),
        "test_iou": mean + 1.234e-6,
        "ci_low": mean - 0.03,
        "ci_high": mean + 0.025,
        "sd_seeds": mean / 100,
        "sd_images": mean / 8,
        **{"test_dice": mean + 0.05, "test_score": mean - 0.1, **later},
        "val_iou": mean + 0.01,
        "rank": pd.array([pd.NA if value is None else 1 for value in means], dtype="Int64"),
        "may_be_best": pd.array(may, dtype="boolean"),
        "p_best": np.where(there, 1 / count, math.nan),
        "lr": np.where(there, 0.0005, math.nan),
        "seconds": mean * 10_000,
        "parameters": mean * 1e6,
    }
    return pd.DataFrame({**frame, **columns})


def levels(**changed):
    """Return averages of losses."""
    frame = {"loss": ["dice", "bce"], "cells": [4, 4], "test_dice": [0.9, 0.8]}
    frame |= {"ci_low": [0.88, 0.78], "ci_high": [0.92, 0.82], "may_be_best": [True, False]}
    return pd.DataFrame({**frame, "p_best": [0.999, 0.001], **changed})


def baseline():
    """Return differences to the middle one of three cells, and one that nothing is said about."""
    nothing = math.nan
    frame = {
        "model": ["unet"] * 4,
        "loss": ["a", "b", "c", "d"],
        "seeds": [3, 3, 3, 1],
        "test_iou": [0.9, 0.85, 0.7, 0.6],
        "difference": [0.05, nothing, -0.15, nothing],
        "diff_low": [-0.01, nothing, -0.2, nothing],
        "diff_high": [0.11, nothing, -0.1, nothing],
        "p_adjusted": [0.0567, nothing, 0.0002, nothing],
        "p_equal": [0.2, nothing, 0.0, nothing],
        "verdict": ["undecided", None, "b better", None],
    }
    return pd.DataFrame(frame)


def sweeps():
    """Return two cells of two sweeps, and their mean."""
    frame = {
        "cell": ["unet/a", "unet/b@trainer.epochs=80", "all shared cells"],
        "first": [0.9, 0.8, 0.85],
        "second": [0.8, 0.80004, 0.80002],
        "difference": [0.1, -0.00004, 0.04998],
        "ci_low": [0.05, -0.005, 0.01],
        "ci_high": [0.15, 0.004, 0.09],
        "p_adjusted": [0.0001, 1.0, 0.011],
        "p_equal": [0.0, 1.0, 0.01],
        "verdict": ["first better", "equal within the margin", "first better"],
    }
    return pd.DataFrame(frame)
