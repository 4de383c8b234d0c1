"""The data set of a config, checked and cached; opened once per process. No torch."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from segsweep.config.identity import content
from segsweep.config.run_config import DataNode, RunConfig
from segsweep.config.targets import build
from segsweep.data.cache import Prepared, ProgressCallback, prepare
from segsweep.data.check import ProblemsError, problems_of
from segsweep.data.parts import PARTS
from segsweep.data.source import Listing, Problem, Sample
from segsweep.data.split import divide, problem_text
from segsweep.data.split_file import unreadable
from segsweep.data.tiles import Tiling
from segsweep.errors import ConfigError, DataError
from segsweep.system import progress as shown
from segsweep.system.files import resolved


def prepared_data(config: RunConfig) -> Prepared:
    """Return the config's data set; checked and cached once per process and setting."""
    key = _key(config)
    known = _remembered.get(key)
    return _prepared(*key) if known is None else known


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


_Key: TypeAlias = tuple[str, tuple[int, int] | None, int, str, str, tuple[str, ...]]
_remembered: dict[_Key, Prepared] = {}


def _key(config: RunConfig) -> _Key:
    node = json.dumps(config.data.source, sort_keys=True)
    cache = str(resolved(Path(config.outputs, ".cache")))
    data = config.data
    if data.tile is not None:  # images keep their own size, whatever that of tiles is
        return node, None, data.channels, "", cache, config.allow
    return node, data.height_width, data.channels, data.resize, cache, config.allow


@lru_cache(maxsize=64)
def _prepared(
    node: str,
    size: tuple[int, int] | None,
    channels: int,
    resize: str,
    cache: str,
    allow: tuple[str, ...],
) -> Prepared:
    source = build("data", json.loads(node), allow)
    progress = shown.Counter("reading images")
    return prepare(source, size, channels, Path(cache), progress, resize=resize)


def tiling_of(data: DataNode) -> Tiling | None:
    """Return how the images of a data node are cut into tiles; None if they are resized."""
    return None if data.tile is None else Tiling(data.height_width, data.overlap, data.crops)


Counts: TypeAlias = tuple[Counter[str], list[Problem]]
"""The number of images in each part, with tiles of CROPS in an epoch too, and errors."""
CROPS = "crops of an epoch"


def checked_data(
    config: RunConfig,
    read: Callable[[RunConfig], Prepared] = prepared_data,
    *,
    batch: bool = True,
) -> tuple[Prepared, list[str]]:
    """Return the config's data set, by *read*, and the parts of its split that have images.

    *batch*: whether a batch must fit into the training part.

    Raises:
        ProblemsError: with all problems of the data, of the split, and of the batch.
        DataError: there is nothing to read.

    """
    problems: list[Problem] = []
    prepared, counts = None, Counter[str]()
    try:
        prepared = read(config)
        counts, found = _counted(config, prepared)
        found = found or _misfits(config, counts, batch)
        problems = [*prepared.warnings, *found] if found else []
    except ProblemsError as error:
        lone = [n for one in error.problems if isinstance(one, Listing) for n in one.names]
        counts, found = _without_cache(config, error.samples, lone)
        found = found or _misfits(config, counts, batch and bool(error.samples))
        if not found:
            raise
        problems = [*error.problems, *found]
    except DataError as error:
        if not (found := unreadable(config.data.split)):
            raise
        problems = [*problems_of(error), *found]
    if problems or prepared is None:
        folder = Path(_key(config)[4])
        raise ProblemsError(problem_text(problems, folder), problems, folder=folder)
    return prepared, [part for part in PARTS if counts[part]]


def _counted(config: RunConfig, prepared: Prepared) -> Counts:
    """Return the sizes of the parts and all errors; kept for equal splits of the same data."""
    split = config.data.split
    try:
        file = content(split.file, "data.split.file") if split.file else ""
    except ConfigError:
        return _without_cache(config, prepared.samples)
    tiling = tiling_of(config.data)
    key = (prepared.fingerprint, str(split), file, tiling)
    if key not in _counts:
        parts, found = divide(prepared.samples, split)
        counts = Counter(parts)
        if tiling is not None:
            sizes = zip(prepared.sizes, parts, strict=True)
            counts[CROPS] = sum(tiling.crops_of(size) for size, part in sizes if part == "train")
        _counts[key] = counts, found
    return _counts[key]


def _without_cache(
    config: RunConfig, samples: Sequence[Sample], lone: Sequence[str] = ()
) -> Counts:
    if not samples:
        return Counter(), unreadable(config.data.split)
    parts, found = divide(samples, config.data.split, lone)
    return Counter(parts), found


def _misfits(config: RunConfig, counts: Counter[str], batch: bool) -> list[Problem]:
    """Return what else of the config does not fit the sizes of the parts."""
    found, images, count = [], config.trainer.batch, counts["train"]
    words = "images" if config.data.tile is None else CROPS
    if config.data.tile is not None:
        count = counts.get(CROPS, images)  # unknown where images cannot be read
    if batch and count < images:
        what = f"more than the {count} training {words}; allowed are 1 to {count}"
        found.append(Problem("error", f"trainer.batch={images}", what))
    if counts and config.evaluate.boundary and not counts["test"]:
        what = "measures test images, and the split has none; leave it out"
        found.append(Problem("error", "evaluate.boundary=true", what))
    return found


_counts: dict[tuple[str, str, str, Tiling | None], Counts] = {}
