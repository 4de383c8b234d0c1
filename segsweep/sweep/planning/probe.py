"""Times a few real steps of a run and measures the memory and disk that they take.

It makes the same calls as a run, in the same order, on its first images; `cost.py` uses the
result. Memory is that of the whole process, so the process should do nothing else.
"""

import io
import itertools
import re
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segsweep.config.run_config import FrozenConfig
from segsweep.data.batches import Batch
from segsweep.store.paths import RunPaths
from segsweep.sweep.planning.cost import Measured
from segsweep.sweep.processes.slots import Slot
from segsweep.training.boundary import surface_metrics
from segsweep.training.build import Job, build_job
from segsweep.training.dataset import prepared_data
from segsweep.training.device import peak_memory_mb
from segsweep.training.evaluate import NativeMask, OnNative, Scored, score_images
from segsweep.training.loop import PREVIEW_IMAGES, train_step
from segsweep.training.result import draw_validation, native_masks

TIMED_STEPS = 3
"""Training steps that are timed after the first one."""
PATIENCE = 4.0
"""Seconds of training after which no further step starts."""
GPU_CONTEXT_MB = 500.0
"""GPU memory of a process in addition to its tensors."""


def measure(config: FrozenConfig, scratch: Path, *, slot: Slot | None = None) -> Measured:
    """Build the run of a frozen config, do a few real steps, and return what they cost.

    It takes seconds, or the time of two training steps and three validation batches. Raises
    what the run would raise, but not for a loss that is not finite.

    Args:
        config: frozen config of the run.
        scratch: folder for a checkpoint and a picture; deleted at the end.
        slot: the slot of this process; a slot on a GPU makes only that GPU visible.

    """
    on_gpu = slot is not None and slot.gpu is not None
    return measure_run(config.with_values({"device": "cuda"}) if on_gpu else config, scratch)


def measure_run(config: FrozenConfig, scratch: Path) -> Measured:
    """Build the run of *config* and do a little of everything that it would do."""
    started = time.perf_counter()
    job = build_job(config, RunPaths(scratch), prepared_data(config))
    start = time.perf_counter() - started
    try:
        steps = _train(job)
        cold = _seconds(_score, job, job.loss_fn)
        warm = _seconds(_score, job, job.loss_fn)
        save_last, save_best, preview = _store(job)
        scoring = _seconds(_score, job, None, native_masks(job), _on_native(config))
        last_bytes, best_bytes = _sizes(job)
        _, few = job.val.few()
        return Measured(
            start=start,
            warm_up=max(0.0, steps[0] - _typical(steps)) + max(0.0, cold - warm),
            step=_typical(steps),
            val_image=warm / few,
            score_image=scoring / few,
            save_last=save_last,
            save_best=save_best,
            preview=preview,
            shared_mb=_shared_mb(),
            peak_mb=peak_memory_mb(torch.device("cpu")),
            gpu_mb=_gpu_mb(job.placement.torch_device),
            last_bytes=last_bytes,
            best_bytes=best_bytes,
            train=job.train.count,
            val=len(job.val.indices),
            test=job.parts.count("test"),  # a trial builds no test loader, a run like it does
        )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _train(job: Job) -> list[float]:
    """Do a few training steps; return the seconds of each.

    At least two: the optimizer allocates its memory at the end of the first.
    """
    job.state.model.train()
    job.state.every = ""  # no scheduler: the schedule may have fewer steps than these
    autocast = job.placement.autocast if job.placement.precision != "float32" else None
    took: list[float] = []
    started = latest = time.perf_counter()
    for batch in _batches(job):
        float(train_step(job.state, job.loss_fn, batch, job.loop, autocast))
        now = time.perf_counter()
        took.append(now - latest)
        latest = now
        if len(took) > TIMED_STEPS or (len(took) > 1 and now - started > PATIENCE):
            break
    return took


def _batches(job: Job) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from job.train.shuffled(job.loop.seed, epoch, job.augment)


def _typical(took: Sequence[float]) -> float:
    """Return the median seconds of the steps after the first."""
    return statistics.median(took[1:])


def _on_native(config: FrozenConfig) -> OnNative | None:
    """Return what a run does with an image's masks at its own size, if anything."""
    if not config.evaluate.boundary:
        return None

    def measure(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> None:
        surface_metrics(predicted, truth, config.evaluate.tolerance)

    return measure


def _score(
    job: Job,
    loss_fn: nn.Module | None = None,
    native: tuple[NativeMask | None, NativeMask | None] = (None, None),
    on_native: OnNative | None = None,
) -> Scored:
    """Score some images: with a loss as after an epoch, without one as at the end of a run."""
    few, _ = job.val.few()
    return score_images(
        job.state.judged,
        few,
        threshold=job.loop.threshold,
        loss_fn=loss_fn,
        native_mask=native[0],
        native_ignored=native[1],
        show=PREVIEW_IMAGES,
        on_native=on_native,
        autocast=job.placement.autocast(),
    )


def _store(job: Job) -> tuple[float, float, float]:
    """Store and draw as after an epoch; return the seconds of state, weights and picture.

    Each is done once before it is timed. A full disk is not an error here: the plan compares
    the sizes with the free disk.
    """
    state, weights = job.state.to_dict(), job.state.judged.state_dict()
    scored = _score(job)
    scored = replace(scored, shown=np.nan_to_num(scored.shown))
    try:
        job.checkpoints.save(state, 1, weights)
        last = _seconds(job.checkpoints.save, state, 1, None)
        both = _seconds(job.checkpoints.save, state, 1, weights)
        draw_validation(job, scored, "best")
        return last, max(0.0, both - last), _seconds(draw_validation, job, scored, "best")
    except OSError:
        return 0.0, 0.0, 0.0


def _seconds(function: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - started


def _sizes(job: Job) -> tuple[int, int]:
    """Return the bytes of a checkpoint with all state and of one with only the weights."""
    state = {**job.state.to_dict(), "best_file": job.checkpoints.best(1).name}
    return _size(state), _size(job.state.judged.state_dict())


def _size(values: Mapping[str, object]) -> int:
    buffer = io.BytesIO()
    torch.save(dict(values), buffer)
    return buffer.tell()


def _gpu_mb(found: torch.device) -> float:
    """Return the peak GPU memory, MB; 0 without a GPU."""
    if found.type != "cuda":
        return 0.0
    return torch.cuda.max_memory_reserved(found) / 2**20 + GPU_CONTEXT_MB


def _shared_mb() -> float:
    """Return the memory that this process shares with others, MB; 0 if unknown."""
    with suppress(OSError):
        text = Path("/proc/self/smaps_rollup").read_text(encoding="ascii")
        return sum(map(int, re.findall(r"^Shared_\w+: +(\d+) kB", text, re.M))) / 2**10
    return 0.0
