"""Images and their masks as a table lists them: a CSV with a row for each pair."""

import csv
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from segsweep.data.decoding import Decoding
from segsweep.data.dicom import check_readable
from segsweep.data.file_source import FileSource
from segsweep.data.foreground import Foreground
from segsweep.data.naming import PARTS_NAMED
from segsweep.data.source import Listing, Problem, Sample
from segsweep.errors import DataError
from segsweep.system.files import file_status
from segsweep.system.names import name_list

UNUSED = ("", "unused")
"""What the column of parts holds for an image that is in none."""
Row = dict[str, str]


@dataclass
class Listed:
    """What the rows of a table say about one image."""

    group: str
    part: str
    id: str
    masks: list[Path] = field(default_factory=list)


class Pairs(FileSource):
    """Images and masks from a CSV; several rows of one image unite their masks.

    Args:
        file: the CSV; paths in it are relative to its folder.
        image_column: the column with the path of an image.
        mask_column: the column with the path of its mask.
        id_column: the column with the id; None: the image's file name without its ending.
        group_column: the column with the group; samples of one group (one patient, one lesion)
            stay in one part of a split. group: it may be missing.
        split_column: the column with the part, train, val or test, which data.split.given=true
            uses. split: it may be missing.
        foreground: these and the following: as in `Folder`.
        invert: True: what the rule finds is background.
        foreground_color: one colour or several.
        page: from 1.
        range: of images.
        ignore: stored values, or colours.

    """

    def __init__(
        self,
        file: Path,
        image_column: str = "image",
        mask_column: str = "mask",
        id_column: str | None = None,
        group_column: str = "group",
        split_column: str = "split",
        foreground: Literal["half", "alpha"] | list[int] = "half",
        invert: bool = False,
        foreground_color: list[int] | list[list[int]] | None = None,
        page: int | None = None,
        range: list[float] | None = None,
        ignore: list[int] | list[list[int]] | None = None,
    ) -> None:
        rule = Foreground.of(foreground, invert, foreground_color, ignore)
        super().__init__("pairs", rule, Decoding.of(page, range))
        self.file = Path(file).expanduser()
        self.columns = {"image": image_column, "mask": mask_column}
        self.columns |= {"id": id_column or "", "group": group_column, "split": split_column}

    def find(self) -> tuple[list[Sample], list[Problem]]:
        """Return the pairs sorted by id, and an error for each row that cannot be used."""
        listed: dict[Path, Listed] = {}
        absent: list[str] = []
        wrong: list[str] = []
        for line, row in self._rows():
            without = [key for key in ("image", "mask") if not row[self.columns[key]]]
            if without:
                wrong.append(f"row without {' and '.join(without)}: line {line}")
                continue
            image, mask = (self._path(row[self.columns[key]]) for key in ("image", "mask"))
            absent += [f"{path} (line {line})" for path in (image, mask) if not path.is_file()]
            wrong += self._enter(listed, image, mask, row, line)
        names, repeated = self._ids(listed)
        where = str(self.file)
        problems = [Problem("error", where, what) for what in (*wrong, *repeated)]
        if absent:
            what = f"no such file: {len(absent)} of its files: {name_list(absent, 3)}"
            problems.append(Listing("error", where, what, tuple(absent)))
        samples = [
            Sample(
                names[image],
                one.group or names[image],
                image,
                one.masks[0],
                tuple(one.masks[1:]),
                one.part or None,
            )
            for image, one in listed.items()
            if image.is_file() and all(path.is_file() for path in one.masks)
        ]
        check_readable((path for one in samples for path in one.files), problems)
        return sorted(samples, key=lambda sample: sample.id), problems

    def _rows(self) -> Iterator[tuple[int, Row]]:
        rows = read_table(self.file)
        header = [*rows[0][1]] if rows else []
        optional = {"group": "group", "split": "split", "id": ""}
        needed = [name for key, name in self.columns.items() if name != optional.get(key)]
        missing = [name for name in needed if name not in header]
        if missing:
            raise DataError(
                f"{self.file}: no column {missing[0]!r}: needs a header with the columns "
                f"{', '.join(needed)}, and rows; has {', '.join(header) or 'none'}"
            )
        yield from rows

    def _enter(
        self, listed: dict[Path, Listed], image: Path, mask: Path, row: Row, line: int
    ) -> list[str]:
        """Add what a row says about its image; return what is wrong with it."""
        part = self._part(row)
        if part is None:
            column = self.columns["split"]
            return [
                f"unknown part: {row[column]!r} in the column {column} (line {line}); allowed are "
                "train, val, test, or nothing for images that are not used"
            ]
        group, name = (row.get(self.columns[key], "") for key in ("group", "id"))
        known = listed.setdefault(image, Listed(group, part, name))
        if (known.group, known.part, known.id) != (group, part, name):
            return [f"an earlier line has another group, part or id: {image.name} (line {line})"]
        if mask in known.masks:
            return [f"the same pair once more: {image.name} and {mask.name} (line {line})"]
        known.masks.append(mask)
        return []

    def _part(self, row: Row) -> str | None:
        """Return the part in a row: empty where the table has none, None for an unknown word."""
        if (cell := row.get(self.columns["split"])) is None:
            return ""
        if cell.lower() in UNUSED:
            return "unused"
        return PARTS_NAMED.get(cell.lower())

    def _path(self, cell: str) -> Path:
        """Return the file that a cell names; accents and slashes may be written otherwise."""
        ways = [cell, cell.replace("\\", "/")]
        ways += [unicodedata.normalize(form, way) for form in ("NFC", "NFD") for way in ways]
        paths = [self.file.parent / Path(way).expanduser() for way in ways]
        return next((path for path in paths if path.is_file()), paths[0])

    def _ids(self, listed: Mapping[Path, Listed]) -> tuple[dict[Path, str], list[str]]:
        """Return an id for each image: of the table, its name, or its path if names repeat.

        Ids of the table that two images have are returned in words.
        """
        names = {image: one.id or image.stem for image, one in listed.items()}
        repeated = []
        if self.columns["id"]:
            owners: dict[str, Path] = {}
            for image, name in names.items():
                if owners.setdefault(name, image) != image:
                    other = owners[name].name
                    repeated.append(f"one id of two images: {name!r} is {other} and {image.name}")
        elif len({*names.values()}) < len(names):
            return {image: self._long_id(image) for image in listed}, []
        return names, repeated

    def _long_id(self, image: Path) -> str:
        parent = self.file.parent
        short = image.relative_to(parent) if image.is_relative_to(parent) else image
        return "-".join(part for part in short.parts if part not in ("/", ".."))


def read_table(path: Path) -> list[tuple[int, Row]]:
    """Return the rows of a CSV with their lines; cells without spaces around them.

    Columns are separated by commas, semicolons or tabs.
    """
    try:
        file_status(path)
        with path.open(newline="", encoding="utf-8-sig") as file:
            header = file.readline()
            file.seek(0)
            rows = csv.DictReader(file, delimiter=max(",;\t", key=header.count))
            return [
                (rows.line_num, {k.strip(): (v or "").strip() for k, v in row.items() if k})
                for row in rows
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as a CSV: {error}") from None
