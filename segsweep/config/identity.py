"""The id of a run: the same config on the same data always has the same id.

The id is a hash of all values that can change a run's numbers, defaults included, without paths
and module names. A key that is added in a later version has a neutral value, which is not hashed.
"""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import cast

from segsweep.config.run_config import (
    COMMON,
    FrozenConfig,
    Node,
    Values,
    mapping,
    without_effect,
)
from segsweep.config.schema import NEUTRAL_ARGUMENTS, OPTION_NODES, Config, DataConfig
from segsweep.config.targets import path_arguments
from segsweep.config.validate import hints_of
from segsweep.errors import ConfigError
from segsweep.system.files import file_digest, file_stamp, file_status, is_settled, text_digest

IDENTITY_VERSION = 1  # increase it when the same config would give other numbers
ID_DIGITS = 12


def run_id(config: Values, data_fingerprint: str) -> str:
    """Return the id, 12 hex digits, of a checked config (with `choices`) on the given data."""
    values = [IDENTITY_VERSION, identity_values(config), data_fingerprint]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return text_digest(text)[:ID_DIGITS]


def identity_values(config: Values) -> dict[str, object]:
    """Return the part of a checked config that can change numbers.

    Classes are represented by their option names, files by hashes of their content.
    """
    choices, data = mapping(config, "choices"), mapping(config, "data")
    values = _section(Config, {key: item for key, item in config.items() if key in _NAMES})
    nodes: dict[str, dict[str, object]] = {}
    for node in OPTION_NODES:
        skipped = COMMON if node == "data" else ()
        arguments = _node(mapping(config, node), allowed(config), skipped)
        nodes[node] = {"option": choices[node], **arguments}
    idle = without_effect(data)
    common = {key: item for key, item in data.items() if key in COMMON and key not in idle}
    common = _section(DataConfig, common)
    file = split_file(config)
    digest = content(file, "data.split.file") if file else None
    common["split"] = {**mapping(common, "split"), "file": digest}
    nodes["data"] |= common
    return values | nodes | _of_study(config)


def _of_study(config: Values) -> dict[str, object]:
    """Return the study of a trial that may be pruned: the others in it decide how it ends."""
    search = config.get("search")
    if not isinstance(search, Mapping) or search.get("pruner", "none") == "none":
        return {}
    return {"study": search["study"]} if search.get("study") else {}


_NAMES = {item.name for item in dataclasses.fields(Config)} - set(OPTION_NODES)


def _section(section: type, values: Values) -> dict[str, object]:
    kept: dict[str, object] = {}
    for name, inner, neutral in _hashed(section):
        if name not in values:
            continue
        if inner is not None:
            kept[name] = _section(inner, mapping(values, name))
        elif values[name] != neutral:
            kept[name] = values[name]
    return kept


@cache
def _hashed(section: type) -> list[tuple[str, type | None, object]]:
    """Return name, schema section if it is one, and neutral value of the keys that count."""
    hints = hints_of(section)
    return [
        (
            item.name,
            hints[item.name] if dataclasses.is_dataclass(hints[item.name]) else None,
            item.metadata.get("neutral", dataclasses.MISSING),
        )
        for item in dataclasses.fields(section)
        if item.metadata.get("identity", True)
    ]


def _node(values: Node, allow: Sequence[str], skipped: Collection[str]) -> dict[str, object]:
    """Return a node's arguments without the keys *skipped* and those at their neutral values."""
    target = str(values["_target_"])
    paths, neutral = path_arguments(target, allow), NEUTRAL_ARGUMENTS.get(target, {})
    kept: dict[str, object] = {}
    for key, value in values.items():
        if key in skipped or key == "_target_" or (key in neutral and value == neutral[key]):
            continue
        if key in paths and value is not None:
            if not Path(str(value)).expanduser().is_dir():  # its files are in the fingerprint
                kept[key] = content(str(value), key)
        else:
            kept[key] = value
    return kept


def same_settings(stored: FrozenConfig, planned: FrozenConfig) -> bool:
    """Whether a config read from a run's folder is the config of the run that is *planned*.

    Its hash decides where their values differ: paths may, and keys that an older version lacks.
    """
    if stored.run_id != planned.run_id:
        return False
    if stored.identity_version != IDENTITY_VERSION or _shared(stored) == _shared(planned):
        return True
    try:
        return run_id(stored.values, stored.data_fingerprint) == stored.run_id
    except (ConfigError, KeyError, TypeError, ValueError, AttributeError):
        return False


