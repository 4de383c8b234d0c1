"""How long runs will take, from timing the first steps of each kind of network."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from segsweep.execute import build_job
from segsweep.fit import train_step
from segsweep.store import RunPaths, read_rows
from segsweep.sweep.plan import prepared_data

VALIDATION_SHARE = 0.35
"""What an image costs to validate, as a share of what it costs to train on."""
FIXED_SECONDS = 1.0
"""Loading, checkpoints, pictures, scoring at the end."""


def estimate_seconds(configs: Sequence[Mapping[str, Any]], paths: Sequence[RunPaths]) -> float:
    """Return seconds for all runs one after the other, epochs already done left out."""
    known: dict[str, float] = {}
    total = 0.0
    for config, run in zip(configs, paths, strict=True):
        kind = str([config["model"], config["data"]["size"], config["trainer"]["batch"]])
        if kind not in known:
            known[kind] = epoch_seconds(dict(config), run)
        left = config["trainer"]["epochs"] - len(read_rows(run.history))
        total += known[kind] * max(left, 0) + FIXED_SECONDS
    return total


def epoch_seconds(config: dict[str, Any], paths: RunPaths, steps: int = 2) -> float:
    """Return seconds per epoch of one run: a first step to warm up, then *steps* timed."""
    from segsweep.device import keep_memory

    keep_memory()
    job = build_job(config, paths, prepared_data(config))
    job.state.model.train()
    started, done = time.perf_counter(), -1
    for images, masks in job.train.shuffled(job.loop.seed, 0, job.augment):
        float(train_step(job.state, job.loss_fn, images, masks, job.loop))
        done += 1
        if done == 0:
            started = time.perf_counter()
        if done == steps:
            break
    per_step = (time.perf_counter() - started) / max(done, 1)
    per_image = per_step / config["trainer"]["batch"]
    return per_step * job.train.steps() + VALIDATION_SHARE * per_image * len(job.val.indices)
