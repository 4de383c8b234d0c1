"""Carry out one run from its frozen config: build, fit, evaluate, store."""

import errno
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segsweep import __version__, metrics
from segsweep.config.run_config import FrozenConfig
from segsweep.data.batches import Batches
from segsweep.data.split import UNUSED, crossing_groups, write_split
from segsweep.errors import (
    ConfigError,
    DataError,
    DiskFullError,
    Interrupted,
    NonFiniteLossError,
    RunClaimedError,
)
from segsweep.store.outcome import NAN, Outcome, finished_outcome
from segsweep.store.paths import RunPaths
from segsweep.store.records import (
    add_test_read,
    per_image_text,
    read_config,
    record_failure,
    write_history,
)
from segsweep.store.retention import keep_checkpoints
from segsweep.store.states import AttemptStatus, Cause
from segsweep.system.clock import time_text
from segsweep.system.files import claimed, read_json, write_json, write_text
from segsweep.system.progress import Progress
from segsweep.system.signals import StopRequest
from segsweep.training import device
from segsweep.training.build import Job, build_job
from segsweep.training.dataset import prepared_data
from segsweep.training.environment import facts, git_commit
from segsweep.training.evaluate import Scored, Seen, score_images
from segsweep.training.frozen import check_frozen
from segsweep.training.loop import SHOWN, Hooks, fit
from segsweep.training.outlines import Outlines
from segsweep.training.preview import draw_preview
from segsweep.training.resume import resumed_or_new
from segsweep.training.state import Row


@dataclass(frozen=True)
class Around:
    """What surrounds a run while it is carried out."""

    stop: StopRequest = field(default_factory=StopRequest)
    each_epoch: Callable[[Row, bool], None] = lambda row, best: None
    """Told of each epoch: its row of the history, whether it is the best so far."""
    verbose: bool = True
    """Whether the run itself shows its progress in the terminal."""
    device: str | None = None
    """Where to compute, instead of what the config says."""


def execute(path: Path, allow: Sequence[str] = (), around: Around | None = None) -> Outcome:
    """Carry out the run whose frozen config is at *path*, or go on with it, or skip it.

    *allow* names packages whose classes may be used; what the file says of that is not
    trusted. A run that fails is recorded and returned; Interrupted, KeyboardInterrupt and
    DiskFullError pass through: they end a sweep.
    """
    around = around or Around()
    paths = RunPaths(path.parent)
    if (done := finished_outcome(paths)) is not None:
        return done
    with _telling_full_disk(paths), claimed(paths.claim) as mine:
        if not mine:
            raise RunClaimedError(
                f"run {paths.root.name} is being trained by another process; wait for it"
            )
        if (done := finished_outcome(paths)) is not None:  # by another process, a moment ago
            return done
        _remove_left(paths)
        try:
            config = check_frozen(_here(read_config(path), path, allow))
            config = config.with_values(device=around.device) if around.device else config
            value = _train_and_score(config, paths, around)
        except (ConfigError, DataError) as error:
            return _failed(paths, Cause.REFUSED, error)
        except NonFiniteLossError as error:
            return _failed(paths, Cause.NON_FINITE, error)
        except Interrupted:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            if type(error).__module__.startswith("submitit"):  # its handler: the job's time is up
                raise
            return _failed(paths, Cause.RAISED, error)
        keep_checkpoints(paths, config.keep)
    return Outcome(paths.root.name, AttemptStatus.FINISHED, value)


def _remove_left(paths: RunPaths) -> None:
    """Remove half-written files of a killed process; a config is written by others too."""
    for folder in (paths.root, paths.preview, paths.checkpoints):
        for left in folder.glob(".*.tmp"):
            if not left.name.startswith(f".{paths.config.name}."):
                left.unlink(missing_ok=True)


def _here(config: FrozenConfig, path: Path, allow: Sequence[str]) -> FrozenConfig:
    """Return a frozen config as it holds in this place: its sweep may have been moved."""
    sweep = path.resolve().parents[2]
    return config.with_values(allow=list(allow), outputs=str(sweep.parent), sweep=sweep.name)


@contextmanager
def _telling_full_disk(paths: RunPaths) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFullError(
            f"no space left for {error.filename or paths.root}; free some, then run "
            "the same command again to resume"
        ) from error


def _train_and_score(config: FrozenConfig, paths: RunPaths, around: Around) -> float:
    started = time.time()
    prepared = prepared_data(config)
    epochs = config.trainer.epochs
    progress = Progress(paths.root.name, epochs, paths.log, verbose=around.verbose)

    def build() -> Job:
        return build_job(config, paths, prepared, read_json(paths.environment))

    job = resumed_or_new(build, paths, progress)
    _note_start(job, progress)
    with around.stop.deferring(), _closing(progress):
        history = fit(
            job.state,
            job.loss_fn,
            job.train,
            job.val,
            job.loop,
            _hooks(job, progress, around),
            job.augment,
            job.placement.autocast if job.placement.precision != "float32" else None,
        )
    return _finish(job, history, started)


def _hooks(job: Job, progress: Progress, around: Around) -> Hooks:
    def epoch_done(history: list[Row], shown: NDArray[np.float32], best: bool) -> None:
        write_history(job.paths, history)
        around.each_epoch(history[-1], best)
        progress.epoch(history, best)
        every = job.config.trainer.preview_every
        if every and (best or len(history) % every == 0):
            _preview(job, shown, "best" if best else f"epoch-{len(history):04d}")
            if best and len(history) % every == 0:
                _preview(job, shown, f"epoch-{len(history):04d}")

    return Hooks(job.checkpoints.save, epoch_done, progress.step, around.stop)


