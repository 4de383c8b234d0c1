"""Check the values of a stored config: types as in the schema, and no section missing."""

from collections.abc import Mapping
from dataclasses import dataclass

from segsweep.config.run_config import Values
from segsweep.config.schema import (
    OPTION_NODES,
    EvaluateConfig,
    SearchConfig,
    SplitConfig,
    TrainerConfig,
)
from segsweep.config.typed import wrong_type

SECTIONS = {"trainer": TrainerConfig, "evaluate": EvaluateConfig, "search": SearchConfig}
NEEDED = ("run_id", "data_fingerprint", "seed", "kind", *OPTION_NODES, "trainer", "evaluate")
"""Keys that every version writes."""
MISSING = "missing"


@dataclass(frozen=True)
class _Plain:
    """The plain keys of a frozen config."""

    run_id: str
    identity_version: int
    segsweep_version: str
    data_fingerprint: str
    data_target: str
    validation_only: bool
    seed: int
    kind: str
    threshold: float
    sweep: str
    outputs: str
    device: str
    threads: int
    allow: list[str] | None
    keep: str


@dataclass(frozen=True)
class _Data:
    """The plain keys of the data node."""

    size: int | list[int]
    channels: int


def wrong_value(values: Values) -> tuple[str, str] | None:
    """Return the first key of a stored config that is missing or of the wrong type, and why."""
    for key in NEEDED:
        if key not in values:
            return key, MISSING
    if (wrong := wrong_type(_Plain, values)) is not None:
        return wrong
    for key in (*OPTION_NODES, *SECTIONS, "choices"):
        section = values.get(key, {} if key == "search" else None)
        if not isinstance(section, Mapping):
            return key, MISSING if section is None else "not a section"
        if key in SECTIONS and (wrong := wrong_type(SECTIONS[key], section)) is not None:
            return f"{key}.{wrong[0]}", wrong[1]
    return _wrong_node(values)


def _wrong_node(values: Values) -> tuple[str, str] | None:
    choices, data, split = values["choices"], values["data"], None
    for node in OPTION_NODES:
        named = values[node]
        if not (isinstance(choices, Mapping) and isinstance(choices.get(node), str)):
            return f"choices.{node}", MISSING
        if not (isinstance(named, Mapping) and isinstance(named.get("_target_"), str)):
            return f"{node}._target_", MISSING
    if isinstance(data, Mapping):
        split = data.get("split")
        if "size" not in data or "channels" not in data:
            return "data.size", MISSING
        if (wrong := wrong_type(_Data, data)) is not None:
            return f"data.{wrong[0]}", wrong[1]
    if not isinstance(split, Mapping):
        return "data.split", MISSING
    if (wrong := wrong_type(SplitConfig, split)) is not None:
        return f"data.split.{wrong[0]}", wrong[1]
    return None
