"""What a search may try: `search.params` in Hydra's words, as Optuna's distributions.

A key is searched over an interval, whole numbers, or a list of values:

    optimizer.lr: tag(log, interval(1e-5, 1e-2))
    trainer.batch: int(interval(4, 16))
    augment: choice(none, flips)
    model.depth: range(3, 6)
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, Transformer
from hydra.errors import HydraException

from segsweep.config.cells import is_compared
from segsweep.config.schema import CommandConfig, Config
from segsweep.config.validate import raise_all
from segsweep.errors import ConfigError
from segsweep.seeding import derive
from segsweep.sweep.planning.compose import config_loader

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value: TypeAlias = str | int | float | bool | None
Space: TypeAlias = "Mapping[str, BaseDistribution]"
FORMS = (
    "an interval, tag(log, interval(1e-5, 1e-2)) or int(interval(4, 16)), a list, choice(a, b), "
    "or range(3, 6)"
)
MOST_VALUES = 10_000
"""Of a list of values, or of a grid."""
BY_SEARCH = {
    "kind": "the search sets it",
    "trainer.epochs": "search.epochs sets it for every trial, so that budgets are equal",
    "trainer.preview_every": "the search sets it",
}
"""Keys that a trial has from the search itself, and why they are not searched."""


def space_of(params: Mapping[str, object]) -> Space:
    """Return what each key of `search.params` may be; ConfigError with a line per invalid one."""
    problems: list[str] = []
    found: dict[str, BaseDistribution] = {}
    for key, text in flat_params(params).items():
        try:
            if key in BY_SEARCH:
                raise ConfigError(f"{key}: not searched, because {BY_SEARCH[key]}")
            check_key(key)
            found[key] = distribution_of(key, text)
        except ConfigError as error:
            problems.append(f"search.params.{error}")
    raise_all(problems)
    return found


def flat_params(params: Mapping[str, object], above: str = "") -> dict[str, str]:
    """Return dotted key -> text; a command line nests `search.params.optimizer.lr=..`."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        key = f"{above}{name}"
        if isinstance(value, Mapping):
            flat |= flat_params(value, f"{key}.")
        else:
            flat[key] = str(value)
    return flat


def check_key(key: str) -> None:
    """Raise ConfigError for a key that must be the same in all trials."""
    first = key.split(".")[0]
    if is_compared(key):
        raise ConfigError(f"{key}: not searched, because cells are compared by it; give it a value")
    no_identity = {*CommandConfig.__dataclass_fields__, "search", "hydra"}
    fields = Config.__dataclass_fields__
    if first in no_identity or (first in fields and not fields[first].metadata.get("identity", 1)):
        raise ConfigError(f"{key}: not searched, because it changes no result")


def distribution_of(key: str, text: str) -> "BaseDistribution":
    """Return the distribution that *text* means for *key*; ConfigError if it means none."""
    from optuna.distributions import FloatDistribution, IntDistribution

    override = _parsed(key, text)
    if not override.is_interval_sweep():
        return _listed(key, text, override)
    interval = cast(IntervalSweep, override.value())
    low, high = cast(float, interval.start), cast(float, interval.end)
    if unknown := interval.tags - {"log"}:
        raise ConfigError(f"{key}={text}: tag {min(unknown)!r} is not known; there is log only")
    log = "log" in interval.tags
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"{key}={text}: the interval must rise, from a lower to a higher number")
    if log and low <= 0:
        raise ConfigError(f"{key}={text}: a log scale needs numbers above 0")
    whole = (
        isinstance(low, int)
        and isinstance(high, int)
        and text.replace(" ", "").startswith(("int(", "tag(log,int("))
    )
    if whole:
        return IntDistribution(int(low), int(high), log=log)
    return FloatDistribution(float(low), float(high), log=log)


