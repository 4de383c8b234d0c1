"""A run's config as typed objects: the schema's dataclasses, and facts about a frozen run."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self, TypeAlias, TypeVar, cast

from segsweep.config.schema import (
    COMMAND_KEYS,
    COMMAND_SECTIONS,
    IN_RUN,
    OPTION_NODES,
    CommandConfig,
    Config,
    DataConfig,
    EvaluateConfig,
    RaceConfig,
    ReportConfig,
    SearchConfig,
    SplitConfig,
    TrackerConfig,
    TrainerConfig,
)
from segsweep.config.truth import VALIDATION_ONLY, target_of
from segsweep.errors import ConfigError

Values: TypeAlias = Mapping[str, object]
"""A config as plain values, as in YAML."""
Node: TypeAlias = Mapping[str, object]
"""An option node: `_target_` and its arguments."""
S = TypeVar("S")
FACTS = (
    *("run_id", "identity_version", "segsweep_version", "data_fingerprint"),
    *("data_target", VALIDATION_ONLY, "contents"),
)
"""Keys of a frozen config that are facts about the run, not settings."""
COMMON = tuple(item.name for item in dataclasses.fields(DataConfig))
"""Keys of the data node that are not arguments of the source."""


@dataclass(frozen=True)
class DataNode:
    """The data node, split into common keys and the source's arguments."""

    size: int | list[int]
    channels: int
    resize: str
    tile: int | list[int] | None
    overlap: float
    crops: int | None
    split: SplitConfig
    source: Node

    @property
    def size_key(self) -> str:
        """The key that decides what the network sees."""
        return "data.size" if self.tile is None else "data.tile"

    @property
    def height_width(self) -> tuple[int, int]:
        """The size that the network sees; ConfigError unless it is one number or two."""
        size = self.size if self.tile is None else self.tile
        if isinstance(size, int):
            return size, size
        if len(size) != 2:
            raise ConfigError(f"{self.size_key}={size}: give one number, or [height, width]")
        return size[0], size[1]

    @property
    def ignores(self) -> bool:
        """Whether pixels of masks may count for nothing: `data.ignore` is set."""
        return self.source.get("ignore") not in (None, [])


@dataclass(frozen=True)
class RunConfig:
    """A config that passed every check."""

    values: Values
    """The config as plain values, to be hashed, compared and written."""
    sweep: str
    outputs: str
    seed: int
    kind: str
    threshold: float
    device: str
    threads: int
    allow: tuple[str, ...]
    keep: str
    model: Node
    loss: Node
    optimizer: Node
    scheduler: Node
    augment: Node
    data: DataNode
    trainer: TrainerConfig
    evaluate: EvaluateConfig
    search: SearchConfig
    race: RaceConfig
    report: ReportConfig
    tracker: TrackerConfig
    choices: Mapping[str, str]
    """The chosen option of each group in OPTION_NODES."""

    @classmethod
    def of(cls, values: Values) -> Self:
        """Return the config from checked *values*, `choices` included.

        A missing key gets its neutral value if it has one, else its default. Raises KeyError or
        TypeError if an option node, a section or a fact is missing.
        """
        return cls(**_read(cls, values))

    def with_values(self, changed: Values) -> Self:
        """Return a copy with changed top-level keys."""
        return type(self).of({**self.values, **changed})


@dataclass(frozen=True)
class FrozenConfig(RunConfig):
    """The content of a run's `config.yaml`: its config and facts about the run."""

    run_id: str
    identity_version: int
    segsweep_version: str
    data_fingerprint: str
    data_target: str
    """What counts as foreground; computed for runs of versions that did not store it."""
    contents: Mapping[str, str]
    """Dotted key -> digest of each file that the config names, empty for a folder."""
    validation_only: bool = False
    """Whether its split has no test part."""


def command_config(values: Values) -> CommandConfig:
    """Return the keys of checked *values* that steer the command."""
    return section(CommandConfig, {key: values[key] for key in COMMAND_KEYS if key in values})


