"""Reads and checks the samples of a data set that are not decoded yet."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate
from threading import Event

from segsweep.data.check import Facts, check_pixels, facts_of, has_errors
from segsweep.data.decoded import Decoded, Stored
from segsweep.data.forms import Form
from segsweep.data.resize import load_resizing
from segsweep.data.source import (
    Problem,
    Sample,
    Source,
    ignores_pixels,
    reads_in_threads,
    without_ignored,
)
from segsweep.data.work_size import file_bytes
from segsweep.errors import DataError
from segsweep.system.files import text_digest
from segsweep.system.machine import available_memory_mb, usable_cores
from segsweep.system.parallel import in_order
from segsweep.system.units import MIB

MEMORY_SHARE = 0.5
"""Share of the available memory that images may take which are decoded at the same time."""

ProgressCallback = Callable[[int, int, float], None]
"""Called with the numbers of samples done and to do, and the share of the work done."""


@dataclass(frozen=True)
class Task:
    """What is to be decoded, and how."""

    source: Source
    samples: list[Sample]
    keys: list[str | None]
    """The `sample_keys`."""
    form: Form
    """What is kept of each sample."""


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
    """Read every sample that is not in *decoded*; return the problems and facts of all.

    Samples are read in several threads where the source allows that. They are entered in their
    order by this thread alone, so nothing depends on the number of threads.
    """
    todo = [row for row, key in enumerate(task.keys) if key not in decoded.entries]
    read = {}
    if todo:
        load_resizing()
        threads = min(usable_cores(), len(todo)) if reads_in_threads(task.source) else 1
        tell = _teller([task.samples[row] for row in todo], threads, progress)
        with closing(_outcomes(task, todo, threads)) as outcomes:
            for done, (row, outcome) in enumerate(zip(todo, outcomes, strict=True), 1):
                key = task.keys[row]
                if key and not outcome.may_pass:
                    decoded.add(key, row, outcome.facts, outcome.problems, outcome.stored)
                read[row] = outcome.problems, outcome.facts
                tell(done)
    problems: list[Problem] = []
    facts: list[Facts] = []
    for row, key in enumerate(task.keys):
        entry = decoded.entries.get(key or "")
        found, fact = read[row] if entry is None else (entry.problems, entry.facts)
        problems += found
        facts += [fact] if fact else []
    return problems, facts


@dataclass(frozen=True)
class _Outcome:
    """What became of one sample."""

    problems: list[Problem]
    facts: Facts | None
    """None: it could not be read."""
    stored: Stored | None
    """None: it has errors, or belongs in no cache."""
    may_pass: bool = False
    """Whether the same file may be readable later."""


def _outcomes(task: Task, todo: Sequence[int], threads: int) -> Generator[_Outcome, None, None]:
    """Yield what becomes of each sample of *todo*, in that order."""
    given_up = Event()

    def decode(row: int) -> _Outcome:
        return _decode(task, task.samples[row], bool(task.keys[row]), given_up)

    def memory(row: int) -> float:
        return task.form.memory(task.samples[row])

    budget = MEMORY_SHARE * available_memory_mb() * MIB
    try:
        yield from in_order(decode, todo, memory, threads, budget)
    finally:
        given_up.set()


def _teller(
    samples: Sequence[Sample], threads: int, progress: ProgressCallback | None
) -> Callable[[int], None]:
    """Return a function that reports how many of *samples* are done.

    The share of the work goes by the bytes of their files. Those in flight count as half done.
    """
    if progress is None:
        return lambda done: None
    ends = list(accumulate(file_bytes(samples), initial=0.0))
    count = len(samples)

    def tell(done: int) -> None:
        begun = min(done + threads - 1, count)
        progress(done, count, (ends[done] + ends[begun]) / 2 / ends[-1])

    progress(0, count, 0.0)
    return tell


def _decode(task: Task, sample: Sample, is_kept: bool, given_up: Event) -> _Outcome:
    """Read one sample and keep what is asked; only read it if nobody takes the result any more."""
    try:
        pixels = task.source.read(sample)
    except (DataError, OSError) as error:
        return _Outcome([Problem("error", sample.id, str(error))], None, None, _may_pass(error))
    if given_up.is_set():
        return _Outcome([], None, None)
    try:
        pixels = without_ignored(pixels, ignores_pixels(task.source))
    except ValueError as error:
        return _Outcome([Problem("error", sample.id, str(error))], None, None)
    found, fact = check_pixels(sample, pixels), facts_of(sample, pixels)
    if not is_kept or has_errors(found):
        return _Outcome(found, fact, None)
    stored = task.form.kept(pixels)
    _ = stored.checksum  # computed here, in this thread
    return _Outcome(found, fact, stored)


def _may_pass(error: BaseException | None) -> bool:
    """Whether *error* may come from the machine, such as a lost network disk, not from the file."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno):
            return True
        error = error.__cause__
    return False
