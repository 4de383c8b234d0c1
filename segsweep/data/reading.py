"""Reads, checks and resizes the samples of a data set that are not decoded yet."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from segsweep.data.check import Facts, check_pixels, facts_of, has_errors
from segsweep.data.decoded import Decoded, Stored
from segsweep.data.resize import resize_pair
from segsweep.data.source import Problem, Sample, Source
from segsweep.errors import DataError
from segsweep.system.files import text_digest

ProgressCallback = Callable[[int, int], None]
"""Called with the numbers of samples done and to do."""


@dataclass(frozen=True)
class Task:
    """What is to be decoded, and how."""

    source: Source
    samples: list[Sample]
    keys: list[str | None]
    """The `sample_keys`."""
    size: tuple[int, int]
    channels: int
    resize: str


def sample_keys(
    source: Source, samples: Sequence[Sample], hashes: Mapping[str, str]
) -> list[str | None]:
    """Return a digest of each sample's names and content; None where *hashes* lack a file."""
    keys: list[str | None] = []
    for sample in samples:
        files = [str(path) for path in sample.files]
        content = [hashes.get(file, "") for file in files] or [source.signature]
        known = text_digest(json.dumps([sample.id, files, content]))
        keys.append(known if all(content) else None)
    return keys


def decode_all(
    decoded: Decoded, task: Task, progress: ProgressCallback | None
) -> tuple[list[Problem], list[Facts]]:
    """Read every sample that is not in *decoded*; return the problems and facts of all."""
    problems: list[Problem] = []
    facts: list[Facts] = []
    total = sum(key not in decoded.entries for key in task.keys)
    done = 0
    for row, (sample, key) in enumerate(zip(task.samples, task.keys, strict=True)):
        entry = decoded.entries.get(key) if key else None
        if entry is not None:
            found, fact = entry.problems, entry.facts
        else:
            found, fact = _decode(decoded, task, row, sample, key)
            done += 1
            if progress:
                progress(done, total)
        problems += found
        if fact is not None:
            facts.append(fact)
    return problems, facts


def _decode(
    decoded: Decoded, task: Task, row: int, sample: Sample, key: str | None
) -> tuple[list[Problem], Facts | None]:
    """Read one sample and enter it in *decoded*, except for an error that may pass."""
    try:
        pixels = task.source.read(sample)
    except (DataError, OSError) as error:
        found = [Problem("error", sample.id, str(error))]
        if key and not _may_pass(error):
            decoded.add(key, row, None, found, None)
        return found, None
    found, fact = check_pixels(sample, pixels), facts_of(sample, pixels)
    if key:
        stored = None
        if not has_errors(found):
            image, mask = resize_pair(pixels, task.size, task.channels, task.resize)
            stored = Stored(image, mask, np.packbits(pixels.mask).tobytes())
        decoded.add(key, row, fact, found, stored)
    return found, fact


def _may_pass(error: BaseException | None) -> bool:
    """Whether *error* may come from the machine, such as a lost network disk, not from the file."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
            return True
        error = error.__cause__
    return False