def _shared(config: FrozenConfig) -> list[object]:
    """Return the values that are equal in the configs of equal runs, apart from paths."""
    values = config.values
    kept = {key: item for key, item in values.items() if key in _NAMES}
    return [values["choices"], *(values[node] for node in OPTION_NODES), _section(Config, kept)]


def contents(config: Values) -> dict[str, str]:
    """Return dotted key -> digest for every path in a checked config, "" for a folder.

    Tables compare runs by these, as ids do; a folder's files are in the data fingerprint.
    """
    found = {}
    for node in OPTION_NODES:
        values = mapping(config, node)
        for name in sorted(path_arguments(str(values["_target_"]), allowed(config))):
            value = values.get(name)
            if value is not None:
                folder = Path(str(value)).expanduser().is_dir()
                found[f"{node}.{name}"] = "" if folder else content(str(value), f"{node}.{name}")
    file = split_file(config)
    return found | ({"data.split.file": content(file, "data.split.file")} if file else {})


def allowed(config: Values) -> list[str]:
    """Return the packages in the config's key `allow`."""
    return list(cast("list[str]", config.get("allow") or []))


def split_file(config: Values) -> str | None:
    """Return the value of `data.split.file`."""
    file = mapping(mapping(config, "data"), "split").get("file")
    return None if file is None else str(file)


def content(path: str, key: str) -> str:
    """Return the digest of a file named by a config; ConfigError if it cannot be read."""
    try:
        return _digest(Path(path).expanduser())
    except OSError as error:
        raise ConfigError(f"{key}={path}: cannot be read ({error.strerror})") from error


def _digest(path: Path) -> str:
    """Return a file's digest, kept until the file changes: every run of a sweep needs it."""
    file_status(path)  # refuses what is no file
    stamp = file_stamp(path)
    known = _digests.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    digest = file_digest(path)
    if is_settled(stamp):
        _digests[path] = (stamp, digest)
    return digest


_digests: dict[Path, tuple[tuple[int, ...], str]] = {}


def not_identity(section: type, above: str = "") -> list[str]:
    """Return the dotted keys of *section* that cannot change a run's numbers."""
    found = _leaves(section, above)
    return [key for key, item in found if not item.metadata.get("identity", True)]


def neutral_values(section: type, above: str = "") -> dict[str, object]:
    """Return dotted key -> neutral value for the keys of *section* that have one."""
    none = dataclasses.MISSING
    found = {key: item.metadata.get("neutral", none) for key, item in _leaves(section, above)}
    return {key: value for key, value in found.items() if value is not none}


def _leaves(section: type, above: str) -> "list[tuple[str, dataclasses.Field[object]]]":
    """Return the dotted keys and fields of *section*, including those of its sections."""
    hints = hints_of(section)
    leaves: list[tuple[str, dataclasses.Field[object]]] = []
    for item in dataclasses.fields(section):
        if dataclasses.is_dataclass(hints[item.name]):
            leaves += _leaves(hints[item.name], f"{above}{item.name}.")
        else:
            leaves.append((above + item.name, item))
    return leaves


NEUTRAL = neutral_values(Config) | neutral_values(DataConfig, "data.")


def completed(stored: Values) -> Values:
    """Return a stored config in which each key that it is older than has its neutral value."""
    for key, value in (NEUTRAL | neutral_arguments(stored)).items():
        stored = _with_key(stored, key, value)
    return stored


def neutral_arguments(config: Values) -> dict[str, object]:
    """Return dotted key -> neutral value for the arguments of the option nodes of *config*."""
    nodes = {node: config.get(node) for node in OPTION_NODES}
    return {
        f"{node}.{key}": value
        for node, values in nodes.items()
        if isinstance(values, Mapping)
        for key, value in NEUTRAL_ARGUMENTS.get(str(values.get("_target_")), {}).items()
    }


def _with_key(values: Values, key: str, value: object) -> Values:
    """Return *values* with dotted *key*, unless they have it or lack its section."""
    name, _, rest = key.partition(".")
    if not rest:
        return values if name in values else {**values, name: value}
    inside = values.get(name)
    if not isinstance(inside, Mapping):
        return values
    return {**values, name: _with_key(inside, rest, value)}
