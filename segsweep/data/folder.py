"""A folder of images and their masks, in a second folder or the same, paired by name."""

import csv
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal

from segsweep.data.images import (
    READER_VERSION,
    SUFFIXES,
    Foreground,
    image_files,
    read_sample,
    without_copies,
)
from segsweep.data.source import Pixels, Problem, Sample
from segsweep.errors import DataError
from segsweep.system.files import file_status


class NamePattern:
    """A pattern for file names, such as {id}_segmentation.png; upper case counts as lower.

    `{id}` is what an image and its mask have in common, `*` matches any characters. Where a name
    can be split in several ways, the longest id that another file has counts.
    """

    def __init__(self, key: str, pattern: str) -> None:
        if pattern.count("{id}") != 1:
            raise ValueError(
                f"{key} must hold {{id}} once, as in '{{id}}_mask.png'; got {pattern!r}"
            )
        if "/" in pattern or "\\" in pattern:
            raise ValueError(f"{key} is a file's name, without folders; got {pattern!r}")
        if not pattern.lower().endswith((".*", *SUFFIXES)):
            raise ValueError(
                f"{key} must end in .* or one of {' '.join(SUFFIXES)}; got {pattern!r}"
            )
        self.text = f"{key} '{pattern}'"
        self._before, self._after = map(_glob, pattern.split("{id}"))

    def ids(self, name: str) -> list[str]:
        """Return what {id} can be in a file's name, the longest first; none: it does not fit."""
        starts = [i for i in range(len(name)) if self._before.fullmatch(name[:i])]
        ends = [i for i in range(1, len(name)) if self._after.fullmatch(name[i:])]
        return sorted((name[i:j] for i in starts for j in ends if i < j), key=len, reverse=True)


class Folder:
    """Images and their masks in two folders, or in one.

    Args:
        images: the folder of images; folders inside it are not searched.
        masks: the folder of masks; None: the folder of images.
        mask_name: the name of an image's mask, with {id} for the image's name without its
            ending; in one folder it also decides which files are masks.
        foreground: half: above half of the file's range; or the label values that count.
        invert: True: what the rule finds is background.
        groups_file: CSV with the columns id and group; samples of one group (one patient, one
            lesion) stay in one part of a split.
        image_name: which files are images, where the folder holds others too: {id}.jpg.
        page: which page of a file with several is read, from 1; None: such a file is refused.

    """

    def __init__(
        self,
        images: Path,
        masks: Path | None = None,
        mask_name: str = "{id}.*",
        foreground: Literal["half"] | list[int] = "half",
        invert: bool = False,
        groups_file: Path | None = None,
        image_name: str = "{id}.*",
        page: int | None = None,
    ) -> None:
        if page is not None and page < 1:
            raise ValueError(f"page must be >= 1, the first page, or null; got {page}")
        self.images = Path(images).expanduser()
        self.masks = self.images if masks is None else Path(masks).expanduser()
        self.mask_name = NamePattern("mask_name", mask_name)
        self.image_name = NamePattern("image_name", image_name)
        self.foreground = Foreground.of(foreground, invert)
        self.page = page
        self.groups_file = None if groups_file is None else Path(groups_file).expanduser()

    @property
    def signature(self) -> str:
        """The reader's version, the foreground rule, and what else decides pixels."""
        page = "" if self.page is None else f" page={self.page}"
        return f"folder reader={READER_VERSION} {self.foreground}{page}"

    def find(self) -> tuple[list[Sample], list[Problem]]:
        """Return the complete pairs sorted by id, and an error for every file without its pair."""
        image_paths, mask_paths = self._listed()
        images = _by_id(image_paths, lambda path: self.image_name.ids(path.name)[0])
        masks = _by_id(mask_paths, lambda path: _known(self.mask_name.ids(path.name), images))
        problems = self._halves(images, masks)
        problems += _repeated("duplicate id", images)
        problems += _repeated("more than one mask", {n: masks[n] for n in masks if n in images})
        names = [n for n in sorted(images) if len(images[n]) == len(masks.get(n, ())) == 1]
        groups: dict[str, str] = {}
        if self.groups_file and names:
            groups, more = read_groups(self.groups_file, names)
            problems += more
        return [Sample(n, groups.get(n, n), images[n][0], masks[n][0]) for n in names], problems

    def read(self, sample: Sample) -> Pixels:
        """Decode one pair."""
        return read_sample(sample, self.foreground, self.page)

    def _listed(self) -> tuple[list[Path], list[Path]]:
        images = _files(self.images, "data.images")
        shared = os.path.realpath(self.images) == os.path.realpath(self.masks)
        masks = images if shared else _files(self.masks, "data.masks")
        masks = without_copies([path for path in masks if self.mask_name.ids(path.name)])
        if not masks:
            raise DataError(
                f"{self.masks}: no masks: none of its image files, such as "
                f"{image_files(self.masks)[0].name}, fits {self.mask_name.text}"
            )
        images = without_copies([path for path in images if self.image_name.ids(path.name)])
        if shared:
            taken = set(masks)
            images = [path for path in images if path not in taken]
        if not images:
            fits = "every image file" if shared else "no image file"
            pattern = self.mask_name if shared else self.image_name
            raise DataError(
                f"{self.images}: no images: {fits} fits {pattern.text}; "
                "change the pattern, or name a folder of masks in data.masks"
            )
        return images, masks

    def _halves(self, images: dict[str, list[Path]], masks: dict[str, list[Path]]) -> list[Problem]:
        no_mask = f"image without mask: nothing in {self.masks} fits {self.mask_name.text}"
        return [
            *(Problem("error", str(images[n][0]), no_mask) for n in images if n not in masks),
            *(
                Problem("error", str(path), f"mask without image: no image {n} in {self.images}")
                for n in masks
                if n not in images
                for path in masks[n]
            ),
        ]


