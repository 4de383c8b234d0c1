"""Carry out one run from its frozen config: build, fit, evaluate, store.

Here config and code meet; below this file functions take values.
"""

import errno
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segsweep import __version__, device, metrics
from segsweep.checkpoint import Checkpoints
from segsweep.checks import build_optimizer, build_scheduler, split_config
from segsweep.data.batches import Augment, Batches
from segsweep.data.cache import Prepared
from segsweep.data.split import PARTS, UNUSED, crossing_groups, split_samples, write_split
from segsweep.device import Placement
from segsweep.errors import (
    ConfigError,
    DataError,
    DiskFullError,
    Interrupted,
    NonFiniteLossError,
    RunClaimedError,
)
from segsweep.evaluate import Scored, score_images
from segsweep.files import claimed, read_json, write_json, write_text
from segsweep.fit import SHOWN, Hooks, Loop, Row, State, averaging_of, fit
from segsweep.preview import draw_preview
from segsweep.progress import Progress
from segsweep.seeding import TRAINING, WEIGHTS, derive, seed_everything
from segsweep.stopping import StopRequest
from segsweep.store import (
    COUNTS,
    RETRIED,
    RunPaths,
    add_test_read,
    per_image_text,
    read_config,
    record_failure,
    write_history,
)
from segsweep.sweep.plan import check_frozen, prepared_data
from segsweep.targets import build


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a run ended."""

    run: str
    status: str
    """finished | failed."""
    value: float
    """Validation IoU of the selected epoch, NaN for a failed run."""
    error: str = ""
    trained: bool = True
    """False where the run was finished before."""


@dataclass(frozen=True)
class Job:
    """One run with everything built."""

    config: dict[str, Any]
    paths: RunPaths
    prepared: Prepared
    parts: list[str]
    """train | val | test | unused, for each sample."""
    placement: Placement
    loop: Loop
    state: State
    loss_fn: nn.Module
    augment: Augment | None
    train: Batches
    val: Batches
    test: Batches

    @property
    def checkpoints(self) -> Checkpoints:
        """The run's checkpoint folder."""
        return Checkpoints(self.paths.checkpoints)


def execute(
    path: Path,
    allow: Sequence[str] = (),
    stop: StopRequest | None = None,
    each_epoch: Callable[[], None] = lambda: None,
) -> Outcome:
    """Carry out the run whose frozen config is at *path*, or go on with it, or skip it.

    *allow* names packages whose classes may be used; what the file says of that is not
    trusted. A run that fails is recorded and returned; Interrupted, KeyboardInterrupt and
    DiskFullError pass through: they end a sweep.
    """
    paths = RunPaths(path.parent)
    if (done := _finished(paths)) is not None:
        return done
    with _telling_full_disk(paths), claimed(paths.claim) as mine:
        if not mine:
            raise RunClaimedError(
                f"run {paths.root.name} is being trained by another process; wait for it"
            )
        if (done := _finished(paths)) is not None:  # by another process, a moment ago
            return done
        try:
            config = check_frozen({**read_config(path), "allow": list(allow)})
            value = _train_and_score(config, paths, stop or StopRequest(), each_epoch)
        except (ConfigError, DataError) as error:
            return _failed(paths, "refused", error)
        except NonFiniteLossError as error:
            return _failed(paths, "non-finite", error)
        except Interrupted:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                raise
            return _failed(paths, "raised", error)
    return Outcome(paths.root.name, "finished", value)


@contextmanager
def _telling_full_disk(paths: RunPaths) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise DiskFullError(
            f"no space left for {error.filename or paths.root}; make some, then start "
            "the same command again: it goes on from here"
        ) from error


def _finished(paths: RunPaths) -> Outcome | None:
    result = read_json(paths.result)
    if result is None:
        return None
    return Outcome(paths.root.name, "finished", _number(result.get("val_iou")), trained=False)


