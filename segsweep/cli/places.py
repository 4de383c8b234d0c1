"""Folders and tables among the words of `segsweep data`."""

from collections.abc import Sequence
from pathlib import Path

from segsweep.config.schema import Config
from segsweep.config.usage import groups
from segsweep.config.validate import hints_of
from segsweep.errors import ConfigError


def places_in(words: Sequence[str]) -> list[Path]:
    """Return the folders and tables among the words of `segsweep data`; ConfigError for three."""
    found = [Path(word).expanduser() for word in words if is_place(word)]
    if len(found) > 2 or (len(found) == 2 and not all(path.is_dir() for path in found)):
        raise ConfigError(
            f"{' '.join(map(str, found))}: one folder, a folder of images and one of masks, or one "
            "CSV of pairs"
        )
    return found


def is_place(word: str) -> bool:
    """Whether a word names a folder or a file that exists."""
    return _may_be_place(word) and Path(word).expanduser().exists()


def check_places(words: Sequence[str]) -> None:
    """Raise ConfigError for a word of `segsweep data` that is no override and no place."""
    every = groups()
    known = {*every, *hints_of(Config)}.union(*every.values())
    for word in words:
        if not _may_be_place(word) or is_place(word) or word in known:
            continue
        missing = "a link that leads nowhere" if Path(word).is_symlink() else "no such folder"
        raise ConfigError(
            f"{word}: {missing}; give a folder of images, a CSV of pairs, or key=value"
        )


def _may_be_place(word: str) -> bool:
    """Whether a word is no override, no deletion of a key (~seed) and no flag."""
    home = word == "~" or word.startswith("~/")
    return bool(word) and "=" not in word and (home or not word.startswith(("-", "~")))
