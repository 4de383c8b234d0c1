"""Choices of options as Hydra composed them, kept for the next command.

They are void once a config file, segsweep, Hydra or OmegaConf is another one. What may depend on
anything else, such as an option that is chosen by an environment variable, is not kept.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from segsweep.sweep.planning.parts import Part, Parts
from segsweep.system.files import read_plain, text_digest
from segsweep.system.installation import code_stamp
from segsweep.system.kept import Kept

FILE = "composed.jsonl"
MOST = 400
"""Choices of options kept, each with some 2 kB."""
MOST_FILES = 2000
"""Of a folder with more entries, nothing is kept: it was not made for configs."""
MOST_BYTES = 1 << 20
"""A larger file is no config."""
_RESOLVER = re.compile(r"\$\{[^{}]*:")
"""An interpolation that calls something: `${oc.env:HOME}`."""


@dataclass(frozen=True)
class Base:
    """A choice of options as composed by Hydra, on which values are set."""

    choices: dict[str, str]
    """`hydra.runtime.choices`."""
    params: dict[str, str]
    """`hydra.sweeper.params`."""
    parts: list[Part]


def base_of(cfg: DictConfig, parts: Parts) -> Base:
    """Return what is needed of a config that Hydra composed."""
    root = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "hydra"])
    params = dict(cfg.hydra.sweeper.get("params") or {})
    return Base(dict(cfg.hydra.runtime.choices), params, parts.of_config(root))


class KeptBases:
    """The choices of options that commands with the same config files composed."""

    def __init__(self, cache: Path, sources: Sequence[Mapping[str, str]]) -> None:
        """*cache* is the folder of the file; *sources* are where Hydra reads configs from."""
        self._sources = [dict(source) for source in sources]
        self._before = digest_of(self._sources)
        stamp = f"{code_stamp()} {self._before}"
        self._kept = Kept(cache / FILE, stamp, MOST) if self._before else None

    def base(self, chosen: Sequence[str], parts: Parts) -> Base | None:
        """Return the base of the words *chosen* if it is known."""
        found = self._kept[repr(list(chosen))] if self._kept is not None else None
        if not isinstance(found, dict) or set(found) != {"choices", "params", "parts"}:
            return None
        if not all(isinstance(one, dict) for one in found.values()):
            return None
        made = [parts.from_schema(name, values) for name, values in found["parts"].items()]
        known = [part for part in made if part is not None]
        return Base(found["choices"], found["params"], known) if len(known) == len(made) else None

    def keep(self, chosen: Sequence[str], base: Base, cfg: DictConfig, parts: Parts) -> None:
        """Keep a base that Hydra composed as *cfg*, if it can be built again from its values."""
        sources = [dict(source) for source in cfg.hydra.runtime.config_sources]
        whole = sources == self._sources and all(map(parts.is_from_schema, base.parts))
        if self._kept is not None and whole and not any("${" in word for word in chosen):
            values = {part.name: part.values for part in base.parts}
            entry = {"choices": base.choices, "params": base.params, "parts": values}
            self._kept[repr(list(chosen))] = entry

    def save(self) -> None:
        """Write what is new, unless a config file was changed while Hydra read it."""
        if self._kept is not None and digest_of(self._sources) == self._before:
            self._kept.save()


def digest_of(sources: Iterable[Mapping[str, str]]) -> str:
    """Return a digest of all config files; "" if they alone do not say what Hydra composes."""
    seen: list[object] = [_names(ConfigStore.instance().repo)]
    for source in sources:
        seen.append(sorted(source.items()))
        if source["schema"] == "file":
            texts = _texts_in(Path(source["path"]))
            if texts is None or any(_RESOLVER.search(text) for text in texts.values()):
                return ""
            seen.append(texts)
        elif source["schema"] != "structured" and source["path"] != "hydra.conf":
            return ""  # configs in another package
    return text_digest(repr(seen))


def _names(stored: object) -> object:
    """Return the names of the configs that plugins have registered."""
    if not isinstance(stored, Mapping):
        return None
    return {name: _names(stored[name]) for name in sorted(stored)}


def _texts_in(folder: Path) -> dict[str, str] | None:
    """Return path -> text of the YAML files in a folder; None for one that is no config folder."""
    found, count = {}, 0
    try:
        for place, _, names in os.walk(folder, onerror=_raise, followlinks=True):
            count += 1 + len(names)
            if count > MOST_FILES:
                return None
            for name in sorted(names):
                if name.endswith((".yaml", ".yml")):
                    path = Path(place, name)
                    found[str(path)] = read_plain(path, MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError):
        return None
    return dict(sorted(found.items()))


def _raise(error: OSError) -> None:
    raise error
