"""Patterns in place of a folder: `cases/{id}/photo.jpg` is the folder `cases` and a file pattern.

A config holds folder and pattern apart, so that one layout has one spelling and one id.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from segsweep.errors import ConfigError

ANY_ID = "{id}.*"
"""The pattern that fits every image file in a folder."""
WORDS = ("{id}", "{split}", "{folder}", "*")
"""What makes a path a pattern."""
NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"segsweep.data.folder.Folder": {"images": "image_name", "masks": "mask_name"}}
)
"""Class -> its arguments with a folder, and for each the argument with the pattern in it."""
FILE = re.compile(r".*\.(\*|[a-z]{3,4})", re.IGNORECASE)
"""The last part of a pattern that is about files, not folders: it has an ending."""


def has_pattern(place: str) -> bool:
    """Whether a path holds a word of patterns, and is not a folder that is called so."""
    return any(word in place for word in WORDS) and not Path(place).expanduser().is_dir()


def folder_and_name(key: str, place: str, name: str = ANY_ID) -> tuple[str, str]:
    """Return the folder and the pattern of names below it that *place* and *name* mean.

    A place without patterns stays as it is. A pattern of folders, such as `{split}/images`, comes
    before the pattern *name*; a pattern of files, such as `{id}/photo.jpg`, replaces the usual one.

    Raises:
        ConfigError: both are patterns of files; *key* is the argument of the place.

    """
    if not has_pattern(place):
        return place, name
    parts = place.rstrip("/").split("/")
    start = next(i for i, part in enumerate(parts) if any(word in part for word in WORDS))
    folder, pattern = "/".join(parts[:start]), "/".join(parts[start:])
    folder = folder or ("/" if place.startswith("/") else ".")
    if not FILE.fullmatch(parts[-1]):
        return folder, f"{pattern}/{name}"
    if name != ANY_ID:
        raise ConfigError(
            f"{key}={place}: names files, and so does the pattern {name}; give the folder or the "
            "files in one of them only"
        )
    return folder, pattern


def split_patterns(arguments: Mapping[str, object]) -> dict[str, object]:
    """Return a data node's arguments with each pattern in the argument that is for it.

    A folder of masks that is then the folder of images is left out.
    """
    found = dict(arguments)
    for place, name in NAMES.get(str(arguments.get("_target_")), {}).items():
        given = arguments.get(place)
        if isinstance(given, str) and has_pattern(given):
            pattern = str(arguments.get(name, ANY_ID))
            found[place], found[name] = folder_and_name(f"data.{place}", given, pattern)
            if place == "masks" and found["masks"] == found["images"]:
                found["masks"] = None
    return found
