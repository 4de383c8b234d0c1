"""Parts of configs are shared among the runs of a command; results: see test_compose.py."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from segsweep.config.schema import Config
from segsweep.sweep.planning.parts import Parts, needs_of


def overrides(*words):
    """Return parsed overrides by their top-level key."""
    found = {}
    for one in OverridesParser.create().parse_overrides(list(words)):
        found.setdefault(one.key_or_group.split(".")[0], []).append(one)
    return found


def config(**values):
    """Return a config with the types of the schema."""
    return OmegaConf.merge(OmegaConf.structured(Config), {"model": {"a": "${seed}"}, **values})


def test_equal_parts_are_one():
    """Two configs that differ in the loss share the rest, and what is set on it."""
    parts = Parts()
    first, second = (parts.of_config(config(loss={"gamma": gamma})) for gamma in (1, 2))
    different = [one.name for one, two in zip(first, second, strict=True) if one is not two]
    values = [parts.with_values(base, overrides("trainer.epochs=3")) for base in (first, second)]

    assert different == ["loss"]
    assert values[0]["trainer"] is values[1]["trainer"]
    assert [one["loss"]["gamma"] for one in values] == [1, 2]


def test_part_with_other_types_is_its_own():
    """An equal value without the type of the schema takes values that the schema would refuse."""
    parts = Parts()
    typed = parts.of_config(config(loss={}))
    untyped = parts.of_config(OmegaConf.create(OmegaConf.to_container(config(loss={}))))
    seeds = [next(part for part in one if part.name == "seed") for one in (typed, untyped)]

    assert parts.is_from_schema(seeds[0])
    assert not parts.is_from_schema(seeds[1])


def test_needs_of_interpolations():
    """Which keys are read; unknown where an interpolation calls something."""
    assert needs_of({"a": [1, "x"]}) == frozenset()
    assert needs_of({"a": ["${seed}", "${data.size}"]}) == {"seed", "data"}
    assert needs_of("${oc.env:HOME}") is None