def build_job(
    config: dict[str, Any],
    paths: RunPaths,
    prepared: Prepared,
    earlier: Mapping[str, Any] | None = None,
) -> Job:
    """Return the run with network, loss, optimizer, scheduler and batches built and seeded."""
    trainer, allow = config["trainer"], config["allow"]
    placement = device.choose(
        config["device"], config["threads"], trainer["precision"], trainer["memory_format"], earlier
    )
    torch.set_num_threads(placement.threads)
    device.forget_peak_memory(placement.torch_device)
    seed_everything(derive(config["seed"], WEIGHTS))
    model = device.place(build("model", config["model"], allow), placement)
    parts = split_samples(prepared.samples, split_config(config))
    train, val, test = (
        _batches(prepared, parts, name, trainer["batch"], placement) for name in PARTS
    )
    optimizer = build_optimizer(config, model.parameters())
    lengths = {"step": trainer["epochs"] * train.steps()}
    every = config["scheduler"]["every"]
    scheduler = build_scheduler(config, optimizer, lengths.get(every, trainer["epochs"]))
    averaged = averaging_of(model, trainer["averaging"])
    if trainer["compile"]:
        model.compile(dynamic=False)  # in place: the state's names stay what they are
    scaler = (
        torch.amp.GradScaler(placement.torch_device.type)
        if placement.precision == "float16"
        else None
    )
    seed_everything(derive(config["seed"], TRAINING))
    return Job(
        config=config,
        paths=paths,
        prepared=prepared,
        parts=parts,
        placement=placement,
        loop=_loop(config),
        state=State(model, optimizer, scheduler, every, averaged, scaler),
        loss_fn=build("loss", config["loss"], allow).to(placement.torch_device),
        augment=build("augment", config["augment"], allow),
        train=train,
        val=val,
        test=test,
    )


def _train_and_score(
    config: dict[str, Any], paths: RunPaths, stop: StopRequest, each_epoch: Callable[[], None]
) -> float:
    device.keep_memory()
    started = time.time()
    prepared = prepared_data(config)
    progress = Progress(paths.root.name, config["trainer"]["epochs"], paths.log)
    failure = read_json(paths.failure) or {}
    if failure.get("cause") in ("raised", "non-finite"):
        Checkpoints(paths.checkpoints).clear()  # what went wrong may be in the state
        write_json(paths.failure, {**failure, "cause": RETRIED})  # from here on it resumes
    job = build_job(config, paths, prepared, read_json(paths.environment))
    _note_start(job, progress)
    with stop.patient(), _closing(progress):
        _go_on_or_start(job, progress)
        history = fit(
            job.state,
            job.loss_fn,
            job.train,
            job.val,
            job.loop,
            _hooks(job, progress, stop, each_epoch),
            job.augment,
            job.placement.autocast if job.placement.precision != "float32" else None,
        )
    return _finish(job, history, started)


def _go_on_or_start(job: Job, progress: Progress) -> None:
    saved = job.checkpoints.load()
    if saved is None:
        return
    job.state.load(saved)
    progress.say(f"going on after epoch {job.state.epoch}, step {job.state.step}")


def _hooks(
    job: Job, progress: Progress, stop: StopRequest, each_epoch: Callable[[], None]
) -> Hooks:
    def epoch_done(history: list[Row], shown: NDArray[np.float32], best: bool) -> None:
        write_history(job.paths, history)
        each_epoch()
        progress.epoch(history, best)
        every = job.config["trainer"]["preview_every"]
        if every and (best or len(history) % every == 0):
            _preview(job, shown, "best" if best else f"epoch-{len(history):04d}")
            if best and len(history) % every == 0:
                _preview(job, shown, f"epoch-{len(history):04d}")

    return Hooks(job.checkpoints.save, epoch_done, progress.step, stop)


def _preview(job: Job, shown: NDArray[np.float32], name: str) -> None:
    rows = job.val.indices[:SHOWN]
    images, masks = job.prepared.images[rows], job.prepared.masks[rows]
    draw_preview(images, masks, shown, job.paths.preview / f"{name}.png")


