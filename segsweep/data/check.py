"""Problems of a data set, found in one pass; errors stop a run, warnings are shown."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segsweep.data.decoding import FULL, narrow_range
from segsweep.data.naming import SHOWN
from segsweep.data.source import Listing, Pixels, Problem, Raw, Sample
from segsweep.errors import DataError
from segsweep.system.files import write_if_changed
from segsweep.system.names import name_list, plural

MOST_LINES = 20
"""Errors of one kind that get a line each; further ones are counted."""
MOST_NAMES = 10
"""Names listed in a warning; further ones are counted."""
WHOLE_LIST = "problems.txt"
"""In the folder of caches: the latest list that was too long for the screen."""
IGNORE = "see data.ignore, or leave the image out"
IGNORE_IT = "add it to data.ignore if its pixels count for nothing"


class ProblemsError(DataError):
    """Data that cannot be used, with everything that was found to be wrong."""

    def __init__(
        self,
        text: str,
        problems: Sequence[Problem] = (),
        samples: Sequence[Sample] = (),
        folder: Path | None = None,
    ) -> None:
        """*samples* are those that were found; *folder* is the one for the whole list."""
        super().__init__(text)
        self.problems, self.samples, self.folder = (*problems,), (*samples,), folder


@dataclass(frozen=True)
class Facts:
    """The facts kept of a sample, to compare it with all others."""

    id: str
    height: int
    width: int
    foreground: int
    """Pixels."""
    grey: bool
    image_digest: str
    """Hash of the decoded pixels: finds the same picture in two formats."""
    brightest: int | None = None
    """The largest value of an image with 16 bits whose range nobody named."""


def facts_of(sample: Sample, pixels: Pixels) -> Facts:
    """Reduce one decoded sample to its facts."""
    image = np.ascontiguousarray(pixels.image)
    digest = hashlib.sha256(f"{image.shape} {image.dtype.str}".encode())
    digest.update(image.data)
    height, width = image.shape[:2]
    count = int(np.count_nonzero(pixels.mask))
    short = digest.hexdigest()[:32]
    return Facts(sample.id, height, width, count, pixels.grey, short, pixels.brightest)


def check_pixels(sample: Sample, pixels: Pixels) -> list[Problem]:
    """Return the problems of one sample alone."""
    where = str(sample.mask or sample.id)
    problems = []
    ignored = pixels.ignored
    if ignored is not None and ignored.all():
        problems.append(Problem("error", where, f"every pixel is ignored: none counts; {IGNORE}"))
        return problems
    if pixels.mask.shape != pixels.image.shape[:2]:
        image, mask = ("x".join(map(str, a.shape[:2])) for a in (pixels.image, pixels.mask))
        problems.append(Problem("error", where, f"sizes differ: mask {mask}, image {image}"))
    for found in pixels.unnamed:  # `value 255`, `colour [0,128,0]`
        key = "data.foreground_color" if "colour" in found else "data.foreground"
        what = f"{found}: not selected by {key}; {IGNORE_IT}, to {key} if it marks the object"
        problems.append(Problem("warning", where, what))
    if not pixels.mask.any() and not pixels.unnamed:
        problems.append(Problem("warning", where, "empty mask: no foreground at all"))
    elif (pixels.mask if ignored is None else pixels.mask | ignored).all() and not pixels.unnamed:
        problems.append(Problem("warning", where, "full mask: no background at all"))
    if pixels.grey and _is_two_valued(pixels.image):
        what = "the mask looks like a photograph, its image like a mask: are they exchanged?"
        problems.append(Problem("warning", where, what))
    elif pixels.grey:
        what = "grey-valued mask: more than two values, so the foreground rule decided"
        problems.append(Problem("warning", where, what))
    return problems


def _is_two_valued(image: Raw) -> bool:
    """Whether an image holds exactly two values, as masks do."""
    low, high = image.min(), image.max()
    return bool(low < high and ((image == low) | (image == high)).all())


def check_all(facts: Sequence[Facts]) -> list[Problem]:
    """Return the problems that show only across samples."""
    problems = []
    if facts and not any(fact.foreground for fact in facts):
        where = name_list([fact.id for fact in facts], MOST_NAMES)
        what = "no foreground anywhere: see data.foreground and data.invert"
        problems.append(Problem("error", where, what))
    problems += _dark(facts)
    same: dict[str, list[str]] = {}
    for fact in facts:
        same.setdefault(fact.image_digest, []).append(fact.id)
    what = "identical images: give them one group, or they may stand on two sides of the split"
    problems += [
        Problem("warning", name_list(sorted(ids), MOST_NAMES, " = "), what)
        for ids in same.values()
        if len(ids) > 1
    ]
    return problems


def _dark(facts: Sequence[Facts]) -> list[Problem]:
    """Return a warning if all images of 16 bits together use a small part of their range."""
    deep = [fact.brightest for fact in facts if fact.brightest is not None]
    high = narrow_range(max(deep)) if deep else None
    if high is None:
        return []
    what = (
        f"images of 16 bits use only {max(deep) / FULL:.0%} of their range, which makes them dark: "
        f"the largest value is {max(deep)}; data.range=[0,{high}] takes 0 to {high} for all of it"
    )
    return [Problem("warning", plural(len(deep), "image"), what)]


def problems_of(error: DataError) -> list[Problem]:
    """Return an error as problems: each line of its text is `where: what`."""
    if isinstance(error, ProblemsError):
        return [*error.problems]
    lines = [line.partition(": ") for line in str(error).splitlines()]
    return [Problem("error", where if what else "data", what or where) for where, _, what in lines]


def has_errors(problems: Iterable[Problem]) -> bool:
    """Whether any of *problems* stops a run."""
    return any(problem.level == "error" for problem in problems)


def format_problems(problems: Iterable[Problem], folder: Path | None = None) -> str:
    """Return all problems as text, errors first.

    Each error has a line, up to 20 of a kind; further ones are counted. Warnings of one kind
    share a line with up to 10 names. Where that leaves some out, the whole list is written into
    *folder*, and the last line says where.
    """
    ordered = sorted(set(problems), key=lambda one: (one.level, one.where, one.what))
    left_out = any(isinstance(one, Listing) and len(one.names) > SHOWN for one in ordered)
    lines = []
    for kind, found in _kinds(problem for problem in ordered if problem.level == "error"):
        lines += [f"error: {problem.where}: {problem.what}" for problem in found[:MOST_LINES]]
        if len(found) > MOST_LINES:
            lines.append(f"error: {kind}: {len(found) - MOST_LINES} more")
            left_out = True
    for _, found in _kinds(problem for problem in ordered if problem.level == "warning"):
        names = name_list([Path(problem.where).name for problem in found], MOST_NAMES)
        lines.append(f"warning: {found[0].what}: {names}")
        left_out |= len(found) > MOST_NAMES
    if left_out and folder is not None:
        lines += _written(ordered, folder / WHOLE_LIST)
    return "\n".join(lines)


def _written(problems: Sequence[Problem], path: Path) -> list[str]:
    """Write a line for each problem, and return the line that says so; none if it cannot be."""
    text = "".join(
        f"{line}\n"
        for one in problems
        for line in (f"{one.level}: {one.where}: {one.what}", *_names_in(one))
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_if_changed(path, text)
    except OSError:  # a full disk, or one that may only be read: the list above has to do
        return []
    here = Path.cwd()
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return [f"all {len(problems)} problems, one a line: {shown}"]


def _names_in(problem: Problem) -> list[str]:
    return [f"  {name}" for name in problem.names] if isinstance(problem, Listing) else []


def _kinds(problems: Iterable[Problem]) -> list[tuple[str, list[Problem]]]:
    """Group problems that differ only in names and numbers, by the `kind` in `kind: details`."""
    kinds: dict[str, list[Problem]] = {}
    for problem in problems:
        parts = problem.what.split(": ")
        kind = next((part for part in parts if "/" not in part), problem.what)
        kinds.setdefault(kind, []).append(problem)
    return list(kinds.items())
