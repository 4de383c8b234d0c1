"""A run's id: the same config on the same data is the same run, forever.

The id is a hash of everything that can change numbers: no differences from defaults, no
paths, no module names. A key that is added later carries a neutral value, left out.
"""

import dataclasses
import json
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from segsweep.config.schema import OPTION_NODES, Config, DataConfig
from segsweep.config.targets import path_arguments
from segsweep.config.validate import hints_of
from segsweep.errors import ConfigError
from segsweep.system.files import file_digest, text_digest

IDENTITY_VERSION = 1  # raise when the same config would give other numbers
ID_DIGITS = 12


def run_id(config: Mapping[str, Any], data_fingerprint: str) -> str:
    """Return 12 hex digits for a checked config (with its `choices`) on that data."""
    values = [IDENTITY_VERSION, identity_values(config), data_fingerprint]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False)
    return text_digest(text)[:ID_DIGITS]


def identity_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a checked config that can change numbers.

    Classes stand as their option names, files as hashes of their content.
    """
    choices = config["choices"]
    values = _section(Config, {key: item for key, item in config.items() if key in _NAMES})
    common = {item.name for item in dataclasses.fields(DataConfig)}
    for node in OPTION_NODES:
        arguments = _node(config[node], config.get("allow", ()), common if node == "data" else ())
        values[node] = {"option": choices[node], **arguments}
    data = {key: item for key, item in config["data"].items() if key in common}
    values["data"] |= _section(DataConfig, data)
    file = config["data"]["split"]["file"]
    values["data"]["split"]["file"] = content(file, "data.split.file") if file else None
    return values


_NAMES = {item.name for item in dataclasses.fields(Config)} - set(OPTION_NODES)


def _section(section: type, values: Mapping[str, Any]) -> dict[str, Any]:
    hints = hints_of(section)
    kept = {}
    for item in dataclasses.fields(section):
        if item.name not in values or not item.metadata.get("identity", True):
            continue
        value = values[item.name]
        if dataclasses.is_dataclass(hints[item.name]):
            kept[item.name] = _section(hints[item.name], value)
        elif value != item.metadata.get("neutral", dataclasses.MISSING):
            kept[item.name] = value
    return kept


def _node(
    values: Mapping[str, Any], allow: Sequence[str], beside: Collection[str]
) -> dict[str, Any]:
    """Return a node's arguments, without the keys *beside* them: `channels` is a network's too."""
    paths = path_arguments(values["_target_"], allow)
    kept = {}
    for key, value in values.items():
        if key in beside or key == "_target_":
            continue
        if key in paths and value is not None:
            if not Path(value).expanduser().is_dir():  # a folder's files are in the fingerprint
                kept[key] = content(value, key)
        else:
            kept[key] = value
    return kept


def contents(config: Mapping[str, Any]) -> dict[str, str]:
    """Return dotted key -> digest for every path in a checked config, "" for a folder.

    Tables compare runs by these, as ids do: a folder's files are in the data fingerprint.
    """
    found = {}
    for node in OPTION_NODES:
        for name in sorted(path_arguments(config[node]["_target_"], config.get("allow", ()))):
            value = config[node].get(name)
            if value is not None:
                folder = Path(value).expanduser().is_dir()
                found[f"{node}.{name}"] = "" if folder else content(value, f"{node}.{name}")
    file = config["data"]["split"]["file"]
    return found | ({"data.split.file": content(file, "data.split.file")} if file else {})


def content(path: str, key: str) -> str:
    """Return the digest of a file that steers numbers; ConfigError if it cannot be read."""
    try:
        return _digest(Path(path).expanduser())
    except OSError as error:
        raise ConfigError(f"{key}={path}: cannot be read ({error.strerror})") from error


def _digest(path: Path) -> str:
    """Return a file's digest; every run of a sweep asks for it, so it is read once."""
    status = path.stat()
    stamp = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
    known = _digests.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    digest = file_digest(path)
    if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _FRESH_NS:
        _digests[path] = (stamp, digest)
    return digest


_digests: dict[Path, tuple[tuple[int, ...], str]] = {}
_FRESH_NS = 2_000_000_000
"""A file changed this shortly before it was hashed may change again within its time stamp."""


def not_identity(section: type, above: str = "") -> list[str]:
    """Return the dotted keys of *section* that cannot change a run's numbers."""
    found = _leaves(section, above)
    return [key for key, item in found if not item.metadata.get("identity", True)]


def neutral_values(section: type, above: str = "") -> dict[str, Any]:
    """Return dotted key -> the value that means "as before", where a key of *section* has one."""
    none = dataclasses.MISSING
    found = {key: item.metadata.get("neutral", none) for key, item in _leaves(section, above)}
    return {key: value for key, value in found.items() if value is not none}


def _leaves(section: type, above: str) -> list[tuple[str, dataclasses.Field[Any]]]:
    """Return the dotted keys of *section* that hold values."""
    hints = hints_of(section)
    leaves: list[tuple[str, dataclasses.Field[Any]]] = []
    for item in dataclasses.fields(section):
        if dataclasses.is_dataclass(hints[item.name]):
            leaves += _leaves(hints[item.name], f"{above}{item.name}.")
        else:
            leaves.append((above + item.name, item))
    return leaves
