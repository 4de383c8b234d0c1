"""What data a run is on: hashes of its files, each read once and remembered."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from segsweep.data.source import Problem, Sample, Source
from segsweep.system.files import file_digest, file_status, read_json, text_digest, write_json

FRESH_NS = 2_000_000_000
"""A file changed this shortly before it was hashed may change again within its time stamp."""
SAVE_SECONDS = 10.0
"""Time between two writes of the memory while files are hashed: a killed command loses less."""


def content_hashes(samples: Sequence[Sample], folder: Path) -> tuple[dict[str, str], list[Problem]]:
    """Return path -> sha256 for all files, and an error for each that cannot be read.

    Only what changed since last asked is read.
    """
    memory = folder / "hashes.json"
    known = read_json(memory) or {}
    found, changed, written = {}, False, time.monotonic()
    problems: list[Problem] = []
    for path in (path for sample in samples for path in sample.files):
        key = os.path.realpath(path)
        try:
            status = file_status(path)
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            entry = _entry(known.get(key))
            if entry[:3] != stamp:
                entry, changed = [*stamp, file_digest(path)], True
                if time.time_ns() - max(stamp[1:]) > FRESH_NS:
                    known[key] = entry
                if time.monotonic() - written > SAVE_SECONDS:
                    write_json(memory, known)
                    written = time.monotonic()
        except OSError as error:
            problems.append(Problem("error", str(path), f"cannot be read: {error.strerror}"))
        else:
            found[str(path)] = str(entry[3])
    if changed:
        write_json(memory, known)
    return found, problems


def _entry(value: object) -> list[object]:
    """Return what is remembered of a file; nothing if it is not as it was written."""
    whole = isinstance(value, list) and len(value) == 4 and isinstance(value[3], str)
    return value if isinstance(value, list) and whole else []


def data_fingerprint(source: Source, samples: Sequence[Sample], hashes: dict[str, str]) -> str:
    """Return 16 hex digits for the content of *samples*; a drawn source counts by signature."""
    rows = [
        [s.id, s.group, hashes.get(str(s.image)), hashes.get(str(s.mask)), *_further(s, hashes)]
        for s in samples
    ]
    drawn = source.signature if samples and samples[0].image is None else ""
    return text_digest(json.dumps([drawn, rows]))[:16]


def _further(sample: Sample, hashes: dict[str, str]) -> list[object]:
    """Return what most samples lack, and what the fingerprints of older data do not have."""
    masks = [hashes.get(str(path)) for path in sample.more_masks]
    return [*([masks] if masks else []), *([{"part": sample.part}] if sample.part else [])]
