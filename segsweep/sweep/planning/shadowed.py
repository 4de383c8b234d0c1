"""Refuses an option file of the user that Hydra would ignore for a built-in one of its name.

Hydra takes the first file it finds, and segsweep's own folder comes before the user's: the
user would train another loss than the one in their file.
"""

import importlib.resources
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from segsweep.errors import ConfigError
from segsweep.system.files import resolved
from segsweep.system.installation import conf_folder

FLAG = "--config-dir"
SEARCHPATH = "hydra.searchpath"


def check_words(words: Sequence[str]) -> None:
    """Raise ConfigError if a folder that a command line names has a file that is ignored."""
    check_folders(folders_of(words))


def folders_of(words: Sequence[str]) -> list[Path]:
    """Return the folders with options of the user's that a command line names."""
    return [*_given(words), *_on_searchpath(words)]


def check_folders(folders: Sequence[Path]) -> None:
    """Raise ConfigError if one of the user's *folders* has a file that is ignored."""
    built_in = [resolved(folder) for folder in _folders()]
    ignored = [
        (folder / name, owner)
        for folder in dict.fromkeys(folders)
        if resolved(folder) not in built_in
        for name, owner in _names().items()
        if (folder / name).is_file()
    ]
    if not ignored:
        return
    file, owner = ignored[0]
    more = f" (and {len(ignored) - 1} more such files)" if len(ignored) > 1 else ""
    raise ConfigError(
        f"{file}: {file.stem} is {owner} own option and would be used instead; "
        f"choose another name{more}"
    )


def _folders() -> tuple[Path, ...]:
    """Return the folders that come before those of the user."""
    spec = find_spec("hydra")
    hydra = [Path(place) / "conf" for place in (spec and spec.submodule_search_locations) or ()]
    return (conf_folder(), *hydra)


@cache
def _names() -> dict[Path, str]:
    """Return the built-in files, relative to their folder -> whose they are."""
    ours, *hydra = _folders()
    theirs = {file: "Hydra's" for folder in hydra for file in _files(folder)}
    return {**dict.fromkeys(_files(ours), "segsweep's"), **theirs}


def _files(folder: Path) -> list[Path]:
    return sorted(file.relative_to(folder) for file in folder.rglob("*.yaml"))


def _given(words: Sequence[str]) -> list[Path]:
    """Return the folders that follow the flag, which may be shortened before an `=`."""
    found = []
    for word, following in zip(words, [*words, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if name in ("-cd", FLAG) or (name.startswith("--config-d") and FLAG.startswith(name)):
            found.append(Path(value if equals else following))
    return found


def _on_searchpath(words: Sequence[str]) -> list[Path]:
    """Return the folders of `hydra.searchpath`; what Hydra cannot read is left to Hydra."""
    found: list[Path] = []
    for word in words:
        if word.lstrip("+").partition("=")[0] != SEARCHPATH:
            continue
        with suppress(Exception):
            (override,) = OverridesParser.create().parse_overrides([word])
            config = OmegaConf.create({"places": override.value()})
            found += [_folder_of(str(place)) for place in config.places]
    return found


def _folder_of(place: str) -> Path:
    if place.startswith("pkg://"):
        name = place.removeprefix("pkg://").replace("/", ".")
        return Path(str(importlib.resources.files(name)))
    return Path(place.removeprefix("file://"))
