"""Which runs form a cell: those whose config values agree, except repetitions and searches."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import cast

from segsweep.config.identity import NEUTRAL, completed, neutral_arguments, not_identity
from segsweep.config.run_config import Values, mapping, without_effect
from segsweep.config.schema import OPTION_NODES, Config, DataConfig
from segsweep.config.truth import (
    NO_TEST,
    VALIDATION_ONLY,
    data_words,
    question_of,
    target_of,
)
from segsweep.system.files import text_digest

REPEATED = ("seed", "data.split.fold")
"""Keys that differ between the runs of one cell."""
LR = "optimizer.lr"
TILE = "data.tile"
ALWAYS = ("model", "loss")
SEARCHED = "searched"
"""Of runs whose values a search filled in: the keys that it searched. They are one cell at whatever
values, and another cell than runs whose values were given."""
COMPARED = ("model", "loss", "data", "seed", "kind", "threshold", "evaluate", "experiment")
"""What is compared, or what it is compared by: the same in all trials of a cell."""
SEPARATOR = "@"
"""In a cell's name before each further key; no shell gives it a meaning."""
DIGITS = 8
"""Of a digest that stands for a file's content, so many are part of a cell's name and of tables."""
NOT_SETTINGS = ("run_id", "kind", "search", "segsweep_version", "contents")
"""Facts about a run, not settings."""
DATA_KEYS = ("data", "data_fingerprint", "data_target", VALIDATION_ONLY)
"""What a run is asked; one key, `data`, stands for all of them."""


def is_compared(key: str) -> bool:
    """Whether cells are compared by *key*; an argument of a model or loss may be searched."""
    first = key.split(".")[0]
    return first in COMPARED and (first == key or first not in ("model", "loss"))


def run_names(config: Values) -> dict[str, object]:
    """Return the values that name a run in every table: run_id, kind, model, loss, seed, fold."""
    choices = mapping(config, "choices")
    return {
        **{"run_id": config["run_id"], "kind": config["kind"]},
        **{"model": choices["model"], "loss": choices["loss"], "seed": config["seed"]},
        "fold": mapping(mapping(config, "data"), "split")["fold"],
    }


def flat_values(config: Values) -> dict[str, object]:
    """Return a frozen config as dotted key -> value, with option names in place of classes.

    The learning rate is called `lr`, as in every table. Lists become text, so that they can
    be part of a cell's name.
    """
    choices = mapping(config, "choices")
    data = mapping(config, "data")
    values: dict[str, object] = {"data_fingerprint": config["data_fingerprint"]}
    values["data_target"] = config.get("data_target") or target_of(data)
    config = completed(config)
    for key, value in config.items():
        if key in OPTION_NODES:
            values[key] = choices[key]
            arguments = mapping(config, key)
            value = {name: item for name, item in arguments.items() if name != "_target_"}
        if isinstance(value, Mapping) and key != "choices":
            values.update(_flat(key, value))
        elif key != "choices":
            values[key] = value
    for name in idle_keys(values):
        values.pop(name, None)
    values.update({key: digest[:DIGITS] for key, digest in _contents(config).items()})
    if LR in values:
        values["lr"] = values.pop(LR)
    if filled := filled_keys(config):
        values[SEARCHED] = ",".join(sorted(map(flat_key, filled)))
    return {key: str(item) if isinstance(item, list) else item for key, item in values.items()}


def idle_keys(values: Values) -> tuple[str, ...]:
    """Return the keys that have no effect beside others of the same flat *values*."""
    return tuple(f"data.{name}" for name in without_effect({"tile": values.get(TILE)}))


def cells_of(configs: Sequence[Values]) -> list[str]:
    """Return the cell of each of *configs*."""
    values = [flat_values(config) for config in configs]
    swept = swept_among(configs, values)
    return [cell_name(named, swept) for named in with_data_words(values)]


def with_data_words(values: Sequence[Values]) -> list[Values]:
    """Return flat values whose `data` names the data set and target, not only the option."""
    words = data_words(values)
    return [{**named, "data": words[question_of(named)]} for named in values]