def read_groups(path: Path, names: Collection[str]) -> tuple[dict[str, str], list[Problem]]:
    """Return id -> group from a CSV file, and a warning for each id that only one side has.

    Raises:
        DataError: the file cannot be read, contradicts itself, or names none of the samples.

    """
    groups: dict[str, str] = {}
    for line, name, group in _rows(path):
        if not name or not group:
            raise DataError(f"{path}: line {line} needs an id and a group: {name!r}, {group!r}")
        if groups.setdefault(name, group) != group:
            raise DataError(f"{path}: {name!r} has two groups: {groups[name]!r} and {group!r}")
    if not groups.keys() & set(names):
        raise DataError(f"{path}: names none of the images: their ids look like {min(names)!r}")
    absent = sorted(groups.keys() - set(names))
    return groups, [
        *(Problem("warning", n, "not in the groups file") for n in names if n not in groups),
        *(Problem("warning", n, "in the groups file, but not a pair of files") for n in absent),
    ]


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    try:
        file_status(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            names = rows.fieldnames or ()
            if not {"id", "group"} <= set(names):
                raise DataError(f"{path}: its first line must be id,group: got {','.join(names)!r}")
            for row in rows:
                yield rows.line_num, (row["id"] or "").strip(), (row["group"] or "").strip()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            f"{path}: cannot be read: {error}; a CSV with the columns id,group is needed"
        ) from None


def _glob(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.IGNORECASE)


def _files(folder: Path, key: str) -> list[Path]:
    try:
        found = image_files(folder)
        entries = sum(1 for _ in folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: not a folder to read: {error.strerror}; see {key}") from None
    if not found:
        raise DataError(
            f"{folder}: no images: none of its {entries} entries ends in {' '.join(SUFFIXES)} "
            f"(folders inside are not searched); see {key}"
        )
    return found


def _by_id(paths: Iterable[Path], id_of: Callable[[Path], str]) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(id_of(path), []).append(path)
    return dict(sorted(found.items()))


def _known(ids: list[str], images: Collection[str]) -> str:
    return next((name for name in ids if name in images), ids[0])


def _repeated(what: str, files: dict[str, list[Path]]) -> list[Problem]:
    return [
        Problem("error", str(path), f"{what}: {name!r} is also {paths[0].name}; keep one")
        for name, paths in files.items()
        for path in paths[1:]
    ]