def _preview(job: Job, shown: NDArray[np.float32], name: str) -> None:
    rows = job.val.indices[:SHOWN]
    images, masks = job.prepared.images[rows], job.prepared.masks[rows]
    draw_preview(images, masks, shown, job.paths.preview / f"{name}.png")


def _finish(job: Job, history: list[Row], started: float) -> float:
    """Score the selected weights, the test set once, and write the result last."""
    write_history(job.paths, history)  # a kill may have come between checkpoint and file
    best, last = history[job.state.best_epoch - 1], history[-1]
    weights = job.checkpoints.load_best(job.state.best_epoch)
    job.state.judged.load_state_dict(weights)
    scored = _score(job, job.val)
    if job.config.trainer.preview_every:  # a kill may have come before it was drawn
        _preview(job, scored.shown, "best")
    rows = _image_rows(job, "val", scored)
    test: dict[str, Any] = {}
    if job.config.kind == "run":
        add_test_read(job.paths, time_text(), len(job.test.indices))
        outlines = Outlines(job.prepared.masks, [sample.id for sample in job.prepared.samples])
        scored = _score(job, job.test, outlines.add)
        rows += _image_rows(job, "test", scored)
        write_json(job.paths.outlines, outlines.values)
        test = _test_metrics(scored, job.loop.empty)
    write_text(job.paths.per_image, per_image_text(job.config.run_id, rows))
    values = {
        "run_id": job.config.run_id,
        "epochs": job.state.epoch,
        "best_epoch": job.state.best_epoch,
        "selected_by": job.loop.select,
        **{key: best[key] for key in ("val_loss", *metrics.columns("val")) if key in best},
        **{f"last_{key}": last[key] for key in metrics.columns("val") if key in last},
        **test,
        "parameters": sum(p.numel() for p in job.state.model.parameters()),
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "peak_memory_mb": round(device.peak_memory_mb(job.placement.torch_device), 1),
        "device": job.placement.device,
        "version": __version__,
        "git_commit": git_commit(),
        "data_fingerprint": job.config.data_fingerprint,
        "started": time_text(started),
        "finished": time_text(),
    }
    write_json(job.paths.result, values)
    job.paths.failure.unlink(missing_ok=True)
    return float(best["val_iou"])


def _score(job: Job, batches: Batches, seen: Seen | None = None) -> Scored:
    native = job.prepared.native_mask if job.config.evaluate.at == "both" else None
    return score_images(
        job.state.judged,
        batches,
        threshold=job.loop.threshold,
        native_mask=native,
        show=SHOWN,
        seen=seen,
        autocast=job.placement.autocast(),
    )


def _test_metrics(scored: Scored, empty: metrics.Empty) -> dict[str, float]:
    tp, fp, fn, tn = scored.counts.T
    means = {
        column: metrics.mean_over_images(column.removeprefix("test_"), tp, fp, fn, tn, empty)
        for column in metrics.columns()
        if metrics.METRICS[column.removeprefix("test_")].function is not None
    }
    whole = metrics.over_all_pixels("iou", tp, fp, fn, tn)
    return {**means, "test_iou_all_pixels": whole, "n_test": len(scored.counts)}


def _image_rows(job: Job, split: str, scored: Scored) -> list[dict[str, Any]]:
    batches = job.val if split == "val" else job.test
    rows = []
    for at, counts in (("train", scored.counts), ("native", scored.native)):
        for index, values in zip(
            batches.indices, counts if counts is not None else [], strict=False
        ):
            names = {"split": split, "at": at, "image": job.prepared.samples[index].id}
            rows.append({**names, **dict(zip(metrics.COUNTS, map(int, values), strict=True))})
    return rows


def _note_start(job: Job, progress: Progress) -> None:
    """Store the split and, the first time, the machine; keep what was chosen on resume."""
    samples, parts = job.prepared.samples, job.parts
    write_split(job.paths.split, samples, parts)
    progress.write(f"segsweep {__version__}, {parts.count(UNUSED)} of {len(parts)} images unused")
    for line in crossing_groups(samples, parts):
        progress.write(line)
    earlier = read_json(job.paths.environment) or {}
    now = {
        **facts(job.placement),
        "warnings": [f"{p.where}: {p.what}" for p in job.prepared.warnings],
    }
    placement = job.placement.values()
    watched = ("segsweep", "torch", "machine", *placement)
    changed = {key: now[key] for key in watched if earlier.get(key, now[key]) != now[key]}
    marks = [*earlier.get("resumed_with", []), *([changed] if changed else [])]
    write_json(job.paths.environment, {**now, **earlier, **placement, "resumed_with": marks})


def _failed(paths: RunPaths, cause: Cause, error: Exception) -> Outcome:
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    if cause == Cause.RAISED:
        line = f"{type(error).__name__}: {line}"
    record_failure(paths, cause, line, traceback.format_exc(), time_text())
    return Outcome(paths.root.name, AttemptStatus.FAILED, NAN, line, cause=cause)


@contextmanager
def _closing(progress: Progress) -> Iterator[None]:
    try:
        yield
    finally:
        progress.close()
