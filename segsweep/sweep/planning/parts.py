"""Top-level keys of a composed config, on which plain values are set.

Configs that differ in their options share most of their parts: what is set on a part, or what an
interpolation in it reads, is worked out once for all of them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import cast

from hydra.core.override_parser.types import Override, OverrideType
from omegaconf import DictConfig, ListConfig, Node, OmegaConf, ValueNode
from omegaconf.errors import OmegaConfBaseException

from segsweep.config.schema import Config

_REFERENCE = re.compile(r"\$\{([^\W\d]\w*)(?:\.\w+)*\}")
"""An interpolation that reads one key: `${data.channels}` depends only on `data`."""


class NotPlainError(Exception):
    """An override does more than set a plain value: a reason to use Hydra."""


@dataclass(eq=False)
class Part:
    """A top-level key of a config."""

    name: str
    values: object
    """Its plain values, with interpolations as text."""
    needs: frozenset[str] | None
    """Top-level keys that its interpolations read; None if unknown."""
    root: DictConfig | None = None
    """A config that has it; None until it is needed, where it can be built from the schema."""

    @property
    def config(self) -> DictConfig:
        """A config that has it, with the types of the schema."""
        if self.root is None:
            self.root = _built(self.name, self.values)
        return self.root

    @property
    def node(self) -> Node:
        """Its node, with interpolations."""
        return cast(Node, self.config._get_node(self.name))


@dataclass
class Parts:
    """The parts of all configs of a command."""

    _known: dict[tuple[str, str], Part] = field(default_factory=dict)
    """Those that can be built from the schema, by name and values."""
    _changed: dict[tuple[Part, tuple[str, ...]], Part] = field(default_factory=dict)
    _resolved: dict[tuple[Part, ...], object] = field(default_factory=dict)

    def of_config(self, root: DictConfig) -> list[Part]:
        """Return the parts of a config as Hydra composed it."""
        found = []
        for name, values in plain(root).items():
            known = self.from_schema(name, values)
            if known is None or not _is_same(known, root):
                known = Part(name, values, needs_of(values), root)
            found.append(known)
        return found

    def from_schema(self, name: str, values: object) -> Part | None:
        """Return the part with these *values*; None if the schema does not have it."""
        key = name, repr(values)
        if key not in self._known and name in schema().keys():  # noqa: SIM118  the others count as missing
            self._known[key] = Part(name, values, needs_of(values))
        return self._known.get(key)

    def is_from_schema(self, part: Part) -> bool:
        """Whether `from_schema` returns *part* for its name and values."""
        return self._known.get((part.name, repr(part.values))) is part

    def with_values(
        self, base: list[Part], overrides: Mapping[str, list[Override]]
    ) -> dict[str, object]:
        """Return the resolved values of *base*; *overrides* are grouped by top-level key."""
        parts = {part.name: part for part in base}
        for name, items in overrides.items():
            parts[name] = self._part_with(parts.get(name) or _absent(name), items)
        values = {name: part.values for name, part in parts.items()}
        for name, part in parts.items():
            if part.needs is None or part.needs:
                values[name] = self._looked_up(name, parts)
        return values

    def _part_with(self, part: Part, overrides: list[Override]) -> Part:
        """Return *part* after *overrides*, in their order."""
        key = part, tuple(str(override.input_line) for override in overrides)
        if key not in self._changed:
            root = OmegaConf.masked_copy(part.config, part.name)
            OmegaConf.set_struct(root, True)
            for override in overrides:
                _set(root, override)
            values = plain(root)[part.name]
            self._changed[key] = Part(part.name, values, needs_of(values), root)
        return self._changed[key]

    def _looked_up(self, name: str, parts: Mapping[str, Part]) -> object:
        """Return the resolved values of *name*, kept by the parts that it depends on."""
        seen = [parts[key] for key in _dependencies(name, parts)]
        key = (parts[name], *seen)
        if key not in self._resolved:
            cfg = OmegaConf.create({part.name: _untyped(part.node) for part in seen})
            self._resolved[key] = plain(cfg, resolve=True)[name]
        return self._resolved[key]


def _untyped(node: Node) -> object:
    """Return a plain value without the type that the schema gives it, as `resolve` sees it."""
    return node._value() if isinstance(node, ValueNode) else node


@cache
def _absent(name: str) -> Part:
    """Return a key that no option has, which an override may add."""
    return Part(name, None, frozenset(), OmegaConf.create({}))


@cache
def schema() -> DictConfig:
    """Return the config that has every key of the schema with its default."""
    return OmegaConf.structured(Config)


def _built(name: str, values: object) -> DictConfig:
    """Return a config with one key of the schema, as Hydra's merges leave it."""
    root = OmegaConf.masked_copy(schema(), name)
    root.merge_with({name: values})
    return root


def _is_same(part: Part, root: DictConfig) -> bool:
    """Whether a part that is built from the schema has the types and flags of *root*'s."""
    try:
        return _shape(part.node) == _shape(root._get_node(part.name))
    except OmegaConfBaseException:
        return False


def _shape(node: object) -> tuple[object, ...]:
    """Return all that tells a node from another: types, flags and values, also of its items."""
    assert isinstance(node, Node)
    known = node._metadata
    types = (type(node), known.ref_type, known.object_type, known.optional, known.flags)
    value = node._value()
    if isinstance(node, DictConfig | ListConfig):
        inside = node._metadata.key_type, node._metadata.element_type
        if isinstance(value, dict):
            return (*types, *inside, [(key, _shape(item)) for key, item in value.items()])
        if isinstance(value, list):
            return (*types, *inside, [_shape(item) for item in value])
    return (*types, repr(value))


def _set(root: DictConfig, override: Override) -> None:
    """Set one value as Hydra does, if all keys above it are sections."""
    *above, name = override.key_or_group.split(".")
    values = plain(root)
    for section in above:
        values = values.get(section)  # type: ignore[assignment]  # checked below
        if not isinstance(values, dict):  # an interpolation, null or a list: left to Hydra
            raise NotPlainError
    if override.is_add() and name in values:
        raise NotPlainError
    add = override.type is not OverrideType.CHANGE
    OmegaConf.update(root, override.key_or_group, override.value(), merge=True, force_add=add)


def plain(cfg: DictConfig, *, resolve: bool = False) -> dict[str, object]:
    """Return a config as plain values."""
    return cast("dict[str, object]", OmegaConf.to_container(cfg, resolve=resolve))


def needs_of(values: object) -> frozenset[str] | None:
    """Return the top-level keys that interpolations in *values* read; None: possibly any."""
    texts = [text for text in _texts(values) if "${" in text]
    if any("${" in _REFERENCE.sub("", text) for text in texts):
        return None
    return frozenset(name for text in texts for name in _REFERENCE.findall(text))


def _texts(values: object) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict | list | tuple):
        for item in values.values() if isinstance(values, dict) else values:
            yield from _texts(item)


def _dependencies(name: str, parts: Mapping[str, Part]) -> list[str]:
    """Return *name* and all top-level keys that its values depend on, in the config's order."""
    found, new = {name}, [name]
    while new:
        needs = parts[new.pop()].needs
        if needs is None:
            return list(parts)
        new += [key for key in needs if key in parts and key not in found]
        found.update(new)
    return [key for key in parts if key in found]
