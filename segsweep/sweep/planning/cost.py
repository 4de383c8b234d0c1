"""The cost of a run, computed from a few measured steps of a run of the same kind.

A measurement is valid for all runs that cost the same per step (`probe_key`), so it is cached
in `outputs/.cache/`. Nothing here imports torch.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from segsweep import __version__
from segsweep.config.run_config import FrozenConfig
from segsweep.system.files import read_json, text_digest, write_json
from segsweep.system.machine import fingerprint

BEST_SHARE = 0.3
"""Share of the epochs that are the best so far and store weights and a picture."""
EPOCH_SECONDS = 0.01
"""History, log and table rows of an epoch."""
RUN_SECONDS = 0.1
"""Time of a run that is not measured: its process, its checks, its last files."""


@dataclass(frozen=True)
class Measured:
    """The measured cost of runs of one kind."""

    start: float
    """Seconds to open the data and to build network, loss and optimizer."""
    warm_up: float
    """Extra seconds of the first steps, once per run."""
    step: float
    """Seconds per training step, including reading and augmenting its batch."""
    val_image: float
    """Seconds to validate an image."""
    score_image: float
    """Seconds to score an image at the end, also at its native size if `evaluate.at=both`, and its
    outlines if `evaluate.boundary=true`."""
    save_last: float
    """Seconds to store all state."""
    save_best: float
    """Seconds to store the weights."""
    preview: float
    """Seconds to draw a picture."""
    shared_mb: float
    """Memory that the process shares with others, such as the fork server."""
    peak_mb: float
    """Peak memory of the process, including shared memory."""
    gpu_mb: float
    """Peak GPU memory; 0 without a GPU."""
    last_bytes: int
    """Size of a checkpoint with all state."""
    best_bytes: int
    """Size of a checkpoint with the weights alone."""
    train: int
    """Training images, or crops of them, in an epoch."""
    val: int
    """Validation images."""
    test: int
    """Test images."""


def probe_key(config: FrozenConfig) -> str:
    """Return 16 hex digits that are the same for configs whose runs cost the same per step.

    They depend on this machine, torch and segsweep, but not on seed, epochs, learning rate or
    fold.
    """
    where = [fingerprint(), _torch_version(), __version__]
    return text_digest(json.dumps([*where, _kind(config)], sort_keys=True))[:16]


def _kind(config: FrozenConfig) -> dict[str, object]:
    trainer, split = config.trainer, asdict(config.data.split)
    folded = split.pop("fold") is not None
    del split["seed"]
    return {
        **{node: getattr(config, node) for node in ("model", "loss", "augment")},
        **{"device": config.device, "threads": config.threads},
        **{"batch": trainer.batch, "precision": trainer.precision},
        **{"memory_format": trainer.memory_format, "compile": trainer.compile},
        **{"lean": trainer.lean, "cpu_precision": trainer.cpu_precision},
        "optimizer": {key: value for key, value in config.optimizer.items() if key != "lr"},
        "averaging": trainer.averaging > 0,
        "clip": trainer.clip_norm is not None,
        "at": config.evaluate.at,
        **({"boundary": True} if config.evaluate.boundary else {}),
        "size": config.data.size,
        **({"tile": _tiling(config)} if config.data.tile is not None else {}),
        "channels": config.data.channels,
        "data": config.data_fingerprint,
        "split": {**split, "folded": folded},
        "files": config.contents,
    }


def _tiling(config: FrozenConfig) -> list[object]:
    return [config.data.height_width, config.data.overlap, config.data.crops]


@lru_cache(maxsize=1)
def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "unknown"


def load(cache: Path, key: str) -> Measured | None:
    """Return a cached measurement; None if there is none or its file is damaged."""
    values = read_json(_file(cache, key)) or {}
    names = {item.name for item in fields(Measured)}
    if set(values) != names or not all(map(_is_amount, values.values())):
        return None
    return Measured(**values)


def store(cache: Path, key: str, measured: Measured) -> None:
    """Write a measurement to the folder *cache*, atomically."""
    cache.mkdir(parents=True, exist_ok=True)
    write_json(_file(cache, key), asdict(measured))


def _file(cache: Path, key: str) -> Path:
    return cache / f"preflight-{key}.json"


def _is_amount(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value >= 0


def seconds_of(config: FrozenConfig, measured: Measured, epochs_done: int = 0) -> float:
    """Return the seconds of a run, or of its remainder after *epochs_done*."""
    left = max(config.trainer.epochs - epochs_done, 0)
    scored = measured.val + (measured.test if config.kind == "run" else 0)
    training = measured.warm_up + left * epoch_seconds(config, measured) if left else 0.0
    return RUN_SECONDS + measured.start + training + scored * measured.score_image


def epoch_seconds(config: FrozenConfig, measured: Measured) -> float:
    """Return the seconds of an epoch: training, validation, checkpoints, pictures."""
    trainer = config.trainer
    steps = measured.train // trainer.batch
    inside = trainer.checkpoint_every_steps
    saves = 1 + (steps // inside if inside else 0)
    every = trainer.preview_every
    pictures = BEST_SHARE + 1 / every if every else 0.0
    return (
        steps * measured.step
        + measured.val * measured.val_image
        + saves * measured.save_last
        + BEST_SHARE * measured.save_best
        + pictures * measured.preview
        + EPOCH_SECONDS
    )