def swept_keys(configs: Sequence[Values]) -> list[str]:
    """Return the keys, besides model and loss, in which the cells of *configs* differ.

    Runs on different data, or with different targets, are never compared: the key `data` tells
    them apart, and another key counts only if it differs among runs that can be compared.
    A key below an option (loss.gamma) counts only if it differs among runs that chose the
    same option. Values that a search filled in, repetitions and what cannot change
    numbers, or has no effect beside another key, do not count.
    """
    return swept_among(configs, [flat_values(config) for config in configs])


def swept_among(configs: Sequence[Values], values: Sequence[Values]) -> list[str]:
    """Return the `swept_keys` of *configs*, given their `flat_values` in the same order."""
    runs = [named for config, named in zip(configs, values, strict=True) if config["kind"] == "run"]
    flat = [
        {key: value for key, value in named.items() if not is_filled(key, named)} for named in runs
    ]
    own = {*REPEATED, *ALWAYS, *NOT_SETTINGS, *NOT_IDENTITY, *DATA_KEYS, SEARCHED}
    data = ["data"] if len(set(map(question_of, values))) > 1 else []
    searched = [SEARCHED] if len({named.get(SEARCHED) for named in runs}) > 1 else []
    keys = dict.fromkeys(key for values in flat for key in values)
    return [
        *data,
        *(key for key in keys if not _skip(key, own) and _differs(key, flat)),
        *searched,
    ]


def filled_keys(config: Values) -> list[str]:
    """Return the dotted keys of a frozen config that a search filled in."""
    return list(cast("list[str]", mapping({"search": {}, **config}, "search").get("filled") or []))


def is_filled(key: str, values: Values) -> bool:
    """Whether a search filled in *key* of a run's flat *values*, or the option it belongs to."""
    searched = values.get(SEARCHED)
    names = searched.split(",") if isinstance(searched, str) and searched else []
    return any(key == name or key.startswith(f"{name}.") for name in names)


def differing_in_one_key(new: Sequence[Values], finished: Sequence[Values]) -> dict[str, int]:
    """Return key -> number of *finished* runs that differ from a *new* run in this key only.

    Both are frozen configs. Model, loss, seed and fold do not count, because a sweep varies
    them. Another option counts as one key together with its arguments, and other data as one
    key together with the setting that changed them. Keys that cannot change numbers are ignored.
    """
    old, fresh = [_marks(config) for config in finished], [_marks(config) for config in new]
    keys = dict.fromkeys(key for marks in (*old, *fresh) for key in marks)
    counts = {}
    for key in keys:
        differs = len({marks.get(key) for marks in (*old, *fresh)}) > 1
        if differs and key not in (*ALWAYS, *REPEATED, "kind"):
            together = [other for other in keys if _goes_with(other, key)]
            counts[key] = _count_alike(key, together, fresh, old)
    return {key: count for key, count in counts.items() if count}


def title_of(cell: str, fold: int | None) -> str:
    """Return a cell, and the fold if there is one, as they are shown."""
    return cell if fold is None else f"{cell} fold {fold}"


def flat_key(key: str) -> str:
    """Return what a config's dotted *key* is called among flat values and in tables."""
    return "lr" if key == LR else key


def cell_id(config: Values, searched: Iterable[str]) -> str:
    """Return 12 hex digits that the runs of a cell share, whatever values *searched* keys have.

    Unlike a cell's name, it does not depend on the other runs of a sweep.
    """
    keys = ",".join(sorted(map(flat_key, searched)))
    left_out = {*NOT_SETTINGS, *NOT_IDENTITY, *REPEATED, SEARCHED, VALIDATION_ONLY}
    neutral = NEUTRAL | neutral_arguments(config)
    named = flat_values(config) | _contents(config)
    kept = {
        key: str(value)
        for key, value in named.items()
        if key not in left_out and key.split(".")[0] not in left_out
        if value != neutral.get(key, _NO_VALUE) and not is_filled(key, {SEARCHED: keys})
    }
    return text_digest(json.dumps([keys, kept], sort_keys=True))[:12]


