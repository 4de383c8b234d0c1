"""What a run is asked: on which data, and what counts as foreground there (the target).

Runs are compared only where both agree. The target is a text of its own beside the data
fingerprint; the settings behind it are part of the run's id already.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import PurePath
from typing import TypeAlias

from segsweep.config.schema import DataConfig
from segsweep.system.files import text_digest

FOREGROUND, COLOURS = "foreground", "foreground_color"
HALF = "half"
"""The rule of masks that are cut at half of their range."""
TARGET_KEYS: Mapping[str, tuple[object, ...]] = {
    FOREGROUND: (HALF, None),
    "invert": (False, None),
    "ignore": (None, []),
    "page": (None,),
    COLOURS: (None, []),
}
"""Arguments of a data set that say what counts as foreground, and on which page of each file,
with the values that say nothing."""
VALIDATION_ONLY = "validation_only"
"""The key of a frozen config that is true where the split has no test part; else it is missing."""
NO_TEST = "validation only"
"""In the names of comparisons: these runs are judged by validation images, not by test images."""
Question: TypeAlias = tuple[str, str]
"""Data fingerprint and target, the latter with NO_TEST for runs without a test part: runs that
agree in both are compared."""
DRAWN = "synthetic"
"""The option of the group `data` that needs no files."""
PLACES = ("data.root", "data.images", "data.file")
"""Keys that say where a data set's files are."""
SHORT = 6
"""Digits of a fingerprint in a name."""
LONGEST = 48
"""Characters of a target in a file's name."""


def target_of(data: Mapping[str, object]) -> str:
    """Return the target of a data node: `foreground`, `foreground=1,2, inverted`."""
    words = [FOREGROUND]
    for key, silent in TARGET_KEYS.items():
        value = data.get(key)
        if value in silent:
            continue
        if key in (FOREGROUND, COLOURS):
            words[0] = f"{key}={_listed(key, value)}"
        else:
            words.append("inverted" if value is True else f"{key}={_listed(key, value)}")
    return ", ".join(words)


def question_of(values: Mapping[str, object]) -> Question:
    """Return what the run with these flat values is asked."""
    target = str(values["data_target"])
    only = values.get(VALIDATION_ONLY) is True
    return str(values["data_fingerprint"]), f"{target}, {NO_TEST}" if only else target


def data_words(runs: Iterable[Mapping[str, object]]) -> dict[Question, str]:
    """Return a name for each question of *runs*, given as flat values: `ph2`, `mine, inverted`.

    The name is that of the option of the group `data`. What tells data sets of one option apart
    follows it, then the target where targets differ. Names are sorted.
    """
    first: dict[Question, Mapping[str, object]] = {}
    for values in runs:
        first.setdefault(question_of(values), values)
    data = {question[0]: values for question, values in reversed(first.items())}
    names = _data_names(data)
    several = len({target.removesuffix(f", {NO_TEST}") for _, target in first}) > 1
    found = {}
    for fingerprint, target in first:
        words = target.split(", ")
        rule = [word for word in words if word == NO_TEST or (several and word != FOREGROUND)]
        found[fingerprint, target] = ", ".join([names[fingerprint], *rule])
    return dict(sorted(found.items(), key=lambda item: (item[1], item[0])))


def data_title(values: Mapping[str, object]) -> str:
    """Return which data a run with these flat values is on: its option, and where the files are.

    `ph2 (/data/PH2)`; data that are drawn by a program are called so. Tiles are named, and
    `validation only` follows where the split has no test part.
    """
    option = str(values["data"])
    place = next((values[key] for key in PLACES if values.get(key)), None)
    if option == DRAWN:
        place = "embedded images, drawn by a program"
    title = (option if place is None else f"{option} ({place})") + _tile_words(values)
    return f"{title}, {NO_TEST}" if values.get(VALIDATION_ONLY) is True else title


def _tile_words(values: Mapping[str, object]) -> str:
    """Return how images are cut into tiles; empty if they are resized."""
    tile = values.get("data.tile")
    if tile is None:
        return ""
    sides = [int(side) for side in re.findall(r"\d+", str(tile))]
    height, width = sides if len(sides) == 2 else (sides[0], sides[0])
    share = float(str(values.get("data.overlap", 0)))
    overlap = dict.fromkeys(str(int(share * side)) for side in (height, width))
    return f", tiles of {height}x{width}, overlap {'x'.join(overlap)}, at their own size"


def data_titles(runs: Iterable[Mapping[str, object]]) -> str:
    """Return the `data_title` of all runs, each once."""
    return "; ".join(dict.fromkeys(map(data_title, runs)))


def file_word(target: str) -> str:
    """Return a target as part of a file's name; empty for the usual one."""
    words = "-".join(word for word in target.split(", ") if word != FOREGROUND)
    name = "".join(sign if sign.isalnum() or sign in "-=" else "+" for sign in words)
    return name if len(name) <= LONGEST else text_digest(target)[:LONGEST]


def _data_names(data: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Return fingerprint -> name of the data set; *data* are its flat values."""
    by_option: dict[str, list[str]] = {}
    for fingerprint, values in data.items():
        by_option.setdefault(str(values["data"]), []).append(fingerprint)
    names = {}
    for option, found in by_option.items():
        keys = _differing([data[name] for name in found])
        for name in found:
            pairs = [f"{key.partition('.')[2]}={_brief(data[name].get(key))}" for key in keys]
            names[name] = ", ".join([option, *pairs])
    taken = list(names.values())
    return {
        name: f"{word}, {name[:SHORT]}" if taken.count(word) > 1 else word
        for name, word in names.items()
    }


def _differing(data: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the arguments of one source that tell data sets apart: one if it is enough."""
    keys = dict.fromkeys(key for values in data for key in values if _is_argument(key))
    counts = {key: len({_brief(values.get(key)) for values in data}) for key in keys}
    enough = [key for key, count in counts.items() if count == len(data) > 1]
    return enough[:1] or [key for key, count in counts.items() if count > 1]


def _is_argument(key: str) -> bool:
    node, _, name = key.partition(".")
    shared = [item.name for item in fields(DataConfig)]
    return node == "data" and bool(name) and name.split(".")[0] not in (*shared, *TARGET_KEYS)


def _brief(value: object) -> str:
    """Return the end of a path; other values as they are."""
    text = str(value)
    return PurePath(text).name if "/" in text or "\\" in text else text


def _listed(key: str, value: object) -> str:
    if not isinstance(value, list):
        return str(value)
    if key == COLOURS or isinstance(value[0], list):
        rows = value if isinstance(value[0], list) else [value]
        return "+".join(sorted({",".join(map(str, row)) for row in rows}))
    return ",".join(sorted(set(map(str, value)), key=lambda word: (len(word), word)))
