"""Patterns of file names with {id}, and names that differ only in how they are written."""

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from segsweep.data.images import SUFFIXES

PARTS_NAMED = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
"""How people call the parts of a split, in lower case."""
HOLES = {
    "**/": r"(?:[^/]+/)*",
    "*": "[^/]*",
    "{split}": f"(?P<split>{'|'.join(PARTS_NAMED)})",
    "{folder}": "(?P<folder>[^/]+)",
}
SHOWN = 3
"""Names that a message shows of many."""
SIGNS = tuple("/._- ")
"""Characters of patterns that only stand for themselves, whatever the case."""
HOLE = re.compile("|".join(map(re.escape, HOLES)))
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, order=True)
class Name:
    """What a pattern finds in the name of a file."""

    id: str
    folder: str = ""
    """What {folder} stands for; empty without it."""
    part: str = ""
    """What {split} stands for: train, val or test; empty without it."""


class NamePattern:
    """A pattern for file names, such as {id}_segmentation.png; upper case counts as lower.

    `{id}` is what an image and its mask have in common, `*` matches any characters. Where a name
    can be split in several ways, the longest id that another file has counts. A pattern with
    folders, such as {id}/photo.jpg, is for names relative to the folder that is searched: `**/`
    matches any folders or none, {split} a folder called train, val or test, {folder} any other
    folder in which ids start anew.
    """

    def __init__(self, key: str, pattern: str) -> None:
        if pattern.count("{id}") != 1:
            raise ValueError(
                f"{key} must hold {{id}} once, as in '{{id}}_mask.png'; got {pattern!r}"
            )
        if "\\" in pattern or {"", ".", ".."} & {*pattern.split("/")}:
            raise ValueError(
                f"{key} is a file's name, below data.images or data.masks, with folders as in "
                f"'{{id}}/mask.png'; got {pattern!r}"
            )
        if not pattern.lower().endswith((".*", *SUFFIXES)):
            raise ValueError(
                f"{key} must end in .* or one of {' '.join(SUFFIXES)}; got {pattern!r}"
            )
        if max(pattern.count("{split}"), pattern.count("{folder}")) > 1:
            raise ValueError(f"{key} may hold {{split}} and {{folder}} once; got {pattern!r}")
        self.key, self.pattern = key, pattern
        self.text = f"{key} '{pattern}'"
        self.depth = None if "**" in pattern else pattern.count("/")
        self.holes = {hole for hole in ("folder", "split") if f"{{{hole}}}" in pattern}
        before, after = pattern.split("{id}")
        self._before, self._after = _compiled(before), _compiled(after)
        self._sign_before = before[-1:] if before[-1:] in SIGNS else ""
        self._sign_after = after[:1] if after[:1] in SIGNS else ""
        self._starts_with_id = not before

    @property
    def takes_many(self) -> bool:
        """Whether all files of one id belong together: {id}/*.png, {id}_mask_*.png."""
        return "*" in self._stem

    @property
    def is_open(self) -> bool:
        """Whether only an image's name tells its files from other images, as in {id}_*.png."""
        named = self._stem.replace("{id}", "")
        return self.takes_many and named != self._stem and not any(map(str.isalpha, named))

    @property
    def _stem(self) -> str:
        return self.pattern.rpartition("/")[2].rpartition(".")[0]

    def ids(self, name: str) -> list[str]:
        """Return what {id} can be in a file's name, the longest first; none: it does not fit."""
        return [found.id for found in self.names(name)]

    def names(self, name: str) -> list[Name]:
        """Return what the pattern can find in a file's name, the longest id first."""
        starts = [(i, m) for i in self._starts(name) if (m := self._before.fullmatch(name[:i]))]
        ends = [(j, m) for j in self._ends(name) if (m := self._after.fullmatch(name[j:]))]
        found = []
        for i, before in starts:
            for j, after in ends:
                if i < j and "/" not in name[i:j]:
                    held = before.groupdict() | after.groupdict()
                    part = PARTS_NAMED.get(held.get("split", "").lower(), "")
                    found.append(Name(name[i:j], held.get("folder", ""), part))
        return sorted(found, key=lambda one: len(one.id), reverse=True)

    def _starts(self, name: str) -> Iterable[int]:
        """Return the places in a name where {id} may begin: all, or behind the sign before it."""
        if self._starts_with_id:
            return (0,)
        sign = self._sign_before
        return (i for i in range(len(name)) if not sign or i == 0 or name[i - 1] == sign)

    def _ends(self, name: str) -> Iterable[int]:
        sign = self._sign_after
        return (j for j in range(1, len(name)) if not sign or name[j] == sign)


def _compiled(text: str) -> re.Pattern[str]:
    parts, start = [], 0
    for hole in HOLE.finditer(text):
        parts += [re.escape(text[start : hole.start()]), HOLES[hole.group()]]
        start = hole.end()
    return re.compile("".join([*parts, re.escape(text[start:])]), re.IGNORECASE | re.DOTALL)


def composed(text: str) -> str:
    """Return *text* with accents as one character each: some systems store them as two."""
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return *text* as it is compared where upper and lower case do not count."""
    return composed(composed(text).casefold())


class Known(Generic[Key]):
    """Names to find again, also where accents or upper case are written otherwise."""

    def __init__(self, names: Iterable[tuple[str, Key]]) -> None:
        self._ways: list[dict[str, set[Key]]] = [{}, {}, {}]
        for text, key in names:
            for way, write in zip(self._ways, WAYS, strict=True):
                way.setdefault(write(text), set()).add(key)

    def find(self, texts: Sequence[str]) -> Key | None:
        """Return the first of *texts* that is known: written so, or else the only one alike."""
        for way, write in zip(self._ways, WAYS, strict=True):
            for text in texts:
                if len(found := way.get(write(text), set())) == 1:
                    return next(iter(found))
        return None

    def alike(self, texts: Sequence[str]) -> set[Key]:
        """Return all that *texts* may mean, also where `find` cannot decide."""
        ways = zip(self._ways, WAYS, strict=True)
        return {key for way, write in ways for text in texts for key in way.get(write(text), ())}


WAYS: tuple[Callable[[str], str], ...] = (str, composed, folded)