def _finish(job: Job, history: list[Row], started: float) -> float:
    """Score the selected weights, the test set once, and write the result last."""
    write_history(job.paths, history)  # a kill may have come between checkpoint and file
    best = history[job.state.best_epoch - 1]
    weights = job.checkpoints.load_best(job.state.best_epoch)
    job.state.judged.load_state_dict(weights)
    rows = _image_rows(job, "val", _score(job, job.val))
    test: dict[str, Any] = {}
    if job.config["kind"] == "run":
        add_test_read(job.paths, _now(), len(job.test.indices))
        scored = _score(job, job.test)
        rows += _image_rows(job, "test", scored)
        test = _test_metrics(scored, job.loop.empty)
    write_text(job.paths.per_image, per_image_text(job.config["run_id"], rows))
    values = {
        "run_id": job.config["run_id"],
        "epochs": job.state.epoch,
        "best_epoch": job.state.best_epoch,
        "selected_by": job.loop.select,
        **{key: best[key] for key in ("val_loss", "val_iou", "val_dice", "val_score")},
        **{f"last_{key}": history[-1][key] for key in ("val_iou", "val_dice", "val_score")},
        **test,
        "parameters": sum(p.numel() for p in job.state.model.parameters()),
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "peak_memory_mb": round(device.peak_memory_mb(job.placement.torch_device), 1),
        "device": job.placement.device,
        "version": __version__,
        "git_commit": git_commit(),
        "data_fingerprint": job.config["data_fingerprint"],
        "started": time.strftime(TIME, time.localtime(started)),
        "finished": _now(),
    }
    write_json(job.paths.result, values)
    job.paths.failure.unlink(missing_ok=True)
    return float(best["val_iou"])


def _score(job: Job, batches: Batches) -> Scored:
    native = job.prepared.native_mask if job.config["evaluate"]["at"] == "both" else None
    return score_images(
        job.state.judged,
        batches,
        threshold=job.loop.threshold,
        native_mask=native,
        autocast=job.placement.autocast(),
    )


def _test_metrics(scored: Scored, empty: metrics.Empty) -> dict[str, float]:
    tp, fp, fn, tn = scored.counts.T
    means = {
        f"test_{name}": metrics.mean_over_images(name, tp, fp, fn, tn, empty)
        for name in ("iou", "dice", "score")
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
            rows.append({**names, **dict(zip(COUNTS, map(int, values), strict=True))})
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
        **job.placement.values(),
        "deterministic": device.is_deterministic(job.placement.torch_device),
        "segsweep": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "machine": platform.node(),
        "processor": _processor(job.placement.torch_device),
        "git_commit": git_commit(),
        "command": sys.argv[1:],
        "warnings": [f"{p.where}: {p.what}" for p in job.prepared.warnings],
    }
    placement = job.placement.values()
    watched = ("segsweep", "torch", "machine", *placement)
    changed = {key: now[key] for key in watched if earlier.get(key, now[key]) != now[key]}
    marks = [*earlier.get("resumed_with", []), *([changed] if changed else [])]
    write_json(job.paths.environment, {**now, **earlier, **placement, "resumed_with": marks})


def _batches(
    prepared: Prepared, parts: Sequence[str], name: str, batch: int, placement: Placement
) -> Batches:
    indices = [index for index, part in enumerate(parts) if part == name]
    return Batches(
        prepared.images, prepared.masks, indices, batch, placement.torch_device, placement.layout
    )


def _loop(config: Mapping[str, Any]) -> Loop:
    trainer, evaluate = config["trainer"], config["evaluate"]
    names = ("epochs", "early_stop", "clip_norm", "averaging", "checkpoint_every_steps")
    return Loop(
        seed=config["seed"],
        threshold=config["threshold"],
        select=evaluate["select"],
        empty=evaluate["empty"],
        **{name: trainer[name] for name in names},
    )


def _failed(paths: RunPaths, cause: str, error: Exception) -> Outcome:
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    if cause == "raised":
        line = f"{type(error).__name__}: {line}"
    record_failure(paths, cause, line, traceback.format_exc(), _now())
    return Outcome(paths.root.name, "failed", float("nan"), line)


@contextmanager
def _closing(progress: Progress) -> Iterator[None]:
    try:
        yield
    finally:
        progress.close()


TIME = "%Y-%m-%dT%H:%M:%S%z"


def _now() -> str:
    return time.strftime(TIME)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def _processor(found: torch.device) -> str:
    if found.type == "cuda":
        return torch.cuda.get_device_name(found)
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the commit of the checkout that segsweep runs from, "" outside one."""
    import subprocess

    folder = Path(__file__).resolve().parent
    if not (folder.parent / ".git").exists():
        return ""
    command = ["git", "-C", os.fspath(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
