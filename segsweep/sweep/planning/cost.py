"""What a run costs, from a few real steps of one like it in a process of its own.

What was measured holds for every run that costs the same per step (`probe_key`), so it is
kept in `outputs/.cache/`. Only measuring imports torch.
"""

import json
import math
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from segsweep import __version__
from segsweep.config.run_config import FrozenConfig
from segsweep.system.files import read_json, text_digest, write_json
from segsweep.system.machine import fingerprint

BEST_SHARE = 0.3
"""Share of the epochs that are the best so far, and store their weights and a picture."""
EPOCH_SECONDS = 0.01
"""History, log and table rows of an epoch."""
RUN_SECONDS = 0.1
"""What a run takes beside all that is measured: its process, its checks, its last files."""


@dataclass(frozen=True)
class Measured:
    """What runs of one kind cost."""

    start: float
    """Seconds to open the data and build everything."""
    warm_up: float
    """Seconds by which the first steps take longer than later ones, once per run."""
    step: float
    """Seconds per training step, its batch read and augmented."""
    val_image: float
    """Seconds to validate an image."""
    score_image: float
    """Seconds to score an image at the end, at its own size too where that is asked for."""
    save_last: float
    """Seconds to store all state."""
    save_best: float
    """Seconds to store the weights."""
    preview: float
    """Seconds to draw a picture."""
    shared_mb: float
    """Memory that the process has in common with others, such as the one it was forked from."""
    peak_mb: float
    """The most memory of the process, what it shares included."""
    gpu_mb: float
    """The most GPU memory; 0 without one."""
    last_bytes: int
    """Size of a checkpoint with all state."""
    best_bytes: int
    """Size of a checkpoint with the weights alone."""
    train: int
    """Training images."""
    val: int
    """Validation images."""
    test: int
    """Test images."""


def probe_key(config: FrozenConfig) -> str:
    """Return 16 hex digits, the same for frozen configs whose runs cost the same per step.

    They are of this machine, this torch and this segsweep. Runs that differ in seed, epochs,
    learning rate or fold have the same.
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
        "size": config.data.size,
        "channels": config.data.channels,
        "data": config.data_fingerprint,
        "split": {**split, "folded": folded},
        "files": config.contents,
    }


@lru_cache(maxsize=1)
def _torch_version() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "unknown"


def load(cache: Path, key: str) -> Measured | None:
    """Return what was measured before; None if it was not, or the file is spoilt."""
    values = read_json(_file(cache, key)) or {}
    names = {item.name for item in fields(Measured)}
    if set(values) != names or not all(map(_is_amount, values.values())):
        return None
    return Measured(**values)


def store(cache: Path, key: str, measured: Measured) -> None:
    """Keep what was measured in the folder *cache*, in one go."""
    cache.mkdir(parents=True, exist_ok=True)
    write_json(_file(cache, key), asdict(measured))


def _file(cache: Path, key: str) -> Path:
    return cache / f"preflight-{key}.json"


def _is_amount(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= 0


def seconds_of(config: FrozenConfig, measured: Measured, epochs_done: int = 0) -> float:
    """Return the seconds that a whole run takes, or the rest of one after *epochs_done*."""
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