def without_command(values: Values) -> dict[str, object]:
    """Return checked *values* without the keys that steer the command.

    Of a search they keep what it did, not how to make one.
    """
    left_out = (*COMMAND_KEYS, *COMMAND_SECTIONS)
    kept = {key: values[key] for key in values if key not in left_out}
    if "search" in kept:
        search = mapping(values, "search")
        names = IN_RUN if search.get("study") else ("filled",)
        kept["search"] = {name: search[name] for name in names if name in search}
    return kept


def section(kind: type[S], values: Values) -> S:
    """Return a section of the schema; a missing key gets its neutral value, else its default."""
    known = _fields(cast("type", kind))
    read = {name: values[name] if name in values else missing() for name, missing in known}
    return kind(**read)


@cache
def _fields(kind: type) -> tuple[tuple[str, "_Missing"], ...]:
    return tuple((item.name, _Missing(item)) for item in dataclasses.fields(kind))


@dataclass(frozen=True)
class _Missing:
    """The value of a key that a stored config lacks."""

    item: "dataclasses.Field[object]"

    def __call__(self) -> object:
        neutral = self.item.metadata.get("neutral", dataclasses.MISSING)
        if neutral is not dataclasses.MISSING:
            return neutral
        make = self.item.default_factory
        return make() if callable(make) else self.item.default


def _read(kind: type[RunConfig], values: Values) -> dict[str, Any]:
    """Return the constructor's arguments for *values*."""
    read: dict[str, Any] = {"values": values}
    for name, _ in _fields(cast("type", kind)):
        if name in SECTIONS:
            read[name] = section(SECTIONS[name], mapping({name: {}, **values}, name))
        elif name == "data":
            read[name] = _data_node(mapping(values, "data"))
        elif name in (*OPTION_NODES, "choices"):
            read[name] = mapping(values, name)
        elif name in _PLAIN:
            read[name] = values[name] if name in values else _PLAIN[name]()
        elif name == "data_target":
            read[name] = values.get(name) or target_of(mapping(values, "data"))
        elif name == VALIDATION_ONLY:
            read[name] = values.get(name) is True
        elif name != "values":
            read[name] = values.get(name, {}) if name == "contents" else values[name]
    read["allow"] = tuple(read["allow"] or ())
    return read


SECTIONS: dict[str, type] = {
    "trainer": TrainerConfig,
    "evaluate": EvaluateConfig,
    "search": SearchConfig,
    "race": RaceConfig,
    "report": ReportConfig,
    "tracker": TrackerConfig,
}
"""Sections of the config -> class; `data` has one of its own beside the data set's arguments."""
_PLAIN = {
    item.name: _Missing(item)
    for item in dataclasses.fields(Config)
    if item.name not in (*COMMAND_KEYS, *OPTION_NODES, *SECTIONS)
}


def _data_node(values: Values) -> DataNode:
    common = section(DataConfig, {key: values[key] for key in COMMON if key in values})
    return DataNode(
        size=cast("int | list[int]", values["size"]),
        channels=cast(int, values["channels"]),
        resize=common.resize,
        tile=common.tile,
        overlap=common.overlap,
        crops=common.crops,
        split=section(SplitConfig, mapping(values, "split")),
        source={key: value for key, value in values.items() if key not in COMMON},
    )


def without_effect(data: Values) -> tuple[str, ...]:
    """Return the keys of a data node that change nothing beside its `tile`."""
    return ("overlap", "crops") if data.get("tile") is None else ("size", "resize")


def mapping(values: Values, key: str) -> Values:
    """Return the section or option node at *key*; TypeError if there is a plain value."""
    value = values[key]
    if not isinstance(value, Mapping):
        raise TypeError(f"{key} is not a section")
    return value


def copied(values: S) -> S:
    """Return a deep copy of plain *values*: dicts and lists are copied, the rest is shared."""
    if isinstance(values, dict):
        return cast(S, {key: copied(item) for key, item in values.items()})
    return cast(S, [copied(item) for item in values]) if isinstance(values, list) else values
