"""Scores an ensemble on the images of its own sweep: validation, and test, which is logged."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from segsweep import metrics
from segsweep.data.cache import Prepared
from segsweep.data.source import IGNORED, Raw
from segsweep.errors import StoreError
from segsweep.store.ensembles import EnsembleRow, add_ensemble, read_ensembles
from segsweep.store.json_files import known_result
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import add_reading, read_split
from segsweep.system.clock import time_text
from segsweep.system.files import file_digest
from segsweep.training.dataset import prepared_data
from segsweep.training.evaluate import count
from segsweep.use.choose import Choice
from segsweep.use.network import Network
from segsweep.use.together import Together


def known_score(sweep: SweepPaths, choice: Choice, flips: bool) -> EnsembleRow | None:
    """Return the stored score of an ensemble, unless one of its runs was trained again."""
    runs, results = _names(choice), _digests(choice)
    found = [one for one in read_ensembles(sweep) if (one.runs, one.flips) == (runs, flips)]
    return found[0] if found and found[0].results == results else None


def score_ensemble(sweep: SweepPaths, choice: Choice, together: Together, name: str) -> EnsembleRow:
    """Score the networks together on the sweep's own images, and store that.

    Raises:
        StoreError: they see images at different sizes, or were trained on different parts.
        DataError: the images are not as they were.

    """
    first = together.networks[0]
    parts = _common_parts(choice.runs)
    if len({network.view for network in together.networks}) > 1:
        raise StoreError(
            "--ensemble: its networks see images at different sizes; `segsweep predict` averages "
            "them on other images, but they have no common test counts"
        )
    prepared = prepared_data(first.config)
    empty: metrics.Empty = "skip" if first.config.evaluate.empty == "skip" else "one"

    def iou(part: str) -> tuple[float, int]:
        rows = [row for row, one in enumerate(prepared.samples) if parts.get(one.id) == part]
        if not rows:
            return math.nan, 0
        tp, fp, fn, tn = _counts(together, prepared, rows).T
        return metrics.mean_over_images("iou", tp, fp, fn, tn, empty), len(rows)

    row = EnsembleRow(
        ensemble=name,
        networks=len(choice.runs),
        flips=first.flips,
        val_iou=iou("val")[0],
        test_iou=math.nan,
        alone=_alone(choice.runs),
        n_test=list(parts.values()).count("test"),
        time=time_text(),
        runs=_names(choice),
        results=_digests(choice),
    )
    if row.n_test:
        add_reading(sweep.test_reads, row.time, row.reading, row.n_test)
    test_iou, n_test = iou("test")
    row = replace(row, test_iou=test_iou, n_test=n_test, time=time_text())
    add_ensemble(sweep, row)
    return row


def _common_parts(runs: Sequence[RunPaths]) -> dict[str, str]:
    """Return image -> part, the same for all runs; StoreError if it is not."""
    every = [{row["id"]: row["split"] for row in read_split(run.split)} for run in runs]
    if any(one != every[0] for one in every):
        raise StoreError(
            "--ensemble: its networks were trained on different parts of the data, so that test "
            "images of one are training images of another; `segsweep predict` averages them on "
            "other images"
        )
    return every[0]


def _counts(together: Together, prepared: Prepared, rows: Sequence[int]) -> NDArray[np.int64]:
    """Return tp, fp, fn, tn of each image at the size that the networks see, (N, 4)."""
    found = []
    for start in range(0, len(rows), together.batch):
        some = rows[start : start + together.batch]
        total: torch.Tensor | None = None
        for network in together.networks:
            seen = [_seen(network, prepared, row) for row in some]
            outputs = torch.cat(network.outputs(seen)).float().cpu()
            total = outputs if total is None else total + outputs
        assert total is not None, "there is at least one network"
        predicted = total / len(together.networks) > together.threshold
        labels = torch.from_numpy(np.stack([prepared.masks[row] for row in some]))
        valid = (labels != IGNORED) if prepared.ignores else None
        found.append(
            count(predicted[..., : labels.shape[-2], : labels.shape[-1]], labels == 1, valid)
        )
    return torch.cat(found).numpy()


def _seen(network: Network, prepared: Prepared, row: int) -> Raw:
    """Return what the network gets of an image of the cache."""
    image = prepared.images[row]
    return image if network.tiling is None else np.ascontiguousarray(image.transpose(1, 2, 0))


def _alone(runs: Sequence[RunPaths]) -> float:
    """Return the mean test IoU of the networks one by one; NaN where one has none."""
    results = [known_result(run.result) for run in runs]
    values = [None if one is None else one.values.get("test_iou") for one in results]
    known = [float(value) for value in values if isinstance(value, int | float)]
    return sum(known) / len(known) if len(known) == len(values) else math.nan


def _names(choice: Choice) -> str:
    return " ".join(run.root.name.rpartition("-")[2] for run in choice.runs)


def _digests(choice: Choice) -> str:
    return " ".join(file_digest(run.result)[:12] for run in choice.runs)