def _marks(config: Values) -> dict[str, int]:
    """Return a hash of each setting; the sum of the hashes represents the whole config.

    Text is hashed, because hashes of tuples of small numbers are so regular that sums coincide.
    """
    following = {"data_target", VALIDATION_ONLY}  # they follow from others
    left_out = {*NOT_SETTINGS, *NOT_IDENTITY, *following} - {"kind"}
    neutral = NEUTRAL | neutral_arguments(config)
    return {
        key: hash(f"{key}={value!r}")
        for key, value in flat_values(config).items()
        if key not in left_out and key.split(".")[0] not in left_out
        if value != neutral.get(key, _NO_VALUE)
    }


def _goes_with(key: str, changed: str) -> bool:
    """Whether a change of *changed* may change *key* too."""
    if key == changed or key.startswith(changed + "."):
        return True
    if changed == "optimizer":
        return key == "lr"
    if changed == TILE:  # each has an effect with a tile, or without
        return key in {*idle_keys({TILE: None}), *idle_keys({TILE: changed})}
    node, _, name = changed.partition(".")
    return key == "data_fingerprint" and node == "data" and name.split(".")[0] not in _OF_ANY_DATA


def _count_alike(
    key: str,
    together: Sequence[str],
    new: Sequence[Mapping[str, int]],
    finished: Sequence[Mapping[str, int]],
) -> int:
    """Return the number of *finished* runs that differ from a *new* one in *key* only."""

    def rest(marks: Mapping[str, int]) -> int:
        return sum(marks.values()) - sum(marks.get(other, 0) for other in together)

    known: dict[int, set[int | None]] = {}
    for marks in new:
        known.setdefault(rest(marks), set()).add(marks.get(key))
    return sum(bool(known.get(rest(marks), set()) - {marks.get(key)}) for marks in finished)


def cell_name(values: Values, swept: Iterable[str]) -> str:
    """Return a cell's name from its flat values: `unet2/dice@trainer.epochs=80`."""
    data = str(values.get("data")).replace(f", {NO_TEST}", f", {NO_TEST.replace(' ', '-')}")
    named = {**values, "data": data.replace(", ", ",")}  # one word of a shell
    keys = [key for key in swept if key in values and not is_filled(key, values)]
    more = [f"{key}={named[key]}" for key in keys if named[key] != ""]
    return SEPARATOR.join([f"{values['model']}/{values['loss']}", *more])


def as_cell_name(text: str) -> str:
    """Return a cell's name as it is written now.

    Earlier versions wrote `;` before a key, and the whole digest of a file.
    """
    name = re.sub(r";(?=[\w.]+=)", SEPARATOR, text)
    return re.sub(
        rf"=([0-9a-f]{{{DIGITS}}})[0-9a-f]{{{64 - DIGITS}}}(?={SEPARATOR}|$)", r"=\1", name
    )


def split_name(cell: str) -> list[str]:
    """Return the parts of a cell's name: `unet2/dice`, then each `key=value`."""
    return re.split(rf"{SEPARATOR}(?=[\w.]+=)", cell)


def _contents(config: Values) -> dict[str, str]:
    """Return key -> digest for each file of a frozen config, which stands for the file's path."""
    return cast("dict[str, str]", mapping({"contents": {}, **config}, "contents"))


def _skip(key: str, skipped: set[str]) -> bool:
    return key in skipped or key.split(".")[0] in NOT_SETTINGS


def _differs(key: str, flat: Sequence[Values]) -> bool:
    """Whether *key* has several values among runs that can be compared.

    For loss.gamma, among those with the same loss.
    """
    node = key.split(".")[0]
    inside = node in OPTION_NODES and key != node
    seen: dict[object, object] = {}
    for values in flat:
        if key not in values and (not inside or key in idle_keys(values)):
            continue
        alike = question_of(values), values[node] if inside else None
        value = values.get(key)
        if seen.setdefault(alike, value) != value:
            return True
    return False


def _flat(above: str, values: Values) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        name = f"{above}.{key}"
        flat.update(_flat(name, value) if isinstance(value, Mapping) else {name: value})
    return flat


NOT_IDENTITY = frozenset({*not_identity(Config), *not_identity(DataConfig, "data.")})
_OF_ANY_DATA = frozenset(item.name for item in fields(DataConfig))
_NO_VALUE = object()
