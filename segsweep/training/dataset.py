"""The data set of a config, checked and cached; opened once per process. No torch."""

import json
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from segsweep.config.identity import content
from segsweep.config.run_config import RunConfig
from segsweep.config.targets import build
from segsweep.data.cache import Prepared, ProgressCallback, prepare
from segsweep.data.split import split_samples
from segsweep.errors import ConfigError
from segsweep.system.progress import Counter


def prepared_data(config: RunConfig) -> Prepared:
    """Return the config's data set; checked and cached once per process and setting."""
    known = remembered(config)
    return _prepared(*_key(config)) if known is None else known


def remembered(config: RunConfig) -> Prepared | None:
    """Return the config's data set if another process has read it."""
    return _remembered.get(_key(config))


def remember(config: RunConfig, prepared: Prepared) -> None:
    """Use a data set that another process has read."""
    _remembered[_key(config)] = prepared


def read_data(config: RunConfig, progress: ProgressCallback) -> Prepared:
    """Return the config's data set, checked and cached now."""
    node, size, channels, resize, cache, allow = _key(config)
    source = build("data", json.loads(node), allow)
    return prepare(source, size, channels, Path(cache), progress, resize=resize)


_Key: TypeAlias = tuple[str, tuple[int, int], int, str, str, tuple[str, ...]]
_remembered: dict[_Key, Prepared] = {}


def _key(config: RunConfig) -> _Key:
    node = json.dumps(config.data.source, sort_keys=True)
    cache = str(Path(config.outputs, ".cache").resolve())
    data = config.data
    return node, data.height_width, data.channels, data.resize, cache, config.allow


@lru_cache(maxsize=64)
def _prepared(
    node: str,
    size: tuple[int, int],
    channels: int,
    resize: str,
    cache: str,
    allow: tuple[str, ...],
) -> Prepared:
    source = build("data", json.loads(node), allow)
    progress = Counter("reading images")
    return prepare(source, size, channels, Path(cache), progress, resize=resize)


def check_batch(config: RunConfig, prepared: Prepared) -> None:
    """Raise ConfigError if a batch is larger than the training part."""
    batch, count = config.trainer.batch, _count_training_images(config, prepared)
    if count < batch:
        raise ConfigError(
            f"trainer.batch={batch}: more than the {count} training images; "
            f"allowed are 1 to {count}"
        )


def _count_training_images(config: RunConfig, prepared: Prepared) -> int:
    split = config.data.split
    file = content(split.file, "data.split.file") if split.file else ""
    key = (prepared.fingerprint, str(split), file)
    if key not in _counts:
        _counts[key] = split_samples(prepared.samples, split).count("train")
    return _counts[key]


_counts: dict[tuple[str, str, str], int] = {}
