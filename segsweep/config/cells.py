"""What tells two cells apart: config values that differ, repetitions and searches aside."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import cast

from segsweep.config.identity import neutral_values, not_identity
from segsweep.config.run_config import Values, mapping
from segsweep.config.schema import OPTION_NODES, Config, DataConfig

REPEATED = ("seed", "data.split.fold")
"""Seeds and folds repeat a cell; they are no cells of their own."""
LR = "optimizer.lr"
ALWAYS = ("model", "loss")
BESIDE = ("run_id", "kind", "search", "segsweep_version", "contents")
"""Facts about a run, not settings."""


def run_names(config: Values) -> dict[str, object]:
    """Return what names a run in every table: run_id, kind, model, loss, seed, fold."""
    choices = mapping(config, "choices")
    return {
        **{"run_id": config["run_id"], "kind": config["kind"]},
        **{"model": choices["model"], "loss": choices["loss"], "seed": config["seed"]},
        "fold": mapping(mapping(config, "data"), "split")["fold"],
    }


def flat_values(config: Values) -> dict[str, object]:
    """Return a frozen config as dotted key -> value, classes as their option names.

    The learning rate stands as `lr`, the name it has in every table; lists as text, so that
    they can name a cell.
    """
    choices = mapping(config, "choices")
    values: dict[str, object] = {"data_fingerprint": config["data_fingerprint"]}
    for key, value in config.items():
        if key in OPTION_NODES:
            values[key] = choices[key]
            arguments = mapping(config, key)
            value = {name: item for name, item in arguments.items() if name != "_target_"}
        if isinstance(value, Mapping) and key != "choices":
            values.update(_flat(key, value))
        elif key != "choices":
            values[key] = value
    values.update(mapping({"contents": {}, **config}, "contents"))  # a file counts by its content
    if LR in values:
        values["lr"] = values.pop(LR)
    return {key: str(item) if isinstance(item, list) else item for key, item in values.items()}


def swept_keys(configs: Sequence[Values]) -> list[str]:
    """Return the keys beside model and loss by which the cells of *configs* differ.

    A key below an option (loss.gamma) counts only if it differs among runs that chose the
    same option. Values that a search filled in, repetitions and what cannot change
    numbers do not count.
    """
    return swept_among(configs, [flat_values(config) for config in configs])


def swept_among(configs: Sequence[Values], values: Sequence[Values]) -> list[str]:
    """Return `swept_keys` of *configs* whose flat *values* are known, in the same order."""
    runs = zip(configs, values, strict=True)
    flat = [named for config, named in runs if config["kind"] == "run"]
    filled = {key for config in configs for key in _filled(config)}
    skipped = {*REPEATED, *ALWAYS, *BESIDE, *NOT_IDENTITY, *filled}
    if LR in filled:
        skipped.add("lr")
    keys = dict.fromkeys(key for values in flat for key in values)
    return [key for key in keys if not _skip(key, skipped) and _differs(key, flat)]


def _filled(config: Values) -> list[str]:
    """Return the keys that a search filled in."""
    return list(cast("list[str]", mapping(config, "search")["filled"]))


def differing_in_one_key(new: Sequence[Values], finished: Sequence[Values]) -> dict[str, int]:
    """Return key -> how many *finished* runs differ from some *new* run in nothing but that key.

    All are frozen configs. Model, loss, seed and fold, which make up a sweep, are no such key;
    another option counts as one key with its arguments, and data as one with the setting that
    changed them. What cannot change numbers is left out.
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


def _marks(config: Values) -> dict[str, int]:
    """Return a hash of each setting; their sum stands for all of them.

    Of its text: hashes of tuples of small numbers lie so regularly that their sums coincide.
    """
    left_out = {*BESIDE, *NOT_IDENTITY} - {"kind"}
    return {
        key: hash(f"{key}={value!r}")
        for key, value in flat_values(config).items()
        if key not in left_out and key.split(".")[0] not in left_out
        if value != NEUTRAL.get(key, _NO_VALUE)
    }


def _goes_with(key: str, changed: str) -> bool:
    """Whether *key* may be another because *changed* is."""
    if key == changed or key.startswith(changed + "."):
        return True
    if changed == "optimizer":
        return key == "lr"
    node, _, name = changed.partition(".")
    return key == "data_fingerprint" and node == "data" and name.split(".")[0] not in _OF_ANY_DATA


def _count_alike(
    key: str,
    together: Sequence[str],
    new: Sequence[Mapping[str, int]],
    finished: Sequence[Mapping[str, int]],
) -> int:
    """Return how many *finished* runs have another *key* than a *new* one and all else alike."""

    def rest(marks: Mapping[str, int]) -> int:
        return sum(marks.values()) - sum(marks.get(other, 0) for other in together)

    known: dict[int, set[int | None]] = {}
    for marks in new:
        known.setdefault(rest(marks), set()).add(marks.get(key))
    return sum(bool(known.get(rest(marks), set()) - {marks.get(key)}) for marks in finished)


def cell_name(values: Values, swept: Iterable[str]) -> str:
    """Return a cell as people write it, from its flat values: `unet2/dice;trainer.epochs=80`."""
    beside = [f"{key}={values[key]}" for key in swept if key in values]
    return ";".join([f"{values['model']}/{values['loss']}", *beside])


def cell_columns(swept: Iterable[str]) -> list[str]:
    """Return the columns that name a cell."""
    return [*ALWAYS, *swept]


def _skip(key: str, skipped: set[str]) -> bool:
    return key in skipped or key.split(".")[0] in BESIDE


def _differs(key: str, flat: Sequence[Values]) -> bool:
    """Whether *key* has two values among runs that chose the same option above it."""
    node = key.split(".")[0]
    inside = node in OPTION_NODES and key != node
    seen: dict[object, object] = {}
    for values in flat:
        if key not in values and not inside:
            continue
        option, value = values[node] if inside else None, values.get(key)
        if seen.setdefault(option, value) != value:
            return True
    return False


def _flat(above: str, values: Values) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        name = f"{above}.{key}"
        flat.update(_flat(name, value) if isinstance(value, Mapping) else {name: value})
    return flat


NOT_IDENTITY = frozenset({*not_identity(Config), *not_identity(DataConfig, "data.")})
NEUTRAL = neutral_values(Config) | neutral_values(DataConfig, "data.")
_OF_ANY_DATA = frozenset(item.name for item in fields(DataConfig))
_NO_VALUE = object()