def _listed(key: str, text: str, override: Override) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution

    if getattr(override.value(), "tags", None):
        raise ConfigError(f"{key}={text}: a list of values takes no tag; leave it out")
    values: list[Value] = []
    for value in _values(key, text, override):
        if len(values) == MOST_VALUES:
            raise ConfigError(f"{key}={text}: more than {MOST_VALUES:,} values; use an interval")
        if value not in values:
            values.append(cast(Value, value))
    if len(values) < 2:
        count = "one value" if values else "no value"
        raise ConfigError(f"{key}={text}: {count}; a search needs several")
    return CategoricalDistribution(values)


def _values(key: str, text: str, override: Override) -> "Iterator[object]":
    """Yield the values of a list; ConfigError for the options of a key that has none."""
    try:
        yield from override.sweep_iterator(transformer=Transformer.encode)
    except HydraException as error:
        raise ConfigError(f"{key}={text}: not understood; give {FORMS} ({error})") from error


def _parsed(key: str, text: str) -> Override:
    try:
        (override,) = OverridesParser.create(config_loader()).parse_overrides([f"{key}={text}"])
    except HydraException as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"{key}={text}: not understood; give {FORMS} ({reason})") from error
    if not override.is_sweep_override():
        raise ConfigError(f"{key}={text}: one value, which nothing searches; give {FORMS}")
    return override


def grid_size(distribution: "BaseDistribution") -> int:
    """Return how many values there are; 0 for an interval of real numbers."""
    from optuna.distributions import CategoricalDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return len(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return len(range(distribution.low, distribution.high + 1, distribution.step))
    return 0


def grid_of(space: Space) -> list[dict[str, Value]]:
    """Return every combination of values, in order; ConfigError for an interval."""
    from itertools import product

    from optuna.distributions import CategoricalDistribution, IntDistribution

    lists: list[Sequence[Value]] = []
    for key, distribution in space.items():
        if isinstance(distribution, CategoricalDistribution):
            lists.append(cast("Sequence[Value]", distribution.choices))
        elif isinstance(distribution, IntDistribution):
            lists.append(range(distribution.low, distribution.high + 1, distribution.step))
        else:
            raise ConfigError(
                f"search.sampler=grid: search.params.{key} is an interval; list its values, for "
                "example choice(1e-4, 1e-3)"
            )
    if math.prod(map(len, lists)) > MOST_VALUES:
        raise ConfigError(f"search.sampler=grid: more than {MOST_VALUES:,} combinations of values")
    return [dict(zip(space, values, strict=True)) for values in product(*lists)]


def stratified(space: Space, count: int, seed: int) -> list[dict[str, Value]]:
    """Return *count* combinations that cover each key evenly, drawn with *seed*.

    Each range is cut into *count* parts, and each part is hit once, at a random place (a Latin
    hypercube, McKay, Beckman and Conover 1979).
    """
    draws = np.random.default_rng(derive(seed, 0))
    shares = {key: (draws.permutation(count) + draws.random(count)) / count for key in space}
    return [
        {key: at_share(distribution, float(shares[key][k])) for key, distribution in space.items()}
        for k in range(count)
    ]


def at_share(distribution: "BaseDistribution", share: float) -> Value:
    """Return the value at *share*, 0 to below 1, of a distribution's range."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(share * len(distribution.choices))]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    if isinstance(distribution, IntDistribution):
        low, high = low - 0.5, high + 0.5
    if distribution.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    if isinstance(distribution, IntDistribution):
        return min(max(round(value), distribution.low), distribution.high)
    return min(max(value, distribution.low), distribution.high)


def contains(space: Space, values: Mapping[str, Value]) -> bool:
    """Whether *values* are inside the ranges of *space*."""
    return all(_contains(one, values[key]) for key, one in space.items())


def _contains(distribution: "BaseDistribution", value: Value) -> bool:
    try:
        return bool(distribution._contains(distribution.to_internal_repr(value)))
    except (ValueError, TypeError):  # a choice that is not in the list, text for a number
        return False


def words_of(values: Mapping[str, Value]) -> list[str]:
    """Return the words that set *values* on a command line."""
    return [f"{key}={_text(value)}" for key, value in values.items()]


def _text(value: Value) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
